#pragma once
#include "connect.hpp"
#include "consortium/net/http_client.hpp"
#include "consortium/net/proxy.hpp"
#include "consortium/net/url.hpp"
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <memory>
#include <variant>

/// What the HTTP and the WebSocket client share.
namespace consortium::net
{
namespace beast = boost::beast;

using plain_stream = beast::tcp_stream;
using tls_stream = beast::ssl_stream<beast::tcp_stream>;

/// A connection to where a URL points, through a proxy if need be.
struct dialled
{
    std::shared_ptr<asio::ssl::context> tls;
    std::variant<plain_stream, tls_stream> stream;
};

/// `tls` is used where the URL asks for it. Errors: errc::bad_request (the proxy's), errc::io, errc::timeout,
/// errc::corrupt (the proxy does not speak what it should); `detail` is for people. The stream's own deadline is left
/// at `give_up_at`.
asio::awaitable<result<dialled>> dial(
    asio::any_io_executor executor, url to, std::shared_ptr<asio::ssl::context> tls, proxy_settings proxies,
    time_point give_up_at);

/// Nothing in a value begins another field.
std::string field_value(std::string_view value);

} // namespace consortium::net
