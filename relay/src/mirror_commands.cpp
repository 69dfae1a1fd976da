#include "mirror_commands.hpp"
#include <spdlog/spdlog.h>

namespace consortium::relay
{
namespace
{

std::string_view word_of(postgres::mirror_status::phase phase)
{
    switch (phase)
    {
    case postgres::mirror_status::phase::connecting:
        return "connecting";
    case postgres::mirror_status::phase::following:
        return "following";
    case postgres::mirror_status::phase::verifying:
        return "verifying";
    }
    return "unknown";
}

/// `{"command":"mirror-status"}`
result<boost::json::object> say_status(postgres::mirror& mirror)
{
    const auto is = mirror.status();
    boost::json::object out{{"phase", word_of(is.doing)}, {"position", nullptr},     {"head", is.head.value},
                            {"lagMs", nullptr},           {"failures", is.failures}, {"error", nullptr}};
    if (is.position)
        out["position"] = is.position->value;
    if (is.lag)
        out["lagMs"] = is.lag->count();
    if (!is.last_error.empty())
        out["error"] = boost::json::object{{"text", is.last_error}, {"at", is.last_error_at}};
    return out;
}

/// `{"command":"mirror-rebuild"}`
result<boost::json::object> rebuild(postgres::mirror& mirror)
{
    mirror.rebuild();
    return boost::json::object{};
}

/// `{"command":"mirror-verify"}`
result<boost::json::object> verify(postgres::mirror& mirror)
{
    const auto report = mirror.verify();
    if (!report)
        return std::unexpected(report.error());
    spdlog::info(
        "the mirror was verified: {} rows up to record {}, {} differences", report->rows, report->position.value,
        report->differences);
    boost::json::array findings;
    for (const auto& one : report->findings)
        findings.push_back(boost::json::string(one));
    return boost::json::object{
        {"position", report->position.value},
        {"rows", report->rows},
        {"differences", report->differences},
        {"findings", std::move(findings)}};
}

} // namespace

control_commands make_mirror_commands(postgres::mirror* mirror)
{
    const auto of = [mirror](result<boost::json::object> (*command)(postgres::mirror&)) -> control_command
    {
        return [mirror, command](const boost::json::object&) -> result<boost::json::object>
        {
            if (mirror == nullptr)
                return fail(errc::not_found, "this relay has no mirror: it was started without DATABASE_URL");
            return command(*mirror);
        };
    };
    return {{"mirror-rebuild", of(rebuild)}, {"mirror-status", of(say_status)}, {"mirror-verify", of(verify)}};
}

} // namespace consortium::relay
