#pragma once
#include "consortium/net/http_server.hpp"
#include <memory>
#include <string>

namespace consortium::agent::testing
{
namespace asio = boost::asio;

/// Whoever derives says what is answered; there are no WebSockets.
class http_only : public net::http_handler
{
public:
    net::admission admit(const net::http_request& head, net::connection_info&) override
    {
        net::admission out;
        if (head.upgrade)
            out.refusal = net::http_response::text(404, "");
        return out;
    }
    asio::awaitable<void> upgraded(net::http_request, net::connection_info, std::unique_ptr<net::websocket>) override
    {
        co_return;
    }
    net::http_response refuse(unsigned status, std::string_view detail) override
    {
        return net::http_response::text(status, std::string(detail));
    }
};

/// Serves on a free port of this machine alone for as long as it lives: the last member of who answers there.
class loopback
{
public:
    explicit loopback(net::http_handler& handler) : server_(net::http_server::listen({}).value())
    {
        server_->start(handler);
    }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(server_->port()); }

private:
    std::unique_ptr<net::http_server> server_;
};

inline constexpr auto not_found_body = R"({"error":"Not found","code":"not-found","retry":false})";

} // namespace consortium::agent::testing
