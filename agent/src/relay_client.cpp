#include "relay_client.hpp"
#include "json_access.hpp"
#include <boost/json.hpp>
#include <cstdlib>

namespace consortium::agent
{
namespace json = boost::json;
namespace
{

errc code_of(std::string_view name, unsigned status)
{
    for (int value = 1; value <= static_cast<int>(errc::internal); ++value)
    {
        if (word(static_cast<errc>(value)) == name)
            return static_cast<errc>(value);
    }
    switch (status)
    {
    case 401:
        return errc::unauthorized;
    case 403:
        return errc::forbidden;
    case 404:
        return errc::not_found;
    case 409:
        return errc::conflict;
    case 413:
        return errc::too_large;
    case 429:
        return errc::rate_limited;
    case 502:
    case 503:
    case 504:
        return errc::unavailable;
    default:
        return status >= 500 ? errc::internal : errc::bad_request;
    }
}

} // namespace

bool worth_retrying(const error& problem) noexcept
{
    switch (problem.code)
    {
    case errc::io:
    case errc::timeout:
    case errc::closed:
    case errc::rate_limited:
    case errc::overloaded:
    case errc::unavailable:
    case errc::internal:
    case errc::cancelled:
        return true;
    default:
        return problem.retry.has_value();
    }
}

error error_of(const json::object& body, unsigned status)
{
    error out;
    out.code = code_of(text_at(body, "code"), status);
    out.detail = text_at(body, "error");
    if (const auto message = text_at(body, "message"); !message.empty())
        out.detail = message;
    if (out.detail.empty())
        out.detail = "the relay refused (" + std::to_string(status) + ")";
    if (const auto* retry = body.if_contains("retry"); retry != nullptr && retry->is_number())
        out.retry = std::chrono::milliseconds(retry->to_number<std::int64_t>());
    return out;
}

result<std::unique_ptr<relay_client>>
relay_client::make(asio::any_io_executor executor, std::string server_url, net::client_options options)
{
    while (server_url.ends_with('/'))
        server_url.pop_back();
    if (const auto parsed = net::parse_url(server_url); !parsed)
        return fail(errc::bad_request, "The relay's address is not one: " + server_url + ". " + parsed.error().detail);
    auto http = net::http_client::make(std::move(executor), options);
    if (!http)
        return std::unexpected(http.error());
    return std::unique_ptr<relay_client>(new relay_client(std::move(*http), std::move(server_url), std::move(options)));
}

asio::awaitable<result<json::object>> relay_client::get(std::string path)
{
    net::client_request request;
    request.method = "GET";
    request.url = server_url_ + path;
    return send(std::move(request));
}

asio::awaitable<result<json::object>> relay_client::post(std::string path, json::object body)
{
    net::client_request request;
    request.method = "POST";
    request.url = server_url_ + path;
    request.headers.set("Content-Type", "application/json");
    request.body = json::serialize(body);
    return send(std::move(request));
}

asio::awaitable<result<json::object>> relay_client::send(net::client_request request)
{
    if (!token_.empty())
        request.headers.set("Authorization", "Bearer " + token_);
    request.headers.set("X-Consortium-Client", "agent/" CONSORTIUM_VERSION);
    const auto answer = co_await http_->send(std::move(request));
    if (!answer)
        co_return std::unexpected(answer.error());

    boost::system::error_code problem;
    auto value = json::parse(answer->body, problem);
    auto* body = problem ? nullptr : value.if_object();
    if (answer->status < 200 || answer->status > 299)
        co_return std::unexpected(error_of(body != nullptr ? *body : json::object(), answer->status));
    if (body == nullptr)
        co_return fail(errc::corrupt, "The server at " + server_url_ + " does not answer like a Consortium relay.");
    co_return std::move(*body);
}

net::client_options client_options_from_environment()
{
    net::client_options out;
    if (const char* file = std::getenv("CONSORTIUM_CA_FILE"))
        out.extra_ca_file = file;
    return out;
}

} // namespace consortium::agent
