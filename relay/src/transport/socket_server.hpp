#pragma once
#include "consortium/common/ids.hpp"
#include "consortium/common/limits.hpp"
#include "consortium/common/places.hpp"
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
    std::chrono::milliseconds upgrade_grace{100}; ///< what a poll waits for the end of an upgrade
    std::size_t payload_bytes_max = limits::frame_bytes_max;
    std::size_t acks_pending_max = 4096;              ///< emit_with_ack without an answer, per socket
    std::size_t early_bytes_max = 1u << 20;           ///< events before `40{sid}`; above it reading stops until then
    std::size_t stranger_queue_bytes_max = 64u << 10; ///< the same until it has signed in
    /// What the sockets of an account share with its other connections.
    std::function<net::known_peer(account_id)> peer_of = [](account_id) { return net::known_peer{}; };
    /// A socket that had left more than this untaken when something was sent to it is dropped.
    std::function<std::size_t(account_id)> untaken_bytes_max = [](account_id) -> std::size_t { return 32u << 20; };
    /// Bodies of clients that have not signed in.
    std::size_t stranger_payload_bytes_max = limits::frame_bytes_max;
    place_table::bounds polling_sessions{.all = 10'000, .each = 10'000, .strangers = 10'000};
    /// What polling sessions of an address are counted by, and who hears that there were too many.
    std::function<std::string(const std::string& address)> counted_as = [](const std::string& address)
    { return address; };
    std::function<void(place_table::crowd, const std::string& address)> crowded = [](auto, const auto&) {};
};

/// What is said to a request on its header.
struct socket_admission
{
    std::optional<net::http_response> refusal;
    std::size_t body_bytes_max = 0;
    /// Of the connection that the request belongs to; nil: a stranger's.
    account_id owner;
    /// As net::admission says.
    std::function<void()> unheard;
};

struct socket_server_counts
{
    std::size_t connections = 0; ///< Engine.IO connections, joined to the namespace or not
    std::size_t polling = 0;     ///< of these, carried by HTTP polling
    std::size_t sockets = 0;     ///< connected Socket.IO sockets
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
    /// Judges such a request, one to become a WebSocket too, before its body is read.
    virtual socket_admission admit(const net::http_request& head, const net::connection_info& from) = 0;
    /// The two of net::http_handler, for admitted requests.
    virtual asio::awaitable<net::http_response> handle(net::http_request request, net::connection_info from) = 0;
    virtual asio::awaitable<void>
    upgraded(net::http_request request, net::connection_info from, std::unique_ptr<net::websocket> connection) = 0;

    /// Runs `task` for what the rules made of every connected socket of the calling network thread.
    virtual void for_each_here(const std::function<void(socket_listener&)>& task) = 0;
    /// Shutdown: refuses new connections and closes every transport without `41`, so that clients dial again.
    /// Thread-safe; the closing happens on the sockets' threads.
    virtual void close_all(std::string_view reason) = 0;
    virtual socket_server_counts counts() const noexcept = 0;
};

} // namespace consortium::relay
