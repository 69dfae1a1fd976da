#pragma once
#include "admission.hpp"

namespace consortium::relay
{

/// Brings admitted requests to their handlers, and answers with what every answer has.
class request_router final : public net::http_handler
{
public:
    explicit request_router(services& shared) : shared_(shared), admission_(shared) {}
    /// Before the server is started.
    void attach(socket_server& sockets)
    {
        sockets_ = &sockets;
        admission_.attach(sockets);
    }

    net::admission admit(const net::http_request& head, net::connection_info& from) override
    {
        return admission_.admit(head, from);
    }
    asio::awaitable<net::http_response> handle(net::http_request request, net::connection_info from) override;
    asio::awaitable<void>
    upgraded(net::http_request request, net::connection_info from, std::unique_ptr<net::websocket> connection) override;
    net::http_response refuse(unsigned status, std::string_view detail) override;
    std::string counted_as(const std::string& address) override { return admission_.counted_as(address); }
    void crowded(place_table::crowd why, const std::string& address) override;

private:
    asio::awaitable<net::http_response> answer(net::http_request request, net::connection_info from);
    asio::awaitable<net::http_response> run(net::http_request request, net::connection_info from);

    services& shared_;
    socket_server* sockets_ = nullptr;
    request_admission admission_;
};

} // namespace consortium::relay
