#include "dial.hpp"
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <openssl/err.h>

namespace consortium::net
{
namespace
{
constexpr std::size_t read_bytes = 16u << 10;

/// Ends whatever step dialling is at.
struct attempt
{
    attempt(asio::any_io_executor executor) : resolver(executor), socket(executor), timer(executor) {}

    void give_up()
    {
        timed_out = true;
        resolver.cancel();
        error_code ignored;
        if (channel)
            channel->channel.close();
        else
            socket.close(ignored);
    }

    tcp::resolver resolver;
    tcp::socket socket;
    asio::steady_timer timer;
    std::shared_ptr<client_connection> channel;
    bool timed_out = false;
};

std::string tls_trouble(const url& to, const error_code& failed)
{
    if (failed.category() == asio::error::get_ssl_category() &&
        ERR_GET_REASON(static_cast<unsigned long>(failed.value())) == SSL_R_CERTIFICATE_VERIFY_FAILED)
        return "the certificate of " + to.authority() +
               " is not trusted (unknown authority, wrong name or out of date)";
    return "no TLS connection to " + to.authority() + ": " + failed.message();
}
} // namespace

client_connection::client_connection(stream opened)
    : channel(std::move(opened)),
      limit(
          channel.executor(),
          [this]
          {
              timed_out = true;
              channel.close();
          })
{
}

asio::awaitable<result<client_response>>
client_connection::exchange(std::string_view head, std::string_view body, response_reader& reader, bool& answered)
{
    const auto broken = [this](std::string_view what, const error_code& failed) -> error
    {
        if (timed_out)
            return {errc::timeout, "the server did not answer in time", {}};
        return {errc::closed, std::string(what) + ": " + failed.message(), {}};
    };
    std::array<asio::const_buffer, 2> parts{
        asio::buffer(head.data(), head.size()), asio::buffer(body.data(), body.size())};
    // A server may answer and close before it has taken the whole body: then its answer counts.
    const auto unsent = co_await channel.write_all(parts);
    if (unsent && timed_out)
        co_return std::unexpected(broken("", unsent));

    std::size_t begin = 0;
    std::size_t end = 0;
    while (true)
    {
        if (input.size() - end < read_bytes / 2)
            input.resize(end + read_bytes);
        const auto [failed, count] = co_await channel.read_some(asio::buffer(input.data() + end, input.size() - end));
        answered = answered || count > 0;
        end += count;
        if (failed)
        {
            if (timed_out || failed != asio::error::eof || reader.end_of_input() != read_state::done)
                co_return std::unexpected(broken("the connection broke before the answer was complete", failed));
            break;
        }
        std::size_t used = 0;
        const auto state = reader.feed(std::string_view(input).substr(begin, end - begin), used);
        begin += used;
        if (state == read_state::failed)
            co_return reader.too_large()
                ? fail(errc::too_large, "the answer is too large")
                : fail(errc::corrupt, "the answer is no HTTP: " + std::string(reader.detail()));
        if (state == read_state::done)
            break;
        if (begin == end)
            begin = end = 0;
    }
    input = input.substr(begin, end - begin);
    co_return reader.take();
}

asio::awaitable<result<std::shared_ptr<client_connection>>>
dial(asio::any_io_executor executor, url to, std::shared_ptr<asio::ssl::context> tls, std::chrono::milliseconds limit)
{
    const auto state = std::make_shared<attempt>(executor);
    state->timer.expires_after(limit);
    state->timer.async_wait(
        [weak = std::weak_ptr(state)](const error_code& cancelled)
        {
            if (const auto self = weak.lock(); self && !cancelled)
                self->give_up();
        });
    const auto trouble = [&](std::string text) -> std::unexpected<error>
    {
        if (state->timed_out)
            return fail(errc::timeout, "no connection to " + to.authority() + " within the time allowed");
        return fail(errc::io, std::move(text));
    };

    auto [unresolved, places] =
        co_await state->resolver.async_resolve(to.host, std::to_string(to.port), asio::as_tuple(asio::use_awaitable));
    if (unresolved || state->timed_out)
        co_return trouble("cannot find the address of " + to.host + ": " + unresolved.message());
    auto [refused, place] = co_await asio::async_connect(state->socket, places, asio::as_tuple(asio::use_awaitable));
    if (refused || state->timed_out)
        co_return trouble("cannot connect to " + to.authority() + ": " + refused.message());
    error_code ignored;
    state->socket.set_option(tcp::no_delay(true), ignored);
    state->socket.set_option(asio::socket_base::keep_alive(true), ignored);

    auto made = to.tls ? stream(std::move(state->socket), std::move(tls)) : stream(std::move(state->socket));
    state->channel = std::make_shared<client_connection>(std::move(made));
    const auto failed = co_await state->channel->channel.connect_tls(to.host);
    if (failed || state->timed_out)
        co_return trouble(tls_trouble(to, failed));
    state->timer.cancel();
    co_return state->channel;
}

std::string request_head(std::string_view method, const url& to, const http_headers& headers, std::size_t body_size)
{
    std::string out;
    out.append(method).append(" ").append(to.target).append(" HTTP/1.1\r\n");
    const auto add = [&out](std::string_view name, std::string_view value)
    {
        out.append(name).append(": ");
        for (const char c : value)
            out += c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
        out += "\r\n";
    };
    add("Host", to.authority());
    for (const auto& field : headers)
        add(field.name, field.value);
    if (body_size > 0 || method == "POST" || method == "PUT" || method == "PATCH")
        add("Content-Length", std::to_string(body_size));
    out += "\r\n";
    return out;
}

} // namespace consortium::net
