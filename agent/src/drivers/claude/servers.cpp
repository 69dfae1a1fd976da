#include "drivers/claude/servers.hpp"
#include "base/agent_limits.hpp"
#include "base/files.hpp"
#include "base/json_access.hpp"
#include "consortium/common/bytes.hpp"
#include "consortium/protocol/json_text.hpp"
#include "drivers/claude/project_folder.hpp"
#include "drivers/claude/shown_files.hpp"
#include <boost/json.hpp>
#include <limits>

namespace consortium::agent::claude
{
namespace
{
namespace fs = std::filesystem;

constexpr protocol::json_bounds settings_bounds{
    .values_max = std::numeric_limits<std::size_t>::max(), .depth_max = limits::settings_depth_max};
constexpr std::string_view file_name = ".mcp.json";
constexpr std::string_view whole_file = "file";
constexpr std::string_view server_mark = "server "; // before its name

brought about_the_file(const fs::path& file, std::string_view content)
{
    auto out = ask_about(question_kind::server, "server", file, std::string(whole_file));
    out.digest = digest_of(content);
    out.asked.arguments["file"] = out.file;
    out.asked.arguments["content"] = shown_in_part(content);
    return out;
}

brought about_a_server(const fs::path& file, std::string_view name, const json::value& entry)
{
    auto out = ask_about(question_kind::server, "server", file, std::string(server_mark) + std::string(name));
    out.digest = digest_of(json::serialize(entry));
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
struct words_by_name
{
    bool all = false;
    std::set<std::string> enabled;
    std::set<std::string> disabled;

    settings_word about(const brought& each) const
    {
        const auto name = server_name(each);
        if (name && disabled.contains(*name))
            return settings_word::forbidden;
        if (all)
            return settings_word::always;
        return name && enabled.contains(*name) ? settings_word::allowed : settings_word::none;
    }
};

words_by_name words_of_settings(const std::vector<std::string>& environment, const fs::path& here, const fs::path& home)
{
    words_by_name out;
    const auto persons = settings_in(config_folder(environment, home) / "settings.json");
    out.all = flag_at(persons, "enableAllProjectMcpServers");
    out.enabled = names_at(persons, "enabledMcpjsonServers");
    out.disabled = names_at(persons, "disabledMcpjsonServers");
    for (const auto& file : settings_files(here, home))
        out.disabled.merge(names_at(settings_in(file), "disabledMcpjsonServers"));
    return out;
}

} // namespace

std::vector<brought> servers_in(const fs::path& file, std::string_view content)
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
    std::vector<brought> out;
    for (const auto& [name, entry] : servers->get_object())
        out.push_back(about_a_server(file, name, entry));
    return out;
}

std::vector<brought> servers_shown(const question& trust)
{
    std::vector<brought> out;
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

finding find_servers(const std::vector<std::string>& environment, const fs::path& here, const fs::path& home)
{
    finding out;
    const auto settings = words_of_settings(environment, here, home);
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
                {
                    const auto word = settings.about(each);
                    out.things.push_back({.what = std::move(each), .word = word});
                }
            }
            else
                out.none = shown(file) + " cannot be read here.";
        }
        if (folder == folder.parent_path())
            return out;
    }
}

std::optional<std::string> server_name(const brought& each)
{
    const bool is_server = each.asked.kind == question_kind::server && each.what.starts_with(server_mark);
    return is_server ? std::optional(each.what.substr(server_mark.size())) : std::nullopt;
}

bool is_file_of_servers(const brought& each)
{
    return each.what == whole_file;
}

} // namespace consortium::agent::claude
