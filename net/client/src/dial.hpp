#pragma once
#include "consortium/common/error.hpp"
#include "consortium/net/http_client.hpp"
#include "consortium/net/url.hpp"
#include "deadline.hpp"
#include "http_reader.hpp"
#include "stream.hpp"

/// What the HTTP and the WebSocket client share.
namespace consortium::net
{

/// A dialled connection with one deadline, which closes it.
struct client_connection : std::enable_shared_from_this<client_connection>
{
    explicit client_connection(stream opened);

    void arm(std::chrono::milliseconds after) { limit.arm(weak_from_this(), after); }
    /// One whole response, read under the deadline. `answered`: set when any byte of it arrived.
    asio::awaitable<result<client_response>>
    exchange(std::string_view head, std::string_view body, response_reader& reader, bool& answered);

    stream channel;
    deadline limit;
    bool timed_out = false;
    /// Read beyond the response.
    std::string input;
};

/// Errors: errc::io, errc::timeout; `detail` is for people.
asio::awaitable<result<std::shared_ptr<client_connection>>>
dial(asio::any_io_executor executor, url to, std::shared_ptr<asio::ssl::context> tls, std::chrono::milliseconds limit);

/// Request line and fields; adds Host, and Content-Length when there is a body or the method has one.
std::string request_head(std::string_view method, const url& to, const http_headers& headers, std::size_t body_size);

} // namespace consortium::net
