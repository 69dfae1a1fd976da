#include "drivers/claude/deny_rules.hpp"
#include "base/files.hpp"
#include "consortium/common/bytes.hpp"
#include "consortium/protocol/foreign_json.hpp"
#include "drivers/claude/file_pattern.hpp"
#include <algorithm>
#include <boost/json.hpp>
#include <functional>
#include <optional>

namespace consortium::agent::claude
{
namespace json = boost::json;
namespace
{

constexpr std::string_view settings_option = "--settings";
constexpr std::string_view sources_option = "--setting-sources";

/// Takes the option out. The last one counts, as for Claude Code.
std::optional<std::string> take(std::vector<std::string>& arguments, std::string_view option)
{
    std::optional<std::string> out;
    for (auto at = arguments.begin(); at != arguments.end() && *at != "--";)
    {
        if (at->starts_with(std::string(option) + "="))
        {
            out = at->substr(option.size() + 1);
            at = arguments.erase(at);
        }
        else if (*at == option && at + 1 != arguments.end())
        {
            out = *(at + 1);
            at = arguments.erase(at, at + 2);
        }
        else
            ++at;
    }
    return out;
}

result<json::object> read_settings(const std::string& given)
{
    auto content = given;
    if (given.find_first_not_of(" \t\r\n") == std::string::npos || given[given.find_first_not_of(" \t\r\n")] != '{')
    {
        const auto file = read_file(given);
        if (!file)
            return fail(errc::bad_request, "--settings " + given + " cannot be read: " + file.error().detail);
        content = text(*file);
    }
    auto settings = protocol::read_foreign_object(content);
    if (!settings)
        return fail(errc::bad_request, "--settings " + given + " is neither a JSON object nor a file with one.");
    return settings;
}

/// The arguments with their settings changed.
result<std::vector<std::string>>
with_settings(std::vector<std::string> arguments, const std::function<void(json::object& settings)>& change)
{
    json::object settings;
    if (const auto given = take(arguments, settings_option))
    {
        auto read = read_settings(*given);
        if (!read)
            return std::unexpected(read.error());
        settings = std::move(*read);
    }
    change(settings);
    // In front: some of the user's options take all words that follow them.
    arguments.insert(arguments.begin(), {std::string(settings_option), json::serialize(settings)});
    return arguments;
}

void add(json::array& list, const std::string& word)
{
    if (std::ranges::find(list, json::value_from(word)) == list.end())
        list.push_back(json::value_from(word));
}

json::array& list_at(json::object& in, std::string_view name)
{
    auto& value = in[name];
    return value.is_array() ? value.get_array() : value.emplace_array();
}

} // namespace

result<std::vector<std::string>>
with_denied_folder(std::vector<std::string> user_arguments, const std::filesystem::path& keys)
{
    std::error_code problem;
    const auto named = std::filesystem::absolute(keys, problem).lexically_normal();
    const auto real = std::filesystem::weakly_canonical(keys, problem);
    return with_settings(
        std::move(user_arguments),
        [&](json::object& settings)
        {
            auto& permissions = settings["permissions"];
            auto& deny =
                list_at(permissions.is_object() ? permissions.get_object() : permissions.emplace_object(), "deny");
            // docs/claude-code.md, "Questions": Edit stands for all tools that write.
            for (const auto& each : {named, real})
            {
                for (const auto* tool : {"Read", "Edit"})
                    add(deny, std::string(tool) + "(" + file_pattern(each.string()) + "/**)");
            }
        });
}

result<std::vector<std::string>>
with_disabled_servers(std::vector<std::string> user_arguments, const std::vector<std::string>& names)
{
    return with_settings(
        std::move(user_arguments),
        [&](json::object& settings)
        {
            auto& disabled = list_at(settings, "disabledMcpjsonServers");
            for (const auto& name : names)
                add(disabled, name);
        });
}

result<std::vector<std::string>>
with_disabled_plugins(std::vector<std::string> user_arguments, const std::vector<std::string>& names)
{
    return with_settings(
        std::move(user_arguments),
        [&](json::object& settings)
        {
            auto& plugins = settings["enabledPlugins"];
            auto& enabled = plugins.is_object() ? plugins.get_object() : plugins.emplace_object();
            for (const auto& name : names)
                enabled[name] = false;
        });
}

std::vector<std::string> with_settings_of_the_person(std::vector<std::string> user_arguments)
{
    (void)take(user_arguments, sources_option);
    user_arguments.insert(user_arguments.begin(), {std::string(sources_option), "user"});
    return user_arguments;
}

} // namespace consortium::agent::claude
