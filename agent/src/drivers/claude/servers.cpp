#include "drivers/claude/servers.hpp"
#include "base/agent_limits.hpp"
#include "base/files.hpp"
#include "base/json_access.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/hash.hpp"
#include "consortium/e2ee/envelope.hpp"
#include "consortium/protocol/foreign_json.hpp"
#include "consortium/protocol/json_text.hpp"
#include "drivers/claude/deny_rules.hpp"
#include "drivers/claude/locate.hpp"
#include "drivers/claude/project_folder.hpp"
#include <algorithm>
#include <boost/json.hpp>
#include <limits>
#include <ranges>
#include <set>

namespace consortium::agent::claude
{
namespace
{
namespace fs = std::filesystem;

constexpr protocol::json_bounds settings_bounds{
    .values_max = std::numeric_limits<std::size_t>::max(), .depth_max = limits::settings_depth_max};
constexpr std::string_view file_name = ".mcp.json";
constexpr std::string_view strict_option = "--strict-mcp-config";
constexpr std::string_view whole_file = "file";
constexpr std::string_view server_mark = "server "; // before its name

std::string digest_of(std::string_view content)
{
    return hex_encode(sha256({view(content)}));
}

server_question ask_about(const fs::path& file, std::string what, std::string_view content)
{
    server_question out;
    out.file = shown(file);
    out.what = std::move(what);
    out.digest = digest_of(content);
    out.asked.kind = question_kind::server;
    out.asked.tool = "server";
    out.asked.request_id = "server-" + e2ee::make_random_name();
    return out;
}

server_question about_the_file(const fs::path& file, std::string_view content)
{
    auto out = ask_about(file, std::string(whole_file), content);
    out.asked.arguments["file"] = out.file;
    out.asked.arguments["content"] = shown_in_part(content);
    return out;
}

server_question about_a_server(const fs::path& file, std::string_view name, const json::value& entry)
{
    auto out = ask_about(file, std::string(server_mark) + std::string(name), json::serialize(entry));
    out.asked.arguments["server"] = name;
    out.asked.arguments["file"] = out.file;
    out.asked.arguments["entry"] = entry;
    return out;
}

/// Strictly: what Claude Code reads otherwise than we do must not pass for what was shown.
std::optional<json::value> parsed(std::string_view content)
{
    constexpr std::string_view byte_order_mark = "\xef\xbb\xbf"; // Claude Code passes over it
    if (content.starts_with(byte_order_mark))
        content.remove_prefix(byte_order_mark.size());
    auto value = protocol::parse_json(content, settings_bounds);
    return value ? std::optional(std::move(*value)) : std::nullopt;
}

/// What settings of Claude Code say about servers by name.
struct settings_word
{
    bool all = false;
    std::set<std::string> enabled;
    std::set<std::string> disabled;
};

std::set<std::string> names_at(const json::object& settings, std::string_view key)
{
    std::set<std::string> out;
    const auto* value = settings.if_contains(key);
    if (value != nullptr && value->is_string())
        out.emplace(value->get_string());
    const auto* list = value != nullptr ? value->if_array() : nullptr;
    for (const auto& each : list != nullptr ? *list : json::array())
    {
        if (each.is_string())
            out.emplace(each.get_string());
    }
    return out;
}

json::object settings_in(const fs::path& file)
{
    std::error_code ignored;
    if (!fs::is_regular_file(file, ignored) || fs::file_size(file, ignored) > limits::trust_read_bytes_max)
        return {};
    const auto content = read_file(file);
    auto settings = content ? protocol::read_foreign_object(text(*content)) : std::unexpected(content.error());
    return settings ? std::move(*settings) : json::object();
}

settings_word word_of_settings(const std::vector<std::string>& environment, const fs::path& here, const fs::path& home)
{
    settings_word out;
    const auto own = environment_value(environment, "CLAUDE_CONFIG_DIR");
    const auto persons = settings_in((own.empty() ? home / ".claude" : fs::path(own)) / "settings.json");
    out.all = flag_at(persons, "enableAllProjectMcpServers");
    out.enabled = names_at(persons, "enabledMcpjsonServers");
    out.disabled = names_at(persons, "disabledMcpjsonServers");
    for (const auto& folder : project_folders(here))
    {
        for (const auto* name : {"settings.json", "settings.local.json"})
            out.disabled.merge(names_at(settings_in(folder / ".claude" / name), "disabledMcpjsonServers"));
    }
    return out;
}

std::string name_of(const server_question& each)
{
    return each.what.substr(server_mark.size());
}

bool is_file(const server_question& each)
{
    return each.what == whole_file;
}

/// The name of the server and its file, for people.
std::string words_for(const server_question& each)
{
    return is_file(each) ? each.file : name_of(each) + " (" + each.file + ")";
}

void place(server_plan& plan, server_question each, const settings_word& settings, const json::object& decided)
{
    const auto* file = object_at(decided, each.file);
    const auto* kept = file != nullptr ? object_at(*file, each.what) : nullptr;
    const bool holds = kept != nullptr && text_at(*kept, "digest") == each.digest;
    const auto named_in = [&](const std::set<std::string>& names)
    { return !is_file(each) && names.contains(name_of(each)); };
    if (named_in(settings.disabled) || (holds && !flag_at(*kept, "runs")))
    {
        if (holds && kept->contains("runs"))
            plan.refused.push_back(words_for(each));
        leave_out(plan, each);
    }
    else if (!holds && !settings.all)
    {
        const bool changed = kept != nullptr;
        (named_in(settings.enabled) && !changed ? plan.allowed : plan.open).push_back(std::move(each));
    }
}

} // namespace

std::vector<server_question> servers_in(const fs::path& file, std::string_view content)
{
    if (content.find_first_not_of(" \t\r\n") == std::string_view::npos)
        return {};
    const auto value = parsed(content);
    const auto* object = value ? value->if_object() : nullptr;
    if (object == nullptr)
        return {about_the_file(file, content)};
    const auto* servers = object->if_contains("mcpServers");
    if (servers == nullptr)
        return {};
    if (!servers->is_object())
        return {about_the_file(file, content)};
    std::vector<server_question> out;
    for (const auto& [name, entry] : servers->get_object())
        out.push_back(about_a_server(file, name, entry));
    return out;
}

std::vector<server_question> servers_shown(const question& trust)
{
    std::vector<server_question> out;
    for (const auto& [name, content] : trust.arguments)
    {
        const fs::path file(std::string_view(name.data(), name.size()));
        if (file.filename() != file_name || !content.is_string())
            continue;
        for (auto& each : servers_in(file, content.get_string()))
            out.push_back(std::move(each));
    }
    return out;
}

void decide(json::object& decided, const server_question& about, std::optional<bool> runs)
{
    auto& file = decided[about.file];
    auto& kept = (file.is_object() ? file.get_object() : file.emplace_object())[about.what].emplace_object();
    kept["digest"] = about.digest;
    if (runs)
        kept["runs"] = *runs;
}

server_plan
plan_servers(const std::vector<std::string>& environment, const fs::path& directory, const json::object& decided)
{
    server_plan out;
    const auto here = real(directory);
    const auto home = home_of(environment);
    const auto settings = word_of_settings(environment, here, home);
    // Those of a folder further up too, though one below has another of that name: which of them Claude Code takes may
    // depend on what it makes of the other.
    for (auto folder = here;; folder = folder.parent_path())
    {
        const auto file = folder / file_name;
        std::error_code problem;
        const auto kind = folder != home ? fs::status(file, problem).type() : fs::file_type::not_found;
        if (kind != fs::file_type::not_found && kind != fs::file_type::directory)
        {
            const bool readable =
                kind == fs::file_type::regular && fs::file_size(file, problem) <= limits::trust_read_bytes_max;
            if (const auto content = readable ? read_file(file) : fail(errc::too_large, ""); content)
            {
                for (auto& each : servers_in(file, text(*content)))
                    place(out, std::move(each), settings, decided);
            }
            else
                out.none = shown(file) + " cannot be read here.";
        }
        if (folder == folder.parent_path())
            return out;
    }
}

void leave_out(server_plan& plan, const server_question& each)
{
    if (is_file(each))
        plan.none = each.file + " is not to run any, and cannot be read to tell which.";
    else
        plan.off.push_back(name_of(each));
}

bool reads_no_servers(const std::vector<std::string>& arguments)
{
    return std::ranges::find(arguments, strict_option) != arguments.end();
}

result<std::vector<std::string>> with_servers(std::vector<std::string> arguments, const server_plan& plan)
{
    std::size_t bytes = 0;
    for (const auto& each : plan.off)
        bytes += each.size();
    if (!plan.none.empty() || bytes > limits::servers_off_bytes_max)
    {
        arguments.insert(arguments.begin(), std::string(strict_option));
        return arguments;
    }
    return plan.off.empty() ? arguments : with_disabled_servers(std::move(arguments), plan.off);
}

std::vector<std::string> server_in_lines(const server_question& each)
{
    std::vector<std::string> out;
    if (!is_file(each))
        out.push_back("server: " + name_of(each));
    out.push_back("file: " + each.file);
    std::vector<std::string> said;
    if (const auto* content = each.asked.arguments.if_contains("content"))
    {
        for (const auto line : std::views::split(std::string_view(content->get_string()), '\n'))
            said.emplace_back(line.begin(), line.end());
        std::erase_if(said, [](const auto& line) { return line.find_first_not_of(" \t\r") == std::string::npos; });
    }
    else if (const auto& entry = each.asked.arguments.at("entry"); entry.is_object())
    {
        for (const auto& [name, value] : entry.get_object())
            said.push_back(std::string(name) + ": " + json::serialize(value));
    }
    else
        said.push_back(json::serialize(entry));
    for (const auto& line : said | std::views::take(limits::trust_lines_max))
        out.push_back("| " + line);
    if (said.size() > limits::trust_lines_max)
        out.push_back("… and " + std::to_string(said.size() - limits::trust_lines_max) + " lines more");
    return out;
}

} // namespace consortium::agent::claude
