#pragma once
#include "consortium/common/error.hpp"
#include "consortium/net/close_code.hpp"
#include "consortium/net/frame.hpp"
#include "consortium/net/websocket_message.hpp"
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace consortium::net
{
namespace asio = boost::asio;

/// Who a peer has shown to be, as far as memory goes: what it shares with its other connections.
struct known_peer
{
    /// Counts what waits for it.
    std::shared_ptr<output_meter> output;
    /// Room for so much that it sends and that is kept for a while, until that goes; nullptr: there is none, and the
    /// connection ends (1013).
    std::function<std::shared_ptr<void>(std::size_t bytes)> input_room;
};

/// The server's end of an established WebSocket. A message above the bound ends the connection with 1009, broken
/// framing with 1002. Pings are answered, here and in the order of the queue. Thread-safety: everything on the
/// connection's executor.
class websocket
{
public:
    virtual ~websocket() = default;

    /// All messages that have arrived, at least one, in order; waits for the first. The views hold until the next
    /// read(). Not calling it is how to stop reading: the peer is then held back by TCP. Errors: errc::closed (the peer
    /// closed, or close() was called here; `detail` says how), errc::bad_request (the peer broke the protocol and is
    /// being closed), errc::too_large, errc::io.
    virtual asio::awaitable<result<std::span<const websocket_message>>> read() = 0;

    /// Queues one text message; nothing goes out before flush(). Ignored after close().
    virtual void send(std::string_view payload) = 0;
    virtual void send(shared_frame frame) = 0;
    virtual void send_binary(std::string_view payload) = 0;
    /// Starts one gathered write of all that is queued (when one is under way: right after it).
    virtual void flush() = 0;
    /// Bytes queued here and not yet taken by the operating system.
    virtual std::size_t queued_bytes() const noexcept = 0;

    /// Sends what is queued and a close frame, waits shortly for the peer's, closes the connection. Reads end with
    /// errc::closed.
    virtual void close(close_code code, std::string_view reason = {}) = 0;
    /// Closes the connection at once, unsent bytes are lost.
    virtual void abort() = 0;
    virtual bool is_open() const noexcept = 0;

    /// The peer has shown who it is: the bounds for strangers end.
    virtual void set_known(known_peer who) = 0;

    virtual asio::any_io_executor executor() const = 0;
};

/// The same WebSocket used from another executor: calls are posted to its own. For the rare case that a session lives
/// on another network thread than its connection.
std::unique_ptr<websocket> use_from(asio::any_io_executor home, std::unique_ptr<websocket> connection);

} // namespace consortium::net
