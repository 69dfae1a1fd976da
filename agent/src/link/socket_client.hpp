#pragma once
#include "consortium/common/error.hpp"
#include "consortium/net/http_client.hpp"
#include "link/from_relay.hpp"
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace consortium::agent
{
namespace asio = boost::asio;

struct socket_client_options
{
    std::string server_url; ///< e.g. "https://relay.example"; http, https, ws or wss
    std::string path = "/v1/updates/";
    boost::json::object auth; ///< sent in `40`
    net::client_options net;  ///< connect_timeout bounds the whole way to `40{sid}`
};

/// A Socket.IO 5 client over WebSocket: one connection, from dialling to its end. Who wants another one dials again.
/// Everything on the executor it was connected on.
class socket_client
{
public:
    /// Answers one event of the server, if it asked. Later calls, and calls on a closed connection, do nothing.
    using answer = std::function<void(boost::json::array args)>;

    struct handlers
    {
        /// In the order of arrival, never before connect() has returned. `reply` is empty when the server asked for no
        /// acknowledgement.
        std::function<void(std::string_view name, boost::json::array& args, answer reply)> on_event;
        /// Once, after which no handler is called any more. Not called when close() was. Dialling again makes sense.
        std::function<void(error reason)> on_close;
    };

    /// Dials, and waits for the server's `40`. A failure is `by_relay` when the server refused (`44`) in the relay's
    /// form; all else, an HTTP answer to the dial included, is worth another try.
    static asio::awaitable<relay_answer<std::shared_ptr<socket_client>>>
    connect(socket_client_options options, handlers on);

    virtual ~socket_client() = default;

    virtual const std::string& sid() const noexcept = 0;
    virtual bool is_open() const noexcept = 0;

    /// Sends an event with any number of arguments. Ignored when closed.
    virtual void emit(std::string_view name, const boost::json::array& args) = 0;
    /// The acknowledgement's arguments. Errors: errc::timeout, errc::closed: the server may or may not have acted.
    virtual asio::awaitable<result<boost::json::array>>
    emit_with_ack(std::string name, boost::json::array args, std::chrono::milliseconds timeout) = 0;
    /// The same with a callback, called exactly once; events go out in the order of these calls.
    virtual void emit_with_ack(
        std::string_view name, const boost::json::array& args, std::chrono::milliseconds timeout,
        std::function<void(result<boost::json::array>)> answered) = 0;
    virtual std::size_t queued_bytes() const noexcept = 0;

    /// Says goodbye (`41`) and closes. Waiting acks end with errc::closed.
    virtual void close() = 0;

protected:
    socket_client() = default;
};

} // namespace consortium::agent
