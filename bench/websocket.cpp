// One WebSocket connection's echo, by our own framing and by Beast's stream, in one run (docs/decisions/0006).
// Run by hand: build/release/bin/bench_websocket [seconds per cell]
#include "consortium/net/http_server.hpp"
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

namespace
{
namespace asio = boost::asio;
namespace beast = boost::beast;
using namespace consortium;
using tcp = asio::ip::tcp;
using steady = std::chrono::steady_clock;

/// Sends back what comes, as the relay's own connections do.
class echo final : public net::http_handler
{
public:
    asio::awaitable<net::http_response> handle(net::http_request, net::connection_info) override
    {
        co_return net::http_response::text(404, "no");
    }
    std::optional<net::http_response> refuse_upgrade(const net::http_request&, const net::connection_info&) override
    {
        return {};
    }
    asio::awaitable<void>
    upgraded(net::http_request, net::connection_info, std::unique_ptr<net::websocket> connection) override
    {
        while (const auto messages = co_await connection->read())
        {
            for (const auto& each : *messages)
                connection->send(each.payload);
            connection->flush();
        }
    }
    net::http_response refuse(unsigned status, std::string_view detail) override
    {
        return net::http_response::text(status, std::string(detail));
    }
};

asio::awaitable<void> beast_echo(tcp::socket socket)
{
    socket.set_option(tcp::no_delay(true));
    beast::websocket::stream<beast::tcp_stream, /*deflateSupported=*/false> stream(std::move(socket));
    stream.read_message_max(16u << 20);
    stream.auto_fragment(false);
    stream.text(true);
    const auto [refused] = co_await stream.async_accept(asio::as_tuple(asio::use_awaitable));
    beast::flat_buffer message;
    while (!refused)
    {
        const auto [ended, size] = co_await stream.async_read(message, asio::as_tuple(asio::use_awaitable));
        if (ended)
            co_return;
        const auto [broken, sent] = co_await stream.async_write(message.data(), asio::as_tuple(asio::use_awaitable));
        if (broken)
            co_return;
        message.consume(size);
    }
}

asio::awaitable<void> beast_accept(tcp::acceptor& acceptor)
{
    while (true)
    {
        auto [failed, socket] = co_await acceptor.async_accept(asio::as_tuple(asio::use_awaitable));
        if (failed)
            co_return;
        asio::co_spawn(acceptor.get_executor(), beast_echo(std::move(socket)), asio::detached);
    }
}

/// RFC 6455 section 5.2; a client's mask is all zeros.
std::string frame(std::size_t size, bool masked)
{
    std::string out = "\x81";
    const char mask_bit = masked ? '\x80' : '\0';
    if (size < 126)
        out += static_cast<char>(mask_bit | static_cast<char>(size));
    else if (size < 65536)
    {
        out += static_cast<char>(mask_bit | 126);
        out += static_cast<char>(size >> 8);
        out += static_cast<char>(size & 0xff);
    }
    else
    {
        out += static_cast<char>(mask_bit | 127);
        for (int shift = 56; shift >= 0; shift -= 8)
            out += static_cast<char>(size >> shift & 0xff);
    }
    if (masked)
        out.append(4, '\0');
    return out.append(size, 'x');
}

/// Messages a second: `window` of them go out in one write, and all come back before the next.
double echoed(std::uint16_t port, std::size_t size, std::size_t window, std::chrono::milliseconds span)
{
    asio::io_context context;
    tcp::socket socket(context);
    socket.connect({asio::ip::make_address("127.0.0.1"), port});
    socket.set_option(tcp::no_delay(true));
    asio::write(
        socket, asio::buffer(std::string("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                         "Sec-WebSocket-Version: 13\r\n\r\n")));
    std::string head;
    asio::read_until(socket, asio::dynamic_buffer(head), "\r\n\r\n");

    std::string out;
    for (std::size_t i = 0; i < window; ++i)
        out += frame(size, /*masked=*/true);
    std::string in(window * frame(size, /*masked=*/false).size(), '\0');
    std::size_t count = 0;
    const auto began = steady::now();
    auto now = began;
    for (; now - began < span; now = steady::now(), count += window)
    {
        asio::write(socket, asio::buffer(out));
        asio::read(socket, asio::buffer(in));
    }
    return static_cast<double>(count) / std::chrono::duration<double>(now - began).count();
}
} // namespace

int main(int argc, char** argv)
{
    const std::chrono::milliseconds span(argc > 1 ? 1000 * std::atoi(argv[1]) : 1000);
    echo site;
    const auto ours = net::http_server::listen({}).value();
    ours->start(site);

    asio::io_context context{1};
    tcp::acceptor acceptor(context, {asio::ip::make_address("127.0.0.1"), 0});
    asio::co_spawn(context, beast_accept(acceptor), asio::detached);
    std::thread thread([&] { context.run(); });

    std::printf("%10s %8s %14s %14s %7s\n", "bytes", "at once", "ours/s", "Beast/s", "ratio");
    for (const std::size_t size : {64u, 512u, 4096u, 65536u})
        for (const std::size_t window : {1u, 8u, 64u})
        {
            if (size * window > (1u << 20)) // beyond what the sockets hold the two ends would wait for each other
                continue;
            const auto own = echoed(ours->port(), size, window, span);
            const auto theirs = echoed(acceptor.local_endpoint().port(), size, window, span);
            std::printf("%10zu %8zu %14.0f %14.0f %7.2f\n", size, window, own, theirs, own / theirs);
        }
    context.stop();
    thread.join();
    ours->stop();
    return 0;
}
