#include "drivers/claude/trust.hpp"
#include "base/agent_limits.hpp"
#include "base/files.hpp"
#include "base/json_access.hpp"
#include "consortium/common/bytes.hpp"
#include "consortium/e2ee/envelope.hpp"
#include "consortium/protocol/foreign_json.hpp"
#include "consortium/protocol/json_text.hpp"
#include "drivers/claude/locate.hpp"
#include "drivers/claude/project_folder.hpp"
#include "drivers/claude/shown_files.hpp"
#include <algorithm>
#include <boost/json.hpp>
#include <limits>
#include <ranges>
#include <sys/stat.h>
#include <thread>

namespace consortium::agent::claude
{
namespace
{
namespace fs = std::filesystem;

constexpr protocol::json_bounds settings_bounds{
    .values_max = std::numeric_limits<std::size_t>::max(), .depth_max = limits::settings_depth_max};

fs::path settings_file(const std::vector<std::string>& environment)
{
    auto folder = environment_value(environment, "CLAUDE_CONFIG_DIR");
    if (folder.empty())
        folder = environment_value(environment, "HOME");
    std::error_code ignored;
    const auto named = fs::path(folder) / ".claude.json";
    return fs::weakly_canonical(named, ignored); // a link to it stays one
}

/// errc::not_found when there is no such file, errc::corrupt when it is no JSON to the letter: then it is not written
/// again.
result<json::object> read_settings(const fs::path& file)
{
    const auto content = read_file(file);
    if (!content)
        return std::unexpected(content.error());
    auto value = protocol::parse_json(text(*content), settings_bounds);
    if (!value || !value->is_object())
        return fail(errc::corrupt, file.string() + " cannot be read as JSON.");
    return std::move(value->get_object());
}

/// As Claude Code judges it: the folder itself or one above it, but none above its repository. A file that cannot be
/// read trusts nothing.
bool is_trusted(const fs::path& file, const fs::path& directory)
{
    const auto content = read_file(file);
    const auto settings = content ? protocol::read_foreign_object(text(*content)) : std::unexpected(content.error());
    const auto* projects = settings ? object_at(*settings, "projects") : nullptr;
    if (projects == nullptr)
        return false;
    const auto own = project_folders(directory);
    std::error_code ignored;
    const bool in_repository = fs::exists(own.back() / ".git", ignored);
    for (auto folder = directory;; folder = folder.parent_path())
    {
        const auto* project = object_at(*projects, shown(folder));
        if (project != nullptr && flag_at(*project, "hasTrustDialogAccepted"))
            return true;
        if (folder == folder.parent_path() || (in_repository && folder == own.back()))
            return false;
    }
}

/// What makes Claude Code run something, by its path: settings and servers with their text, the others by name. It
/// looks for servers in every folder above, for the rest within the repository. What lies in `home` is the person's
/// own.
json::object what_runs(const fs::path& directory, const fs::path& home)
{
    json::object out;
    json::array others;
    std::error_code ignored;
    const auto show = [&](const fs::path& file)
    {
        if (fs::exists(fs::symlink_status(file, ignored)))
            out[shown(file)] = content_of(file);
    };
    const auto project = project_folders(directory);
    for (auto folder = directory;; folder = folder.parent_path())
    {
        if (folder != home)
        {
            show(folder / ".mcp.json");
            if (std::ranges::find(project, folder) != project.end() &&
                fs::exists(fs::symlink_status(folder / ".claude", ignored)))
            {
                show(folder / ".claude" / "settings.json");
                show(folder / ".claude" / "settings.local.json");
                for (auto& name : names_in(folder / ".claude", out))
                    others.push_back(std::move(name));
            }
        }
        if (folder == folder.parent_path())
            break;
    }
    if (!others.empty())
        out["others"] = std::move(others);
    return out;
}

/// The repository, though not the whole home where that is one.
fs::path folder_to_trust(const fs::path& directory, const fs::path& home)
{
    const auto out = project_folders(directory).back();
    return out == home ? directory : out;
}

/// Claude Code's own lock on its file: a folder beside it.
class settings_lock
{
public:
    explicit settings_lock(const fs::path& file) : folder_(file.string() + ".lock")
    {
        for (int tries = 0; tries < limits::settings_lock_tries && !held_; ++tries)
        {
            if (tries > 0)
                std::this_thread::sleep_for(limits::settings_lock_pause);
            held_ = ::mkdir(folder_.c_str(), 0700) == 0;
        }
    }
    settings_lock(const settings_lock&) = delete;
    settings_lock& operator=(const settings_lock&) = delete;
    ~settings_lock()
    {
        std::error_code ignored;
        if (held_)
            fs::remove(folder_, ignored);
    }
    bool held() const noexcept { return held_; }

private:
    fs::path folder_;
    bool held_ = false;
};

} // namespace

std::optional<question> trust_question(const std::vector<std::string>& environment, const fs::path& directory)
{
    const auto here = real(directory);
    const auto home = home_of(environment);
    auto files = what_runs(here, home);
    if (files.empty() || is_trusted(settings_file(environment), here))
        return std::nullopt;
    question out;
    out.kind = question_kind::trust;
    out.tool = "trust";
    out.request_id = "trust-" + e2ee::make_random_name();
    out.arguments["folder"] = shown(folder_to_trust(here, home));
    for (auto& each : files)
        out.arguments[each.key()] = std::move(each.value());
    return out;
}

std::vector<std::string> trust_in_lines(const question& asked)
{
    return files_in_lines(asked.arguments, "folder");
}

result<void> remember_trust(const std::vector<std::string>& environment, const fs::path& directory)
{
    const auto home = home_of(environment);
    const auto folder = folder_to_trust(real(directory), home);
    if (folder == home)
        return {}; // whoever trusts that does not mean everything in it
    const auto file = settings_file(environment);
    const settings_lock lock(file);
    if (!lock.held())
        return fail(errc::unavailable, "Another program holds " + file.string() + ".");
    auto settings = read_settings(file);
    if (!settings && settings.error() != errc::not_found)
        return std::unexpected(settings.error());
    auto changed = settings ? std::move(*settings) : json::object();
    auto& projects = changed["projects"];
    if (!projects.is_object())
        projects.emplace_object();
    auto& project = projects.get_object()[shown(folder)];
    if (!project.is_object())
        project.emplace_object();
    project.get_object()["hasTrustDialogAccepted"] = true;
    return replace_file(file, view(json::serialize(changed)));
}

} // namespace consortium::agent::claude
