#include "admission.hpp"
#include "assets.hpp"
#include <spdlog/spdlog.h>

namespace consortium::relay
{
namespace
{

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

bool reads(const net::http_request& head)
{
    return head.method == "GET" || head.method == "HEAD";
}

net::admission admit_with(request_admission::granted found, std::size_t body_bytes_max)
{
    net::admission out;
    out.body_bytes_max = body_bytes_max;
    out.known = !found.who.account.is_nil();
    out.kept = std::make_shared<request_admission::granted>(std::move(found));
    return out;
}

net::http_response not_found(const net::http_request& request)
{
    std::string also = ",\"path\":";
    protocol::v1::append_quoted(also, request.target);
    also += ",\"method\":";
    protocol::v1::append_quoted(also, request.method);
    return api::refuse({errc::not_found, {}, {}}, "Not found", also);
}

net::admission refuse_with(net::http_response answer)
{
    net::admission out;
    out.refusal = api::open_to_others(std::move(answer));
    return out;
}

} // namespace

request_admission::request_admission(services& shared) : shared_(shared)
{
    for (const auto& how : api::all_routes())
        nodes_.push_back({how, parts_of(how.pattern)});
}

const request_admission::node*
request_admission::find(std::string_view method, const std::vector<std::string>& path) const
{
    for (const auto& node : nodes_)
        if (node.how.method == method && matches(node.parts, path))
            return &node;
    return nullptr;
}

net::http_response refuse_unauthenticated(const error& why)
{
    // A token that cannot be judged now may be good.
    return why == errc::unavailable ? api::refuse(why) : api::refuse(401, why, why.detail);
}

result<projections::principal>
request_admission::authenticate(const net::http_request& request, api::access needs) const
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
    if (why == errc::revoked || why == errc::unavailable)
        return std::unexpected(why);
    spdlog::error("checking a token failed: {}", why.detail);
    return fail(errc::internal, "Authentication failed");
}

std::string request_admission::counted_as(const std::string& address) const
{
    return shared_.proxies.trusts(address) ? std::string() : shared_.counted_as(address);
}

void request_admission::note_refusal(refused of, errc reason, std::string_view why, const std::string& address) const
{
    shared_.refusals.note(of, reason, why, address);
}

result<void>
request_admission::check_origin(const net::http_request& head, const api::route& how, bool with_token) const
{
    const auto origin = head.header("Origin");
    // A page of anywhere may read what everybody may read, and what its token opens. Without one it could use a relay
    // that only its visitor reaches.
    if (!origin || reads(head) || with_token || how.needs == api::access::token)
        return {};
    return shared_.origins.check_page(*origin, head.header("Host").value_or(std::string_view()));
}

result<void> request_admission::check_origin_of_socket(const net::http_request& head) const
{
    if (head.method == "OPTIONS")
        return {};
    if (const auto origin = head.header("Origin"))
        return shared_.origins.check_page(*origin, head.header("Host").value_or(std::string_view()));
    // A page's picture or link names no origin (W3C Fetch Metadata, Sec-Fetch-Site).
    if (head.header("Sec-Fetch-Site") == "cross-site")
        return fail(errc::forbidden, "a page of another origin may not open sockets");
    return {};
}

result<void> request_admission::take_rate(api::rate of, const std::string& address)
{
    if (!shared_.settings.rate_limits)
        return {};
    switch (of)
    {
    case api::rate::none:
        return {};
    case api::rate::guests:
        return shared_.guests.take(shared_.counted_as(address));
    case api::rate::pollers:
        return shared_.pollers.take(shared_.counted_as(address));
    }
    return {};
}

result<byte_budget::held> request_admission::take_bytes(
    const net::http_request& head, std::size_t bytes_max, account_id of, const std::string& address)
{
    const auto bytes = head.body_size.value_or(bytes_max);
    // What is too large is refused before it costs anything.
    if (bytes > bytes_max)
        return byte_budget::held();
    if (of.is_nil())
        return shared_.guest_bytes.take(shared_.counted_as(address), static_cast<std::size_t>(bytes));
    return shared_.account_bytes.take(to_string(of), static_cast<std::size_t>(bytes));
}

result<net::admission> request_admission::judge_socket(const net::http_request& head, const net::connection_info& from)
{
    if (auto own = check_origin_of_socket(head); !own)
        return std::unexpected(own.error());
    auto wanted = sockets_->admit(head, from);
    if (wanted.refusal)
    {
        net::admission out;
        out.refusal = std::move(wanted.refusal);
        return out;
    }
    auto bytes = take_bytes(head, wanted.body_bytes_max, wanted.owner, from.remote_address);
    if (!bytes)
        return std::unexpected(bytes.error());
    granted found;
    found.who.account = wanted.owner;
    found.bytes = std::move(*bytes);
    auto out = admit_with(std::move(found), wanted.body_bytes_max);
    out.unheard = std::move(wanted.unheard);
    return out;
}

result<net::admission> request_admission::judge(const net::http_request& head, const net::connection_info& from)
{
    if (sockets_->owns(head.path))
        return judge_socket(head, from);
    if (head.upgrade)
        return refuse_with(not_found(head));
    const auto path = split(head.target);
    const auto* node = path ? find(head.method == "HEAD" ? "GET" : head.method, *path) : nullptr;
    if (!node)
    {
        const bool may_be_page = reads(head) && path && shared_.assets.find(head);
        if (!may_be_page && head.method != "OPTIONS")
            return refuse_with(not_found(head));
        const auto bytes_max = shared_.settings.bodies.small;
        auto bytes = take_bytes(head, bytes_max, {}, from.remote_address);
        if (!bytes)
            return std::unexpected(bytes.error());
        return admit_with({.how = nullptr, .who = {}, .segments = {}, .bytes = std::move(*bytes)}, bytes_max);
    }
    const auto& how = node->how;
    const bool with_token = how.needs != api::access::anyone && head.header("Authorization");
    if (auto own = check_origin(head, how, with_token); !own)
        return std::unexpected(own.error());
    const auto who = authenticate(head, how.needs);
    if (!who)
        return refuse_with(refuse_unauthenticated(who.error()));
    if (how.needs != api::access::maybe_token || !with_token)
        if (auto allowed = take_rate(how.counted, from.remote_address); !allowed)
            return std::unexpected(allowed.error());
    const auto bytes_max = shared_.settings.bodies.*how.may_have;
    auto bytes = take_bytes(head, bytes_max, who->account, from.remote_address);
    if (!bytes)
        return std::unexpected(bytes.error());
    granted found{.how = &how, .who = *who, .segments = {}, .bytes = std::move(*bytes)};
    for (std::size_t i = 0; i < path->size(); ++i)
        if (node->parts[i].starts_with(':'))
            found.segments.push_back((*path)[i]);
    return admit_with(std::move(found), bytes_max);
}

net::admission request_admission::admit(const net::http_request& head, net::connection_info& from)
{
    const auto peer = from.remote_address;
    from.remote_address = shared_.proxies.client_of(peer, head.headers);
    if (!shared_.proxies.trusts(peer) && head.headers.contains("X-Forwarded-For") && !warned_of_proxy_.exchange(true))
        spdlog::warn(
            "something names whom it asks for (X-Forwarded-For) and is not trusted: if that is your proxy, all its "
            "clients share the bounds of one address until the relay has --trusted-proxy ADDR");
    auto judged = judge(head, from);
    if (judged)
        return std::move(*judged);
    note_refusal(refused::requests, judged.error().code, judged.error().detail, from.remote_address);
    return refuse_with(api::refuse(judged.error()));
}

} // namespace consortium::relay
