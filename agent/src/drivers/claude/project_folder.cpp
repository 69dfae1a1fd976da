#include "drivers/claude/project_folder.hpp"
#include "base/agent_limits.hpp"
#include "base/files.hpp"
#include "consortium/common/bytes.hpp"
#include "consortium/common/utf8.hpp"
#include "consortium/protocol/foreign_json.hpp"
#include "drivers/claude/locate.hpp"
#include <ranges>

namespace consortium::agent::claude
{
namespace fs = std::filesystem;
namespace json = boost::json;

std::vector<fs::path> project_folders(const fs::path& directory)
{
    std::vector<fs::path> out;
    std::error_code ignored;
    for (auto folder = directory;; folder = folder.parent_path())
    {
        out.push_back(folder);
        if (fs::exists(folder / ".git", ignored))
            return out;
        if (folder == folder.parent_path())
            return {directory};
    }
}

fs::path real(const fs::path& directory)
{
    std::error_code problem;
    auto out = fs::canonical(directory, problem);
    return problem ? directory : out;
}

fs::path home_of(const std::vector<std::string>& environment)
{
    return real(environment_value(environment, "HOME"));
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

fs::path config_folder(const std::vector<std::string>& environment, const fs::path& home)
{
    const auto own = environment_value(environment, "CLAUDE_CONFIG_DIR");
    return own.empty() ? home / ".claude" : fs::path(own);
}

std::vector<fs::path> settings_files(const fs::path& here, const fs::path& home)
{
    std::vector<fs::path> out;
    for (const auto& folder : project_folders(here) | std::views::reverse)
    {
        if (folder == home)
            continue; // the person's own
        for (const auto* name : {"settings.json", "settings.local.json"})
            out.push_back(folder / ".claude" / name);
    }
    return out;
}

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

std::string shown(const fs::path& path)
{
    return well_formed_utf8(path.string(), limits::path_bytes_max);
}

} // namespace consortium::agent::claude
