#include "metrics/metrics_listener.hpp"
#include <spdlog/spdlog.h>

namespace consortium::relay
{
namespace
{

// Prometheus' text exposition format, version 0.0.4.
constexpr std::string_view text_form = "text/plain; version=0.0.4; charset=utf-8";

} // namespace

result<std::unique_ptr<metrics_listener>>
metrics_listener::listen(const listen_address& where, std::function<std::string()> text)
{
    net::http_server_options options;
    options.address = where.host;
    options.port = where.port;
    options.connections_max = metrics_connections_max;
    options.on_bug = [](std::string_view what) { spdlog::error("a task of the metrics' thread failed: {}", what); };
    auto server = net::http_server::listen(std::move(options));
    if (!server)
        return std::unexpected(server.error());
    return std::unique_ptr<metrics_listener>(new metrics_listener(std::move(*server), std::move(text)));
}

metrics_listener::metrics_listener(std::unique_ptr<net::http_server> server, std::function<std::string()> text)
    : text_(std::move(text)), server_(std::move(server))
{
}

net::admission metrics_listener::admit(const net::http_request& head, net::connection_info&)
{
    net::admission out;
    out.body_bytes_max = 0;
    const bool reads = head.method == "GET" || head.method == "HEAD";
    if (head.path != "/metrics" || head.upgrade)
        out.refusal = refuse(404, "only /metrics is here");
    else if (!reads)
        out.refusal = refuse(405, "/metrics can only be read");
    return out;
}

boost::asio::awaitable<net::http_response> metrics_listener::handle(net::http_request, net::connection_info)
{
    co_return net::http_response::with(200, text_form, text_());
}

boost::asio::awaitable<void>
metrics_listener::upgraded(net::http_request, net::connection_info, std::unique_ptr<net::websocket>)
{
    co_return;
}

net::http_response metrics_listener::refuse(unsigned status, std::string_view detail)
{
    if (status != 500)
        return net::http_response::text(status, std::string(detail) + "\n");
    spdlog::error("metrics could not be read: {}", detail);
    return net::http_response::text(500, "the metrics could not be read; the relay's log says why\n");
}

} // namespace consortium::relay
