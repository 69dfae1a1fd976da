#include "dial.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/bytes.hpp"
#include "consortium/common/printable.hpp"
#include "socks5.hpp"
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>

namespace consortium::net
{
namespace http = beast::http;
namespace
{
using boost::system::error_code;

/// A proxy's answer to CONNECT.
constexpr std::uint32_t proxy_header_bytes_max = 16u << 10;
/// What a message to people shows of a proxy's own words.
constexpr std::size_t shown_characters_max = 60;

error tls_trouble(const url& to, const error_code& failed)
{
    if (failed == beast::error::timeout)
        return {errc::timeout, "no TLS connection to " + to.authority() + " within the time allowed", {}};
    if (failed.category() == asio::error::get_ssl_category() &&
        ERR_GET_REASON(static_cast<unsigned long>(failed.value())) == SSL_R_CERTIFICATE_VERIFY_FAILED)
        return {
            errc::io,
            "the certificate of " + to.authority() + " is not trusted (unknown authority, wrong name or out of date)",
            {}};
    return {errc::io, "no TLS connection to " + to.authority() + ": " + failed.message(), {}};
}

asio::awaitable<result<void>> begin_tls(tls_stream& stream, const url& to)
{
    error_code failed;
    error_code is_name;
    asio::ip::make_address(to.host, is_name);
    // RFC 6066 section 3: no addresses in SNI.
    if (is_name)
        SSL_set_tlsext_host_name(stream.native_handle(), to.host.c_str());
    stream.set_verify_mode(asio::ssl::verify_peer, failed);
    if (!failed)
        stream.set_verify_callback(asio::ssl::host_name_verification(to.host), failed);
    if (!failed)
        co_await stream.async_handshake(
            asio::ssl::stream_base::client, asio::redirect_error(asio::use_awaitable, failed));
    if (failed)
        co_return std::unexpected(tls_trouble(to, failed));
    co_return result<void>();
}

error broken_off(const error_code& failed)
{
    if (failed == beast::error::timeout)
        return {errc::timeout, "did not answer in time", {}};
    return {errc::io, "ended the connection: " + failed.message(), {}};
}

/// Errors of this and of the next function go on after "the proxy ...".
asio::awaitable<result<void>> ask_http_proxy(plain_stream& stream, const proxy& through, const url& to)
{
    const auto target = (to.host.contains(':') ? "[" + to.host + "]" : to.host) + ":" + std::to_string(to.port);
    http::request<http::empty_body> request(http::verb::connect, target, 11);
    request.set(http::field::host, target);
    if (through.credentials)
        request.set(
            http::field::proxy_authorization,
            "Basic " +
                base64_encode(consortium::view(through.credentials->user + ":" + through.credentials->password)));
    const auto [unsent, sent] = co_await http::async_write(stream, request, asio::as_tuple(asio::use_awaitable));
    if (unsent)
        co_return std::unexpected(broken_off(unsent));

    http::response_parser<http::empty_body> parser;
    parser.header_limit(proxy_header_bytes_max);
    beast::flat_buffer input(proxy_header_bytes_max);
    const auto [failed, count] =
        co_await http::async_read_header(stream, input, parser, asio::as_tuple(asio::use_awaitable));
    if (failed.category() == make_error_code(http::error::bad_version).category() &&
        failed != http::error::end_of_stream && failed != http::error::partial_message)
        co_return fail(errc::corrupt, "does not speak HTTP");
    if (failed)
        co_return std::unexpected(broken_off(failed));
    const auto& answer = parser.get();
    if (answer.result_int() / 100 != 2)
        co_return fail(
            errc::io, "answers " + std::to_string(answer.result_int()) + " " +
                          printable({answer.reason().data(), answer.reason().size()}, shown_characters_max));
    // The far end speaks second; what comes before its turn is the proxy's own.
    if (input.size() > 0)
        co_return fail(errc::corrupt, "says more than it was asked");
    co_return result<void>();
}

asio::awaitable<result<void>>
ask_socks_proxy(plain_stream& stream, const proxy& through, std::string host, std::uint16_t port)
{
    if (host.size() > 255)
        co_return fail(errc::bad_request, "cannot be asked for so long a name");
    socks5_handshake handshake(std::move(host), port, through.credentials);
    auto output = handshake.hello();
    std::string input;
    while (!handshake.done())
    {
        const auto [unsent, sent] =
            co_await asio::async_write(stream, asio::buffer(output), asio::as_tuple(asio::use_awaitable));
        if (unsent)
            co_return std::unexpected(broken_off(unsent));
        input.resize(handshake.wanted());
        const auto [failed, count] =
            co_await asio::async_read(stream, asio::buffer(input), asio::as_tuple(asio::use_awaitable));
        if (failed)
            co_return std::unexpected(broken_off(failed));
        auto next = handshake.next(input);
        if (!next)
            co_return std::unexpected(next.error());
        output = std::move(*next);
    }
    co_return result<void>();
}

asio::awaitable<result<void>>
ask_proxy(plain_stream& stream, const proxy& through, const url& to, time_point give_up_at)
{
    if (through.speaks == proxy::protocol::http)
        co_return co_await ask_http_proxy(stream, through, to);
    auto host = to.host;
    if (through.speaks == proxy::protocol::socks5)
    {
        const auto places = co_await look_up(stream.get_executor(), to.host, to.port, give_up_at);
        if (!places)
            co_return fail(places.error().code, "was not asked: " + places.error().detail);
        host = places->front().address().to_string();
    }
    co_return co_await ask_socks_proxy(stream, through, std::move(host), to.port);
}
} // namespace

asio::awaitable<result<dialled>> dial(
    asio::any_io_executor executor, url to, std::shared_ptr<asio::ssl::context> tls, proxy_settings proxies,
    time_point give_up_at)
{
    const auto through = choose_proxy(proxies, to);
    if (!through)
        co_return std::unexpected(through.error());
    const auto place = *through ? "the proxy " + (*through)->shown() : to.authority();
    auto socket = co_await (
        *through ? connect_to(executor, (*through)->host, (*through)->port, give_up_at)
                 : connect_to(executor, to.host, to.port, give_up_at));
    if (!socket)
        co_return fail(socket.error().code, "cannot connect to " + place + ": " + socket.error().detail);
    plain_stream plain(std::move(*socket));
    plain.expires_at(give_up_at);
    if (*through)
    {
        const auto tunnel = co_await ask_proxy(plain, **through, to, give_up_at);
        if (!tunnel)
            co_return fail(tunnel.error().code, place + " " + tunnel.error().detail);
    }
    if (!to.tls)
        co_return dialled{nullptr, std::move(plain)};
    tls_stream secured(std::move(plain), *tls);
    if (const auto begun = co_await begin_tls(secured, to); !begun)
        co_return std::unexpected(begun.error());
    co_return dialled{std::move(tls), std::move(secured)};
}

std::string field_value(std::string_view value)
{
    std::string out(value);
    for (char& c : out)
        if (c == '\r' || c == '\n' || c == '\0')
            c = ' ';
    return out;
}

} // namespace consortium::net
