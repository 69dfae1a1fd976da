#pragma once
#include "consortium/common/error.hpp"
#include "consortium/common/limits.hpp"
#include "consortium/net/http.hpp"
#include "consortium/net/proxy.hpp"
#include "consortium/net/url.hpp"
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <string>

namespace consortium::net
{
namespace asio = boost::asio;

struct client_options
{
    /// PEM file of certificate authorities trusted besides the system's.
    std::string extra_ca_file;
    proxy_settings proxies;
    /// From the look-up of the name to the end of the TLS (for a WebSocket: the WebSocket) handshake, proxies included.
    std::chrono::milliseconds connect_timeout{10'000};
    /// From the request's first byte to the answer's last.
    std::chrono::milliseconds request_timeout{30'000};
    /// A WebSocket of which nothing was heard for so long is dead; it is pinged at half of it.
    std::chrono::milliseconds silence_max{20'000};
    /// Of an HTTP body, and of a WebSocket's message.
    std::size_t response_bytes_max = 64u << 20;
};

struct client_request
{
    std::string method = "GET";
    std::string url;
    http_headers headers;
    std::string body; ///< with `Content-Type` in the headers
};

struct client_response
{
    unsigned status = 0;
    http_headers headers;
    std::string body;
};

/// An HTTP/1.1 client. Certificates and host names are verified. Keeps idle connections and uses them again.
/// Not thread-safe: everything on `executor`. Requests may overlap.
class http_client
{
public:
    /// Errors: errc::io or errc::bad_request when the extra CA file cannot be used.
    static result<std::unique_ptr<http_client>> make(asio::any_io_executor executor, client_options options = {});
    virtual ~http_client() = default;

    /// Any status is a success here; redirects are not followed. Errors: errc::bad_request (the URL or the proxy),
    /// errc::io (could not connect, certificate refused; `detail` says it for people), errc::timeout, errc::closed (the
    /// connection broke before the answer was complete: the request may or may not have been carried out),
    /// errc::too_large, errc::corrupt.
    virtual asio::awaitable<result<client_response>> send(client_request request) = 0;

    /// Closes what is idle: the network is another one than it was, and what seems open may lead nowhere.
    virtual void drop_idle() = 0;
};

} // namespace consortium::net
