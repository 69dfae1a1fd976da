#include "commands/mirror.hpp"
#include "consortium/common/printable.hpp"
#include "consortium/common/utf8.hpp"
#include "control_client.hpp"
#include <algorithm>
#include <iostream>

namespace consortium::admin
{
namespace
{

// NAMEDATALEN - 1: Postgres cuts what is longer.
constexpr std::size_t role_bytes_max = 63;

result<boost::json::object> ask_mirror(const mirror_options& options, std::string_view command)
{
    if (auto there = check_directory(options.data); !there)
        return std::unexpected(there.error());
    auto answered = ask_running_relay(
        options.data, boost::json::object{{"command", command}},
        "the mirror is a running relay's. Start it, with DATABASE_URL, and try again.");
    if (!answered && answered.error() == errc::not_found)
        answered.error().detail += ". Start it again with that.";
    return answered;
}

exit_code give_up(const error& why, const mirror_options& options)
{
    print_error(why, options.json);
    return exit_code::unreadable;
}

std::uint64_t number_of(const boost::json::object& from, std::string_view name)
{
    const auto* found = from.if_contains(name);
    boost::system::error_code none;
    return found == nullptr ? 0 : found->to_number<std::uint64_t>(none);
}

std::string text_of(const boost::json::object& from, std::string_view name)
{
    const auto* found = from.if_contains(name);
    return found != nullptr && found->is_string() ? printable(std::string_view(found->get_string())) : std::string();
}

/// What it has and lacks, as far as anybody could ask it.
std::string holding_text(const boost::json::object& status)
{
    if (!status.contains("position") || status.at("position").is_null())
        return "nobody knows what: Postgres could not be asked yet";
    const auto position = number_of(status, "position");
    const auto head = number_of(status, "head");
    auto out = "the log up to record " + number_text(position) + " of " + number_text(head) + ", ";
    if (position >= head)
        return out + "which is all";
    out += count_text(head - position, "record") + " behind";
    const auto* lag = status.if_contains("lagMs");
    if (lag == nullptr || !lag->is_number())
        return out;
    return out + ", the first of them " + time_text(std::chrono::milliseconds(number_of(status, "lagMs"))) + " old";
}

/// As SQL writes a name of anybody's choosing.
std::string quoted(const std::string& name)
{
    std::string out = "\"";
    for (const char one : name)
        out += one == '"' ? std::string("\"\"") : std::string(1, one);
    return out + "\"";
}

} // namespace

exit_code mirror_status(const mirror_options& options)
{
    const auto is = ask_mirror(options, "mirror-status");
    if (!is)
        return give_up(is.error(), options);
    const auto phase = text_of(*is, "phase");
    const bool follows = phase != "connecting";
    if (options.json)
    {
        std::cout << boost::json::serialize(*is) << "\n";
        return follows ? exit_code::sound : exit_code::findings;
    }
    std::cout << "mirror   "
              << (phase == "verifying" ? "is being verified"
                  : follows            ? "follows the log"
                                       : "does not follow: Postgres is tried again and again")
              << "\n"
              << "holds    " << holding_text(*is) << "\n";
    if (const auto* error = is->at("error").if_object())
        std::cout << "error    " << text_of(*error, "text") << "\n"
                  << "at       " << utc_text(static_cast<std::int64_t>(number_of(*error, "at"))) << "\n";
    std::cout << "failures " << number_text(number_of(*is, "failures")) << " since the relay was started\n";
    return follows ? exit_code::sound : exit_code::findings;
}

exit_code mirror_rebuild(const mirror_options& options)
{
    if (const auto asked = ask_mirror(options, "mirror-rebuild"); !asked)
        return give_up(asked.error(), options);
    if (options.json)
        std::cout << "{}\n";
    else
        std::cout << "The relay empties the mirror and fills it again, as soon as it can reach Postgres.\n"
                     "How far it is: consortium-admin mirror status\n";
    return exit_code::sound;
}

exit_code mirror_verify(const mirror_options& options)
{
    const auto report = ask_mirror(options, "mirror-verify");
    if (!report)
        return give_up(report.error(), options);
    const auto differences = number_of(*report, "differences");
    if (options.json)
        std::cout << boost::json::serialize(*report) << "\n";
    else
    {
        std::cout << count_text(number_of(*report, "rows"), "row")
                  << " compared with the log and the views, up to record "
                  << number_text(number_of(*report, "position")) << ".\n";
        if (const auto* findings = report->at("findings").if_array())
            for (const auto& one : *findings)
                if (one.is_string())
                    std::cout << "  " << printable(std::string_view(one.get_string())) << "\n";
        if (differences == 0)
            std::cout << "Equal: every row is as it should be, and there is no other.\n";
        else
            std::cout << "Not equal: " << count_text(differences, "difference")
                      << ". To have the mirror made anew: consortium-admin mirror rebuild\n";
    }
    return differences == 0 ? exit_code::sound : exit_code::findings;
}

exit_code mirror_grant(const std::string& role)
{
    const bool plain = !role.empty() && role.size() <= role_bytes_max &&
                       well_formed_utf8(role, role_bytes_max) == role &&
                       std::ranges::none_of(role, [](unsigned char one) { return one < 0x20 || one == 0x7f; });
    if (!plain)
    {
        print_error(
            {errc::bad_request, "a role has a name of 1 to 63 bytes, without control characters", {}}, /*json=*/false);
        return exit_code::usage;
    }
    const auto name = quoted(role);
    std::cout << "-- To be run with psql, in the mirror's database, as the role of DATABASE_URL.\n"
              << "GRANT USAGE ON SCHEMA consortium TO " << name << ";\n"
              << "GRANT SELECT ON ALL TABLES IN SCHEMA consortium TO " << name << ";\n"
              << "ALTER DEFAULT PRIVILEGES IN SCHEMA consortium GRANT SELECT ON TABLES TO " << name << ";\n";
    return exit_code::sound;
}

} // namespace consortium::admin
