#pragma once
#include "consortium/net/close_code.hpp"
#include "consortium/net/http_client.hpp"
#include "consortium/net/websocket_message.hpp"
#include <cstddef>
#include <string_view>

namespace consortium::net
{

/// The client's end of an established WebSocket. It sends text; a message above the bound ends the connection with
/// 1009. Pings are answered here, and sent when the peer is silent (client_options::silence_max). Thread-safety:
/// everything on the connection's executor.
class client_websocket
{
public:
    virtual ~client_websocket() = default;

    /// The next message; the view holds until the next read(). Not calling it is how to stop reading: the peer is then
    /// held back by TCP. Errors: errc::closed (the peer closed, or close() was called here; `detail` says how),
    /// errc::timeout (the peer has fallen silent), errc::bad_request (it broke the protocol and is being closed),
    /// errc::too_large, errc::io.
    virtual asio::awaitable<result<websocket_message>> read() = 0;

    /// Queues one text message, which goes out in turn. Ignored after close().
    virtual void send(std::string_view payload) = 0;
    /// Bytes queued here and not yet taken by the operating system.
    virtual std::size_t queued_bytes() const noexcept = 0;

    /// Sends what is queued and a close frame, waits shortly for the peer's, closes the connection. Reads end with
    /// errc::closed.
    virtual void close(close_code code, std::string_view reason = {}) = 0;
    /// Closes the connection at once, unsent bytes are lost.
    virtual void abort() = 0;
    virtual bool is_open() const noexcept = 0;

    virtual asio::any_io_executor executor() const = 0;
};

/// Dials ws:// or wss:// (http and https mean the same). Runs on the calling coroutine's executor, to which the
/// WebSocket then belongs. Errors: as http_client::send; errc::unavailable when the server answered
/// something else than 101, whatever it was (`detail` holds the status and a piece of the body).
asio::awaitable<result<std::unique_ptr<client_websocket>>>
connect_websocket(std::string url, http_headers headers = {}, client_options options = {});

} // namespace consortium::net
