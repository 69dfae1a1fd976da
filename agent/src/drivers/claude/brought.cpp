#include "drivers/claude/brought.hpp"
#include "base/agent_limits.hpp"
#include "base/json_access.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/hash.hpp"
#include "consortium/e2ee/envelope.hpp"
#include "drivers/claude/deny_rules.hpp"
#include "drivers/claude/found.hpp"
#include "drivers/claude/plugins.hpp"
#include "drivers/claude/project_folder.hpp"
#include "drivers/claude/servers.hpp"
#include "drivers/claude/shown_files.hpp"
#include <algorithm>
#include <boost/json.hpp>

namespace consortium::agent::claude
{
namespace
{
namespace fs = std::filesystem;

constexpr std::string_view strict_option = "--strict-mcp-config";

/// What it is called, and where it stands, for people.
std::string words_for(const brought& each)
{
    const auto server = server_name(each);
    const auto plugin = plugin_name(each);
    return is_file_of_servers(each) ? each.file : (server ? *server : *plugin) + " (" + each.file + ")";
}

void place(brought_plan& plan, found thing, const json::object& decided)
{
    auto& each = thing.what;
    const auto* file = object_at(decided, each.file);
    const auto* kept = file != nullptr ? object_at(*file, each.what) : nullptr;
    const bool holds = kept != nullptr && !thing.unseen && text_at(*kept, "digest") == each.digest;
    if (thing.unseen)
        plan.said.push_back("Too much lies in it to be looked at, so this does not run: " + words_for(each) + ".");
    if (thing.unseen || thing.word == settings_word::forbidden || (holds && !flag_at(*kept, "runs")))
    {
        if (holds && kept->contains("runs"))
            plan.refused.push_back(words_for(each));
        leave_out(plan, each);
    }
    else if (!holds && thing.word != settings_word::always)
    {
        const bool changed = kept != nullptr;
        (thing.word == settings_word::allowed && !changed ? plan.allowed : plan.open).push_back(std::move(each));
    }
}

std::size_t bytes_of(const std::vector<std::string>& names)
{
    std::size_t out = 0;
    for (const auto& each : names)
        out += each.size();
    return out;
}

/// The entry of a server, or the file that may name any.
std::vector<std::string> server_in_lines(const brought& each)
{
    std::vector<std::string> out;
    if (const auto name = server_name(each))
        out.push_back("server: " + *name);
    out.push_back("file: " + each.file);
    std::vector<std::string> said;
    if (const auto* content = each.asked.arguments.if_contains("content"))
        said = lines_of(*content);
    else if (const auto& entry = each.asked.arguments.at("entry"); entry.is_object())
    {
        for (const auto& [name, value] : entry.get_object())
            said.push_back(std::string(name) + ": " + json::serialize(value));
    }
    else
        said.push_back(json::serialize(entry));
    put_lines(out, said);
    return out;
}

} // namespace

brought ask_about(question_kind kind, std::string tool, const fs::path& file, std::string what)
{
    brought out;
    out.file = shown(file);
    out.what = std::move(what);
    out.asked.kind = kind;
    out.asked.request_id = tool + "-" + e2ee::make_random_name();
    out.asked.tool = std::move(tool);
    return out;
}

std::string digest_of(std::string_view content)
{
    return hex_encode(sha256({view(content)}));
}

void decide(json::object& decided, const brought& about, std::optional<bool> runs)
{
    auto& file = decided[about.file];
    auto& kept = (file.is_object() ? file.get_object() : file.emplace_object())[about.what].emplace_object();
    kept["digest"] = about.digest;
    if (runs)
        kept["runs"] = *runs;
}

brought_plan plan_brought(
    const std::vector<std::string>& environment, const fs::path& directory, const std::vector<std::string>& arguments,
    const json::object& decided)
{
    brought_plan out;
    const auto here = real(directory);
    const auto home = home_of(environment);
    auto servers = reads_no_servers(arguments) ? finding() : find_servers(environment, here, home);
    auto plugins = find_plugins(environment, here, home);
    out.no_servers = std::move(servers.none);
    out.no_plugins = std::move(plugins.none);
    for (auto* things : {&servers.things, &plugins.things})
    {
        for (auto& each : *things)
            place(out, std::move(each), decided);
    }
    return out;
}

void leave_out(brought_plan& plan, const brought& each)
{
    if (is_file_of_servers(each))
        plan.no_servers = each.file + " is not to run any, and cannot be read to tell which.";
    else if (const auto server = server_name(each))
        plan.servers_off.push_back(*server);
    else if (const auto plugin = plugin_name(each))
        plan.plugins_off.push_back(*plugin);
}

bool reads_no_servers(const std::vector<std::string>& arguments)
{
    return std::ranges::find(arguments, strict_option) != arguments.end();
}

bool reads_no_settings(const std::vector<std::string>& arguments)
{
    const auto option = std::ranges::find(arguments, "--setting-sources");
    return option != arguments.end() && option + 1 != arguments.end() && *(option + 1) == "user";
}

result<std::vector<std::string>> with_plan(std::vector<std::string> arguments, const brought_plan& plan)
{
    if (!plan.no_plugins.empty() || bytes_of(plan.plugins_off) > limits::brought_off_bytes_max)
        arguments = with_settings_of_the_person(std::move(arguments));
    else if (!plan.plugins_off.empty())
    {
        auto without = with_disabled_plugins(std::move(arguments), plan.plugins_off);
        if (!without)
            return without;
        arguments = std::move(*without);
    }
    if (!plan.no_servers.empty() || bytes_of(plan.servers_off) > limits::brought_off_bytes_max)
    {
        arguments.insert(arguments.begin(), std::string(strict_option));
        return arguments;
    }
    return plan.servers_off.empty() ? arguments : with_disabled_servers(std::move(arguments), plan.servers_off);
}

std::vector<std::string> brought_in_lines(const brought& each)
{
    return plugin_name(each) ? files_in_lines(each.asked.arguments, "plugin") : server_in_lines(each);
}

} // namespace consortium::agent::claude
