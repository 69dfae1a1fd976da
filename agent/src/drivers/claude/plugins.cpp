#include "drivers/claude/plugins.hpp"
#include "base/agent_limits.hpp"
#include "base/files.hpp"
#include "base/json_access.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/bytes.hpp"
#include "consortium/common/hash.hpp"
#include "drivers/claude/project_folder.hpp"
#include "drivers/claude/shown_files.hpp"
#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <set>

namespace consortium::agent::claude
{
namespace
{
namespace fs = std::filesystem;

constexpr std::string_view plugin_mark = "plugin "; // before its name
constexpr std::string_view skills_market = "skills-dir";
constexpr std::string_view manifest_folder = ".claude-plugin";
constexpr std::string_view manifest_file = "plugin.json";
constexpr std::string_view market_file = "marketplace.json";
/// What says what runs, in a plugin's folder. A manifest may name others.
constexpr std::string_view definitions[] = {
    ".claude-plugin/plugin.json", ".mcp.json",    ".lsp.json", "hooks/hooks.json",
    "monitors/monitors.json",     "settings.json"};

/// One file of a plugin, in a form that no other has.
std::string line_of(const fs::path& file, const fs::path& folder)
{
    std::error_code ignored;
    const auto status = fs::status(file, ignored);
    json::array out{shown(file.lexically_relative(folder)), static_cast<int>(status.type())};
    if (status.type() == fs::file_type::regular)
    {
        const auto content = read_file(file);
        if (!content)
            return {};
        out.emplace_back((status.permissions() & fs::perms::owner_exec) != fs::perms::none);
        out.emplace_back(digest_of(text(*content)));
    }
    return json::serialize(out);
}

/// Of all that lies in a folder: names, kinds, what may be run, contents; links are followed. Nothing: it is too much,
/// or cannot be read.
std::optional<std::string> digest_of_folder(const fs::path& folder)
{
    std::vector<fs::path> files;
    std::uintmax_t bytes = 0;
    std::error_code problem;
    auto each = fs::recursive_directory_iterator(folder, fs::directory_options::follow_directory_symlink, problem);
    for (; !problem && each != fs::recursive_directory_iterator(); each.increment(problem))
    {
        std::error_code ignored;
        if (each->path().filename() == ".git")
            each.disable_recursion_pending();
        else
            files.push_back(each->path());
        if (each->is_regular_file(ignored))
            bytes += each->file_size(ignored);
        if (files.size() > limits::plugin_files_max || bytes > limits::plugin_bytes_max)
            return std::nullopt;
    }
    if (problem)
        return std::nullopt;
    std::ranges::sort(files);
    sha256_stream out;
    for (const auto& file : files)
    {
        const auto line = line_of(file, folder);
        if (line.empty())
            return std::nullopt;
        out.update(view(line + "\n"));
    }
    return hex_encode(out.finish());
}

/// The files of a plugin, for people: what says what runs with its text, the others by name.
void show_files(json::object& arguments, const fs::path& folder)
{
    std::error_code ignored;
    for (const auto definition : definitions)
    {
        if (const auto file = folder / definition; fs::exists(fs::symlink_status(file, ignored)))
            arguments[shown(file)] = content_of(file);
    }
    auto others = names_in(folder, arguments);
    if (others.empty())
        return;
    auto& all = arguments["others"];
    auto& list = all.is_array() ? all.get_array() : all.emplace_array();
    list.insert(list.end(), others.begin(), others.end());
}

/// It is there, but Claude Code may read in it what is not read here.
bool is_unreadable(const fs::path& file)
{
    std::error_code ignored;
    const auto kind = fs::status(file, ignored).type();
    if (kind == fs::file_type::regular)
        return fs::file_size(file, ignored) > limits::trust_read_bytes_max || !read_file(file);
    return kind != fs::file_type::not_found && kind != fs::file_type::directory;
}

/// What the files of settings say, of the folder and of the person.
struct all_settings
{
    std::vector<std::pair<fs::path, json::object>> folders; ///< by their file
    json::object persons;
};

all_settings read_settings(const fs::path& config, const fs::path& here, const fs::path& home)
{
    all_settings out{.folders = {}, .persons = settings_in(config / "settings.json")};
    for (const auto& file : settings_files(here, home))
        out.folders.emplace_back(file, settings_in(file));
    return out;
}

/// Whether the settings turn it on, or off.
std::optional<bool> turned(const json::object& settings, std::string_view plugin)
{
    const auto* enabled = object_at(settings, "enabledPlugins");
    const auto* value = enabled != nullptr ? enabled->if_contains(plugin) : nullptr;
    return value != nullptr ? std::optional(!value->is_bool() || value->get_bool()) : std::nullopt;
}

/// Not on by the settings of the folder, and off by any.
bool is_off(const all_settings& settings, std::string_view plugin)
{
    bool off = turned(settings.persons, plugin) == false;
    for (const auto& [file, folder] : settings.folders)
    {
        const auto word = turned(folder, plugin);
        if (word == true)
            return false;
        off = off || word == false;
    }
    return off;
}

/// A marketplace whose files are on this machine.
struct local_market
{
    std::string key; ///< what the settings call it
    fs::path root;
    json::object content;

    bool by_folder = false; ///< settings of the folder name it; otherwise Claude Code knows it already

    /// Its own name counts as well as that of the settings; one that cannot be read may be any.
    bool is(std::string_view name) const { return key == name || content.empty() || text_at(content, "name") == name; }
};

/// `base`: the folder that a relative path in it begins from.
std::optional<local_market> market_of(std::string_view key, const json::value& entry, const fs::path& base)
{
    const auto* declared = entry.if_object();
    const auto* source = declared != nullptr ? object_at(*declared, "source") : nullptr;
    const auto kind = source != nullptr ? text_at(*source, "source") : std::string();
    if (kind != "directory" && kind != "file")
        return std::nullopt;
    const auto named = base / text_at(*source, "path");
    const auto file = kind == "file" ? named : named / manifest_folder / market_file;
    auto root = kind == "file" ? named.parent_path() : named;
    if (kind == "file" && root.filename() == manifest_folder)
        root = root.parent_path();
    return local_market{.key = std::string(key), .root = real(root), .content = settings_in(file)};
}

std::vector<local_market> local_markets(const all_settings& settings, const fs::path& config)
{
    std::vector<local_market> out;
    const auto add = [&](const json::object* declared, const fs::path& base, bool by_folder)
    {
        for (const auto& [key, entry] : declared != nullptr ? *declared : json::object())
        {
            if (auto market = market_of(key, entry, base))
            {
                market->by_folder = by_folder;
                out.push_back(std::move(*market));
            }
        }
    };
    for (const auto& [file, folder] : settings.folders)
        add(object_at(folder, "extraKnownMarketplaces"), file.parent_path().parent_path(), /*by_folder=*/true);
    const auto known = settings_in(config / "plugins" / "known_marketplaces.json");
    add(&known, config, /*by_folder=*/false);
    return out;
}

/// Where the plugin lies in it; where that cannot be told, all of it.
std::vector<fs::path> folders_of(const local_market& market, std::string_view plugin)
{
    std::vector<fs::path> out;
    const auto* metadata = object_at(market.content, "metadata");
    const auto below = metadata != nullptr ? text_at(*metadata, "pluginRoot") : std::string();
    const auto* plugins = array_at(market.content, "plugins");
    for (const auto& each : plugins != nullptr ? *plugins : json::array())
    {
        const auto* entry = each.if_object();
        if (entry == nullptr || text_at(*entry, "name") != plugin)
            continue;
        const auto source = text_at(*entry, "source");
        for (const auto& folder : {market.root / source, market.root / below / source})
        {
            std::error_code ignored;
            if (!source.empty() && fs::is_directory(folder, ignored) &&
                std::ranges::find(out, real(folder)) == out.end())
                out.push_back(real(folder));
        }
    }
    return out.empty() ? std::vector{market.root} : out;
}

brought about_a_plugin(const fs::path& where, const std::string& plugin)
{
    auto out = ask_about(question_kind::plugin, "plugin", where, std::string(plugin_mark) + plugin);
    out.asked.arguments["plugin"] = plugin;
    out.asked.arguments["from"] = out.file;
    return out;
}

/// One that lies in a folder of skills. Nothing: Claude Code takes it for none either.
std::optional<found> in_skills(const fs::path& folder, const all_settings& settings)
{
    const auto name = text_at(settings_in(folder / manifest_folder / manifest_file), "name");
    const auto plugin = name + "@" + std::string(skills_market);
    if (name.empty() || is_off(settings, plugin))
        return std::nullopt;
    found out{.what = about_a_plugin(folder, plugin)};
    show_files(out.what.asked.arguments, real(folder));
    const auto digest = digest_of_folder(real(folder));
    out.unseen = !digest;
    out.what.digest = digest.value_or("");
    return out;
}

/// One that settings of the folder turn on, or whose marketplace they name.
found by_settings(
    const fs::path& file, const std::string& plugin, const all_settings& settings,
    const std::vector<local_market>& markets)
{
    found out{.what = about_a_plugin(file, plugin)};
    const auto at = plugin.rfind('@');
    const auto name = plugin.substr(0, at);
    const auto market = at == std::string::npos ? std::string() : plugin.substr(at + 1);
    auto& arguments = out.what.asked.arguments;
    json::array brings{plugin};
    for (const auto& [each, folder] : settings.folders)
    {
        const auto* declared = object_at(folder, "extraKnownMarketplaces");
        const auto* entry = declared != nullptr ? declared->if_contains(market) : nullptr;
        if (entry == nullptr)
            continue;
        arguments["marketplace"] = *entry;
        brings.push_back(*entry);
    }
    for (const auto& each : markets)
    {
        if (!each.is(market))
            continue;
        brings.push_back(json::object(each.content));
        for (const auto& folder : folders_of(each, name))
        {
            show_files(arguments, folder);
            const auto digest = digest_of_folder(folder);
            out.unseen = out.unseen || !digest;
            brings.emplace_back(digest.value_or(""));
        }
    }
    out.what.digest = digest_of(json::serialize(brings));
    return out;
}

/// The file of the folder that says where a marketplace is. Nothing: none does.
std::optional<fs::path>
file_that_names(const all_settings& settings, const std::vector<local_market>& markets, std::string_view market)
{
    const bool as_local =
        std::ranges::any_of(markets, [&](const local_market& each) { return each.by_folder && each.is(market); });
    for (const auto& [file, folder] : settings.folders)
    {
        const auto* declared = object_at(folder, "extraKnownMarketplaces");
        if (declared != nullptr && (as_local || declared->contains(market)))
            return file;
    }
    return std::nullopt;
}

/// Those that settings turn on, each with the file of the folder that brings it about. What the person turned on is the
/// person's own, unless the folder says where its marketplace is.
std::map<std::string, fs::path> turned_on(const all_settings& settings, const std::vector<local_market>& markets)
{
    std::map<std::string, fs::path> out;
    const auto names = [](const json::object& from)
    {
        const auto* enabled = object_at(from, "enabledPlugins");
        return enabled != nullptr ? *enabled : json::object();
    };
    const auto market_of = [](const std::string& plugin) { return plugin.substr(plugin.rfind('@') + 1); };
    for (const auto& [name, value] : names(settings.persons))
    {
        const std::string plugin(name);
        const auto file = file_that_names(settings, markets, market_of(plugin));
        if (file && turned(settings.persons, plugin) == true)
            out.emplace(plugin, *file);
    }
    for (const auto& [file, folder] : settings.folders)
    {
        for (const auto& [name, value] : names(folder))
        {
            const std::string plugin(name);
            const bool persons =
                turned(settings.persons, plugin) == true && !file_that_names(settings, markets, market_of(plugin));
            if (turned(folder, plugin) == true && !persons)
                out.emplace(plugin, file);
        }
    }
    return out;
}

} // namespace

finding find_plugins(const std::vector<std::string>& environment, const fs::path& here, const fs::path& home)
{
    finding out;
    const auto config = config_folder(environment, home);
    const auto settings = read_settings(config, here, home);
    for (const auto& [file, ignored] : settings.folders)
    {
        if (is_unreadable(file))
            out.none = shown(file) + " cannot be read here.";
    }
    std::set<std::string> in_folders;
    for (const auto& folder : project_folders(here))
    {
        if (folder == home)
            continue;
        std::error_code problem;
        std::vector<fs::path> skills;
        for (auto each = fs::directory_iterator(folder / ".claude" / "skills", problem);
             !problem && each != fs::directory_iterator(); each.increment(problem))
            skills.push_back(each->path());
        if (problem && problem != std::errc::no_such_file_or_directory && problem != std::errc::not_a_directory)
            out.none = shown(folder / ".claude" / "skills") + " cannot be read here.";
        std::ranges::sort(skills);
        for (const auto& skill : skills)
        {
            if (is_unreadable(skill / manifest_folder / manifest_file))
                out.none = shown(skill) + " cannot be read here.";
            if (auto plugin = in_skills(skill, settings))
            {
                in_folders.insert(*plugin_name(plugin->what));
                out.things.push_back(std::move(*plugin));
            }
        }
    }
    const auto markets = local_markets(settings, config);
    for (const auto& [plugin, file] : turned_on(settings, markets))
    {
        if (!in_folders.contains(plugin))
            out.things.push_back(by_settings(file, plugin, settings, markets));
    }
    return out;
}

std::optional<std::string> plugin_name(const brought& each)
{
    const bool is_plugin = each.asked.kind == question_kind::plugin && each.what.starts_with(plugin_mark);
    return is_plugin ? std::optional(each.what.substr(plugin_mark.size())) : std::nullopt;
}

} // namespace consortium::agent::claude
