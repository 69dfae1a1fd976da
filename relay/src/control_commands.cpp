#include "control_commands.hpp"
#include "consortium/log/event_log.hpp"
#include <spdlog/spdlog.h>

namespace consortium::relay
{
namespace
{

std::optional<std::string> text_of(const boost::json::object& asked, std::string_view field)
{
    const auto* value = asked.if_contains(field);
    if (value == nullptr || !value->is_string())
        return std::nullopt;
    return std::string(value->get_string());
}

/// `{"command":"rekey","old":TEXT,"new":TEXT,"secretFile":ABSOLUTE PATH|null}`
result<boost::json::object> rekey(log::event_log& log, const boost::json::object& asked)
{
    const auto from = text_of(asked, "old");
    const auto to = text_of(asked, "new");
    const auto* named = asked.if_contains("secretFile");
    const auto file = text_of(asked, "secretFile");
    if (!from || !to || (named != nullptr && !named->is_null() && !file))
        return fail(errc::bad_request, "rekey needs old, new and secretFile");
    std::optional<std::filesystem::path> secret_file;
    if (file)
        secret_file = *file;
    if (secret_file && !secret_file->is_absolute())
        return fail(errc::bad_request, "the path of the secret's file must be absolute");
    if (auto done = log.rekey(*from, *to, secret_file); !done)
    {
        spdlog::warn("the master secret was not rotated: {}", word(done.error().code));
        return std::unexpected(done.error());
    }
    spdlog::info("the master secret was rotated");
    return boost::json::object{};
}

/// `{"command":"compact"}`
result<boost::json::object> compact(log::event_log& log)
{
    const auto start = std::chrono::steady_clock::now();
    if (auto done = log.compact(); !done)
    {
        spdlog::warn("destroyed keys were not wiped out of the files: {}", done.error().detail);
        return std::unexpected(done.error());
    }
    const auto took =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count();
    spdlog::info("destroyed keys were wiped out of the files, in {} ms", took);
    return boost::json::object{};
}

/// `{"command":"views-rebuild","table":NAME|null}`: null is all of them.
result<boost::json::object> rebuild_views(log::event_log& log, const boost::json::object& asked)
{
    const auto* named = asked.if_contains("table");
    const auto table = text_of(asked, "table");
    if (named != nullptr && !named->is_null() && !table)
        return fail(errc::bad_request, "views-rebuild needs the name of a table, or null");
    const auto made = log.rebuild_views(table);
    if (!made)
    {
        spdlog::warn("views are not made anew as it was asked: {}", made.error().detail);
        return std::unexpected(made.error());
    }
    return boost::json::object{{"tables", *made}};
}

} // namespace

control_commands make_control_commands(log::event_log& log, std::function<result<boost::json::object>()> invite)
{
    return {
        {"compact", [&log](const boost::json::object&) { return compact(log); }},
        {"invite", [invite = std::move(invite)](const boost::json::object&) { return invite(); }},
        {"rekey", [&log](const boost::json::object& asked) { return rekey(log, asked); }},
        {"views-rebuild", [&log](const boost::json::object& asked) { return rebuild_views(log, asked); }},
    };
}

} // namespace consortium::relay
