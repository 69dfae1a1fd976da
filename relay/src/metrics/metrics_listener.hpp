#pragma once
#include "consortium/net/http_server.hpp"
#include "listen_address.hpp"
#include <functional>

namespace consortium::relay
{

/// Connections to it at once.
inline constexpr std::size_t metrics_connections_max = 8;
/// The files it may hold open: those, its listener, its thread's, and the directories that it looks through.
inline constexpr std::size_t metrics_descriptors = metrics_connections_max + 12;

/// Answers GET /metrics, and nothing else, on an address and a thread of its own: whoever reaches the relay does not
/// reach this, and a slow reader of files holds up no client.
class metrics_listener final : public net::http_handler
{
public:
    /// Binds; nothing is accepted before start(). `text` is called on its thread. Errors as http_server::listen().
    static result<std::unique_ptr<metrics_listener>>
    listen(const listen_address& where, std::function<std::string()> text);

    void start() { server_->start(*this); }
    /// `text` is not called afterwards.
    void stop() { server_->stop(); }
    std::uint16_t port() const noexcept { return server_->port(); }

    net::admission admit(const net::http_request& head, net::connection_info& from) override;
    boost::asio::awaitable<net::http_response> handle(net::http_request request, net::connection_info from) override;
    boost::asio::awaitable<void>
    upgraded(net::http_request request, net::connection_info from, std::unique_ptr<net::websocket> connection) override;
    net::http_response refuse(unsigned status, std::string_view detail) override;

private:
    metrics_listener(std::unique_ptr<net::http_server> server, std::function<std::string()> text);

    const std::function<std::string()> text_;
    const std::unique_ptr<net::http_server> server_;
};

} // namespace consortium::relay
