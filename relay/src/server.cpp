#include "server.hpp"
#include "assets.hpp"
#include "consortium/log/domain.hpp"
#include <spdlog/spdlog.h>

namespace consortium::relay
{
namespace
{

constexpr std::string_view allowed_methods = "GET, POST, PUT, DELETE, OPTIONS";
constexpr std::string_view allowed_headers = "Authorization, Content-Type, X-Happy-Client, X-Consortium-Client";

net::http_response preflight()
{
    net::http_response answer;
    answer.status = 204;
    answer.headers.set("Access-Control-Allow-Origin", "*");
    answer.headers.set("Access-Control-Allow-Methods", allowed_methods);
    answer.headers.set("Access-Control-Allow-Headers", allowed_headers);
    answer.headers.set("Access-Control-Max-Age", "86400");
    return answer;
}

} // namespace

asio::awaitable<net::http_response> request_router::run(net::http_request request, net::connection_info from)
{
    auto& found = request_admission::of(request);
    if (!found.how)
        co_return *shared_.assets.find(request);
    const auto& how = *found.how;
    const auto who = admission_.authenticate(request, how.needs);
    if (!who)
        co_return refuse_unauthenticated(who.error());
    auto segments = std::move(found.segments);
    try
    {
        co_return co_await how.run(
            {.shared = shared_,
             .request = std::move(request),
             .from = std::move(from),
             .who = *who,
             .segments = std::move(segments)});
    }
    catch (const log::log_failure& lost)
    {
        co_return api::refuse(lost.reason);
    }
}

asio::awaitable<net::http_response> request_router::answer(net::http_request request, net::connection_info from)
{
    if (sockets_->owns(request.path))
        co_return co_await sockets_->handle(std::move(request), std::move(from));
    if (request.method == "OPTIONS")
        co_return preflight();
    co_return api::open_to_others(co_await run(std::move(request), std::move(from)));
}

/// Whatever answers it: the answer waits in memory until it is taken, and what all of an account's may take together is
/// judged here and nowhere else. What was done before its answer found no room is done: every request that has a large
/// answer can be made again.
asio::awaitable<net::http_response> request_router::handle(net::http_request request, net::connection_info from)
{
    const auto account = request_admission::of(request).who.account;
    const bool reads = request.method == "GET" || request.method == "HEAD";
    if (reads && shared_.output.full(account))
        co_return api::open_to_others(api::refuse_untaken(shared_, from.remote_address));
    auto made = co_await answer(std::move(request), from);
    auto counted = shared_.output.count(account, std::move(made.body));
    if (!counted)
        co_return api::open_to_others(api::refuse_untaken(shared_, from.remote_address));
    made.body = std::move(*counted);
    co_return made;
}

asio::awaitable<void> request_router::upgraded(
    net::http_request request, net::connection_info from, std::unique_ptr<net::websocket> connection)
{
    return sockets_->upgraded(std::move(request), std::move(from), std::move(connection));
}

void request_router::crowded(place_table::crowd why, const std::string& address)
{
    switch (why)
    {
    case place_table::crowd::none:
        break;
    case place_table::crowd::all:
        admission_.note_refusal(refused::connections, errc::overloaded, "too many", address);
        break;
    case place_table::crowd::address:
        admission_.note_refusal(refused::connections, errc::rate_limited, "too many of one address", address);
        break;
    case place_table::crowd::strangers:
        admission_.note_refusal(
            refused::strangers, errc::rate_limited, "too many of one address that have not signed in", address);
        break;
    }
}

net::http_response request_router::refuse(unsigned status, std::string_view detail)
{
    error why{errc::bad_request, std::string(detail), {}};
    switch (status)
    {
    case 408:
        why.code = errc::timeout;
        why.retry = std::chrono::seconds(1);
        break;
    case 413:
        why.code = errc::too_large;
        why.detail = "Request body is too large";
        break;
    case 429:
        why.code = errc::rate_limited;
        why.retry = std::chrono::seconds(5);
        break;
    case 431:
        why.code = errc::too_large;
        break;
    case 500:
        spdlog::error("a request failed: {}", detail);
        why = {errc::internal, "Internal Server Error", std::chrono::seconds(5)};
        break;
    default:
        break;
    }
    return api::open_to_others(api::refuse(status, why, why.detail));
}

} // namespace consortium::relay
