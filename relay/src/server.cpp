#include "server.hpp"
#include "assets.hpp"
#include <spdlog/spdlog.h>

namespace consortium::relay
{
namespace
{

constexpr std::string_view allowed_methods = "GET, POST, PUT, DELETE, OPTIONS";
constexpr std::string_view allowed_headers = "Authorization, Content-Type, X-Happy-Client, X-Consortium-Client";
constexpr std::string_view exposed_headers = "X-Consortium-Log, X-Consortium-Revision, Retry-After";

/// The decoded segments of a path; empty when one is malformed. Decoded one by one: an escaped slash is no separator.
std::optional<std::vector<std::string>> split(std::string_view target)
{
    auto path = target.substr(0, target.find_first_of("?#"));
    std::vector<std::string> out;
    while (!path.empty())
    {
        if (path.front() != '/')
            return std::nullopt;
        path.remove_prefix(1);
        const auto end = std::min(path.find('/'), path.size());
        auto part = net::percent_decode(path.substr(0, end), /*plus_is_space=*/false);
        if (!part)
            return std::nullopt;
        out.push_back(std::move(*part));
        path.remove_prefix(end);
    }
    if (out.size() > 1 && out.back().empty())
        out.pop_back();
    return out;
}

std::vector<std::string_view> parts_of(std::string_view pattern)
{
    std::vector<std::string_view> out;
    while (!pattern.empty())
    {
        pattern.remove_prefix(1);
        const auto end = std::min(pattern.find('/'), pattern.size());
        out.push_back(pattern.substr(0, end));
        pattern.remove_prefix(end);
    }
    return out;
}

bool matches(const std::vector<std::string_view>& parts, const std::vector<std::string>& path)
{
    if (parts.size() != path.size())
        return false;
    for (std::size_t i = 0; i < parts.size(); ++i)
        if (!parts[i].starts_with(':') && parts[i] != path[i])
            return false;
    return true;
}

net::http_response not_found(const net::http_request& request)
{
    std::string also = ",\"path\":";
    protocol::v1::append_quoted(also, request.target);
    also += ",\"method\":";
    protocol::v1::append_quoted(also, request.method);
    return api::refuse({errc::not_found, {}, {}}, "Not found", also);
}

/// Any page may ask, in errors too: it needs a token for everything that matters.
net::http_response open_to_others(net::http_response answer)
{
    answer.headers.set("Access-Control-Allow-Origin", "*");
    answer.headers.set("Access-Control-Expose-Headers", exposed_headers);
    answer.headers.set("X-Content-Type-Options", "nosniff");
    return answer;
}

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

request_router::request_router(services& shared) : shared_(shared)
{
    for (const auto& how : api::all_routes())
        nodes_.push_back({how, parts_of(how.pattern)});
}

const request_router::node* request_router::find(std::string_view method, const std::vector<std::string>& path) const
{
    for (const auto& node : nodes_)
        if (node.how.method == method && matches(node.parts, path))
            return &node;
    return nullptr;
}

result<projections::principal> request_router::authenticate(const net::http_request& request, api::access needs) const
{
    if (needs == api::access::anyone)
        return projections::principal{};
    constexpr std::string_view scheme = "Bearer ";
    const auto given = request.header("Authorization");
    if (!given && needs == api::access::maybe_token)
        return projections::principal{};
    if (!given || !given->starts_with(scheme))
        return fail(errc::unauthorized, "Missing authorization header");
    const auto token = given->substr(scheme.size());
    const auto holder = needs == api::access::token_of_revoked ? shared_.tokens.verify_even_revoked(token)
                                                               : shared_.tokens.verify(token);
    if (holder)
        return holder->who;
    const auto& why = holder.error();
    if (why == errc::unauthorized)
        return fail(errc::unauthorized, "Invalid token");
    if (why == errc::revoked)
        return std::unexpected(why);
    spdlog::error("checking a token failed: {}", why.detail);
    return fail(errc::internal, "Authentication failed");
}

asio::awaitable<net::http_response> request_router::run(net::http_request request, net::connection_info from)
{
    const auto path = split(request.target);
    const bool reads = request.method == "GET" || request.method == "HEAD";
    const auto* found = path ? find(request.method == "HEAD" ? "GET" : request.method, *path) : nullptr;
    if (!found)
    {
        if (reads && path)
            if (auto page = shared_.assets.find(request))
                co_return std::move(*page);
        co_return not_found(request);
    }
    api::call given{
        .shared = shared_, .request = std::move(request), .from = std::move(from), .who = {}, .segments = {}};
    const auto who = authenticate(given.request, found->how.needs);
    if (!who)
        co_return api::refuse(401, who.error(), who.error().detail);
    given.who = *who;
    for (std::size_t i = 0; i < path->size(); ++i)
        if (found->parts[i].starts_with(':'))
            given.segments.push_back((*path)[i]);
    co_return co_await found->how.run(std::move(given));
}

asio::awaitable<net::http_response> request_router::handle(net::http_request request, net::connection_info from)
{
    if (sockets_->owns(request.path))
        co_return co_await sockets_->handle(std::move(request), std::move(from));
    if (request.method == "OPTIONS")
        co_return preflight();
    co_return open_to_others(co_await run(std::move(request), std::move(from)));
}

std::optional<net::http_response>
request_router::refuse_upgrade(const net::http_request& request, const net::connection_info& from)
{
    if (!sockets_->owns(request.path))
        return open_to_others(not_found(request));
    return sockets_->refuse_upgrade(request, from);
}

asio::awaitable<void> request_router::upgraded(
    net::http_request request, net::connection_info from, std::unique_ptr<net::websocket> connection)
{
    co_await sockets_->upgraded(std::move(request), std::move(from), std::move(connection));
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
    return open_to_others(api::refuse(status, why, why.detail));
}

} // namespace consortium::relay
