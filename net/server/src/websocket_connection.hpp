#pragma once
#include "consortium/common/places.hpp"
#include "consortium/net/websocket.hpp"
#include "deadline.hpp"
#include "stream.hpp"
#include "websocket_frames.hpp"
#include <atomic>
#include <list>
#include <vector>

namespace consortium::net
{

struct websocket_settings
{
    std::size_t message_bytes_max = 0;
    std::size_t known_message_bytes_max = 0; ///< from set_known() on
    std::chrono::milliseconds write_timeout{60'000};
    std::chrono::milliseconds close_timeout{2'000};
};

/// The state of one established WebSocket. Kept alive by what is under way; the handle that users own is apart.
class websocket_core : public std::enable_shared_from_this<websocket_core>
{
public:
    /// `input`: what was read beyond the handshake.
    websocket_core(stream connection, std::string input, websocket_settings settings);
    ~websocket_core();

    /// Kept until the connection has ended.
    void hold(std::shared_ptr<place_table::place> place);
    void on_end(std::function<void()> ended) { ended_ = std::move(ended); }
    void set_known(known_peer who);

    static asio::awaitable<result<std::span<const websocket_message>>> read(std::shared_ptr<websocket_core> self);
    void send(std::string_view payload);
    void send(shared_frame frame);
    void send_binary(std::string_view payload);
    void flush();
    void close(close_code code, std::string_view reason);
    void abort();
    /// The user's handle is gone: nobody will read any more.
    void release();
    /// Thread-safe, as is is_open().
    std::size_t queued_bytes() const noexcept { return queued_.load(std::memory_order_relaxed); }
    bool is_open() const noexcept { return open_.load(std::memory_order_relaxed); }
    asio::any_io_executor executor() { return stream_.executor(); }

private:
    struct segment
    {
        std::string own;
        shared_frame shared;

        std::string_view bytes() const noexcept { return shared ? shared->bytes() : std::string_view(own); }
    };

    void queue_frame(opcode kind, std::string_view payload);
    void queue_bytes(std::string_view header, std::string_view payload);
    void queue_pong();
    void start_write();
    void continue_write();
    void written(boost::system::error_code failed, std::size_t count);
    /// Once closing, when all is written: waits for the peer's close frame, or ends.
    void settle();
    /// Takes what has arrived apart. True when there is something to return from read().
    bool decode();
    void peer_closed(std::string_view payload);
    void make_room();
    /// Asks for room for what is held of a large message; false: there is none.
    bool has_input_room(std::size_t buffer_bytes);
    void drop_segments(std::size_t count);
    void fail_with(error reason);
    void finish();
    static asio::awaitable<void> drain(std::shared_ptr<websocket_core> self);

    stream stream_;
    websocket_settings settings_;
    std::shared_ptr<place_table::place> place_;
    std::function<void()> ended_;
    frame_decoder decoder_;
    deadline write_deadline_;
    deadline close_deadline_;

    // Input: the unread bytes are [begin_, end_) of buffer_.
    std::string buffer_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::vector<websocket_message> messages_;
    bool reading_ = false;
    known_peer peer_;
    std::vector<std::shared_ptr<void>> input_rooms_;
    std::size_t input_room_bytes_ = 0;

    // Output.
    std::list<segment> queue_; ///< what is being written must not move; nothing is allocated while it is empty
    /// The answer to the latest ping, which goes out with the next write: whoever takes no answers gets one at the end,
    /// not as many as he asked for (RFC 6455 section 5.5.3).
    std::optional<std::string> pong_;
    std::vector<asio::const_buffer> gathered_;
    std::span<asio::const_buffer> unwritten_;
    std::size_t in_flight_ = 0; ///< segments of queue_ that gathered_ points into
    bool flush_wanted_ = false;
    std::atomic<std::size_t> queued_ = 0;
    std::size_t own_bytes_ = 0; ///< of segments that are this connection's alone

    std::atomic<bool> open_ = true; ///< neither closing nor closed
    bool close_sent_ = false;       ///< the close frame is queued; nothing may follow it
    bool peer_closed_ = false;
    bool close_deadline_armed_ = false;
    bool finished_ = false;
    /// Why there is nothing more to read.
    std::optional<error> over_;
};

std::unique_ptr<websocket> make_websocket(std::shared_ptr<websocket_core> core);

} // namespace consortium::net
