#pragma once
#include "consortium/net/websocket_message.hpp"
#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace consortium::net
{

/// Bytes that were made for somebody and wait in memory to be taken, wherever they wait. Thread-safe.
class output_meter
{
public:
    void add(std::size_t bytes) noexcept { waiting_.fetch_add(bytes, std::memory_order_relaxed); }
    void remove(std::size_t bytes) noexcept { waiting_.fetch_sub(bytes, std::memory_order_relaxed); }
    std::size_t waiting() const noexcept { return waiting_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::size_t> waiting_ = 0;
};

/// A message encoded once for any number of receivers: a complete unmasked WebSocket frame (RFC 6455 section 5.2)
/// in one buffer, whose payload can be had by itself for HTTP polling. Its bytes never change; shared between threads.
class message_frame
{
public:
    explicit message_frame(std::string_view payload, websocket_message::kind what = websocket_message::kind::text);
    message_frame(const message_frame&) = delete;
    message_frame& operator=(const message_frame&) = delete;
    ~message_frame()
    {
        if (counted_by_)
            counted_by_->remove(bytes_.size());
    }

    /// Header and payload, as a server sends them.
    std::string_view bytes() const noexcept { return bytes_; }
    std::string_view payload() const noexcept { return std::string_view(bytes_).substr(header_size_); }
    websocket_message::kind what() const noexcept { return what_; }

    /// It counts as waiting until nobody holds it: once, for whoever asks first. Thread-safe.
    void count(const std::shared_ptr<output_meter>& by) const
    {
        if (counted_.exchange(true))
            return;
        by->add(bytes_.size());
        counted_by_ = by;
    }

private:
    std::string bytes_;
    std::size_t header_size_;
    websocket_message::kind what_;
    mutable std::atomic<bool> counted_ = false;
    mutable std::shared_ptr<output_meter> counted_by_; ///< of whoever set counted_; read when nobody else is there
};

using shared_frame = std::shared_ptr<const message_frame>;

inline shared_frame encode_text_frame(std::string_view payload)
{
    return std::make_shared<const message_frame>(payload);
}
inline shared_frame encode_binary_frame(std::string_view payload)
{
    return std::make_shared<const message_frame>(payload, websocket_message::kind::binary);
}

} // namespace consortium::net
