#include "link/relay_client.hpp"
#include <boost/json.hpp>
#include <cstdlib>

namespace consortium::agent
{
namespace json = boost::json;
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

asio::awaitable<relay_answer<unchecked>> relay_client::get(std::string path, std::string_view member)
{
    net::client_request request;
    request.method = "GET";
    request.url = server_url_ + path;
    return send(std::move(request), member);
}

asio::awaitable<relay_answer<unchecked>>
relay_client::post(std::string path, json::object body, std::string_view member)
{
    net::client_request request;
    request.method = "POST";
    request.url = server_url_ + path;
    request.headers.set("Content-Type", "application/json");
    request.body = json::serialize(body);
    return send(std::move(request), member);
}

asio::awaitable<relay_answer<std::string>> relay_client::regain_access(relay_failure denied)
{
    if (!judge_denial)
        co_return std::unexpected(std::move(denied));
    if (judging_)
        co_return std::unexpected(
            relay_failure::not_reached({errc::unavailable, "access to the account is being regained", std::nullopt}));
    judging_ = true;
    auto judged = co_await judge_denial(denied);
    judging_ = false;
    co_return judged;
}

asio::awaitable<relay_answer<unchecked>> relay_client::send(net::client_request request, std::string_view member)
{
    auto answer = co_await exchange(request, member);
    if (answer || token_.empty() || !is_denial(answer.error()))
        co_return answer;
    if (const auto regained = co_await regain_access(answer.error()); !regained)
        co_return std::unexpected(regained.error());
    co_return co_await exchange(std::move(request), member);
}

asio::awaitable<relay_answer<unchecked>> relay_client::exchange(net::client_request request, std::string_view member)
{
    if (!token_.empty())
        request.headers.set("Authorization", "Bearer " + token_);
    request.headers.set("X-Consortium-Client", "agent/" CONSORTIUM_VERSION);
    const auto answer = co_await http_->send(std::move(request));
    if (!answer)
        co_return std::unexpected(relay_failure::not_reached(answer.error()));
    auto judged = judge_answer(server_url_, answer->status, answer->body, member);
    const bool stranger = !judged && !judged.error().by_relay;
    if (stranger && !stranger_ && on_stranger)
        on_stranger(judged.error());
    stranger_ = stranger;
    co_return judged;
}

net::client_options client_options_from_environment()
{
    net::client_options out;
    out.response_bytes_max = limits::answer_bytes_max;
    if (const char* file = std::getenv("CONSORTIUM_CA_FILE"))
        out.extra_ca_file = file;
    out.proxies = net::proxy_settings::from_environment([](const char* name) { return std::getenv(name); });
    return out;
}

} // namespace consortium::agent
