#pragma once
#include "consortium/common/limits.hpp"
#include "consortium/net/http_server.hpp"
#include "transport/socket.hpp"
#include <chrono>
#include <functional>
#include <memory>

namespace consortium::relay
{

struct socket_server_options
{
    std::string path = "/v1/updates";
    std::chrono::milliseconds ping_interval = limits::ping_interval;
    std::chrono::milliseconds ping_timeout = limits::ping_timeout;
    std::chrono::milliseconds connect_timeout = limits::connect_timeout;
    std::chrono::milliseconds upgrade_timeout{10'000};
    std::size_t payload_bytes_max = limits::frame_bytes_max;
    std::size_t acks_pending_max = 4096;          ///< emit_with_ack without an answer, per socket
    std::size_t early_bytes_max = 1u << 20;       ///< events before `40{sid}`; above it reading stops until then
    std::size_t queue_bytes_hard_max = 64u << 20; ///< a socket that lets more pile up is dropped
    std::size_t polling_sessions_max = 10'000;
};

struct socket_server_counts
{
    std::size_t sessions = 0; ///< Engine.IO sessions, connected to the namespace or not
    std::size_t polling = 0;  ///< of these, carried by HTTP polling
    std::size_t sockets = 0;  ///< connected Socket.IO sockets
};

/// Engine.IO 4 (polling, WebSocket, upgrade from one to the other) and Socket.IO 5 on the namespace `/`.
/// The program's http_handler passes on what belongs here.
class socket_server
{
public:
    /// `server` and `rules` must outlive it; destroy it after http_server::stop().
    static std::unique_ptr<socket_server>
    make(net::http_server& server, socket_handler& rules, socket_server_options options = {});
    virtual ~socket_server() = default;

    /// Whether a request's path is ours (with and without a trailing slash).
    virtual bool owns(std::string_view path) const noexcept = 0;
    /// The three of net::http_handler, for such requests.
    virtual asio::awaitable<net::http_response> handle(net::http_request request, net::connection_info from) = 0;
    virtual std::optional<net::http_response>
    refuse_upgrade(const net::http_request& request, const net::connection_info& from) = 0;
    virtual asio::awaitable<void>
    upgraded(net::http_request request, net::connection_info from, std::unique_ptr<net::websocket> connection) = 0;

    /// Runs `task` for every connected socket of the calling network thread.
    virtual void for_each_here(const std::function<void(socket&)>& task) = 0;
    /// Shutdown: refuses new sessions and closes every transport without `41`, so that clients dial again. Thread-safe;
    /// the closing happens on the sockets' threads.
    virtual void close_all(std::string_view reason) = 0;
    virtual socket_server_counts counts() const noexcept = 0;
};

} // namespace consortium::relay
