#include "api/http.hpp"
#include "consortium/projections/views.hpp"
#include <charconv>
#include <spdlog/spdlog.h>

namespace consortium::relay::api
{
namespace
{

unsigned status_of(errc code)
{
    switch (code)
    {
    case errc::bad_request:
        return 400;
    case errc::unauthorized:
    case errc::revoked:
    case errc::expired:
        return 401;
    case errc::forbidden:
    case errc::wrong_origin:
    case errc::invitation_required:
    case errc::registration_closed:
        return 403;
    case errc::not_found:
        return 404;
    case errc::conflict:
    case errc::version_mismatch:
    case errc::stale_epoch:
        return 409;
    case errc::too_large:
        return 413;
    case errc::rate_limited:
        return 429;
    case errc::overloaded:
    case errc::unavailable:
    case errc::closed:
        return 503;
    case errc::timeout:
        return 504;
    case errc::quota:
        return 507;
    default:
        return 500;
    }
}

/// What went wrong inside is for the log, not for whoever asked.
error for_client(const error& why)
{
    auto said = v1::for_client(why);
    if (said == errc::internal && !why.detail.empty())
        spdlog::error("a request failed: {}", why.detail);
    return said;
}

} // namespace

std::vector<route> all_routes()
{
    std::vector<route> out;
    for (const auto family :
         {auth_routes(), invitation_routes(), pairing_routes(), device_routes(), session_routes(), message_routes(),
          machine_routes(), account_routes(), log_routes()})
        out.insert(out.end(), family.begin(), family.end());
    return out;
}

net::http_response refuse(unsigned status, const error& why, std::string_view text, std::string_view also)
{
    auto answer = net::http_response::json(status, v1::error_body(why, text, also));
    if (why.retry)
        answer.headers.set("Retry-After", std::to_string((why.retry->count() + 999) / 1000));
    return answer;
}

net::http_response refuse(const error& why, std::string_view text, std::string_view also)
{
    return refuse(status_of(why.code), why, text, also);
}

net::http_response refuse_with(const error& why, const std::function<void(v1::json_writer&)>& members)
{
    std::string also;
    v1::json_writer out(also);
    out.begin_object();
    members(out);
    out.end_object();
    // `,"name":..` without the braces.
    also.front() = ',';
    also.pop_back();
    const auto said = for_client(why);
    return refuse(said, said.detail, also);
}

net::http_response refuse_with_chain(services& shared, const error& why, account_id account)
{
    const auto statements = projections::list_statements(*shared.log.read(), account);
    if (!statements)
        return refuse(statements.error());
    return refuse_with(why, [&](v1::json_writer& out) { v1::write_statements(out, *statements); });
}

net::http_response refuse_session(const call& given, session_id session, const error& why, std::string_view text)
{
    if (why != errc::not_found)
        return refuse(why);
    const error missing{errc::not_found, std::string(text), {}};
    const auto deleted = projections::find_deletion(*given.shared.log.read(), given.who.account, session);
    if (!deleted)
        return refuse(deleted.error() == errc::not_found ? missing : deleted.error());
    return refuse_with(missing, [&](v1::json_writer& out) { v1::write_deletion(out, *deleted); });
}

net::http_response refuse(const error& why)
{
    const auto said = for_client(why);
    return refuse(said, said.detail);
}

net::http_response refuse_bug(const std::exception& bug)
{
    spdlog::error("a request failed: {}", bug.what());
    return refuse({errc::internal, {}, std::chrono::seconds(5)});
}

net::http_response refuse_untaken(const services& shared, const std::string& address)
{
    shared.refusals.note(
        refused::answers, errc::overloaded, "too much of what was made for their account is not taken", address);
    return refuse({errc::overloaded, "too many answers wait to be taken; take them first", std::chrono::seconds(1)});
}

net::http_response open_to_others(net::http_response answer)
{
    answer.headers.set("Access-Control-Allow-Origin", "*");
    answer.headers.set("Access-Control-Expose-Headers", "X-Consortium-Log, X-Consortium-Revision, Retry-After");
    answer.headers.set("X-Content-Type-Options", "nosniff");
    return answer;
}

net::http_response ok(std::string json)
{
    // It may wait long to be taken: what it grew by in advance does not wait with it.
    constexpr std::size_t spare_bytes_max = 64u << 10;
    if (json.capacity() - json.size() > spare_bytes_max)
        json.shrink_to_fit();
    return net::http_response::json(200, std::move(json));
}

void stamp(net::http_response& answer, const services& shared, revision at)
{
    answer.headers.set("X-Consortium-Log", to_string(shared.log.id()));
    answer.headers.set("X-Consortium-Revision", std::to_string(at.value));
}

void write_stamp(v1::json_writer& out, const services& shared, revision at)
{
    out.field("log", to_string(shared.log.id())).field("revision", at.value);
}

net::http_response stamped(
    const call& given, const log::snapshot& at, const std::function<void(v1::json_writer&)>& members,
    std::size_t bytes_expected)
{
    const auto reflects = projections::last_revision(at, given.who.account);
    if (!reflects)
        return refuse(reflects.error());
    std::string json;
    json.reserve(bytes_expected);
    v1::json_writer out(json);
    out.begin_object();
    members(out);
    write_stamp(out, given.shared, *reflects);
    out.end_object();
    auto answer = ok(std::move(json));
    stamp(answer, given.shared, *reflects);
    return answer;
}

result<std::uint64_t> query_number(
    const net::http_request& request, std::string_view name, std::uint64_t otherwise, std::uint64_t least,
    std::uint64_t most)
{
    const auto given = request.query_value(name);
    if (!given)
        return otherwise;
    std::uint64_t out = 0;
    const auto [end, ec] = std::from_chars(given->data(), given->data() + given->size(), out);
    if (ec != std::errc() || end != given->data() + given->size() || out < least || out > most)
        return fail(
            errc::bad_request, std::string(name) + " must be a whole number from " + std::to_string(least) + " to " +
                                   std::to_string(most));
    return out;
}

} // namespace consortium::relay::api
