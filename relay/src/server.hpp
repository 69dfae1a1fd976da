#pragma once
#include "api/http.hpp"
#include "transport/socket_server.hpp"
#include <unordered_map>

namespace consortium::relay
{

/// Brings HTTP requests to their handlers: routes, tokens, the dashboard, what every answer has.
class request_router final : public net::http_handler
{
public:
    explicit request_router(services& shared);
    /// Before the server is started.
    void attach(socket_server& sockets) { sockets_ = &sockets; }

    asio::awaitable<net::http_response> handle(net::http_request request, net::connection_info from) override;
    std::optional<net::http_response>
    refuse_upgrade(const net::http_request& request, const net::connection_info& from) override;
    asio::awaitable<void>
    upgraded(net::http_request request, net::connection_info from, std::unique_ptr<net::websocket> connection) override;
    net::http_response refuse(unsigned status, std::string_view detail) override;

private:
    struct node
    {
        api::route how;
        std::vector<std::string_view> parts;
    };
    const node* find(std::string_view method, const std::vector<std::string>& path) const;
    asio::awaitable<net::http_response> run(net::http_request request, net::connection_info from);
    result<projections::principal> authenticate(const net::http_request& request, api::access needs) const;

    services& shared_;
    socket_server* sockets_ = nullptr;
    std::vector<node> nodes_;
};

} // namespace consortium::relay
