#pragma once
#include <memory>
#include <string>
#include <string_view>

namespace consortium::net
{

/// A text message encoded once for any number of receivers: a complete unmasked WebSocket frame (RFC 6455 section 5.2)
/// in one buffer, whose payload can be had by itself for HTTP polling. Immutable, shared between threads.
class text_frame
{
public:
    explicit text_frame(std::string_view payload);

    /// Header and payload, as a server sends them.
    std::string_view bytes() const noexcept { return bytes_; }
    std::string_view payload() const noexcept { return std::string_view(bytes_).substr(header_size_); }

private:
    std::string bytes_;
    std::size_t header_size_;
};

using shared_frame = std::shared_ptr<const text_frame>;

inline shared_frame encode_text_frame(std::string_view payload)
{
    return std::make_shared<const text_frame>(payload);
}

} // namespace consortium::net
