#include "drivers/claude/locate.hpp"
#include <algorithm>
#include <array>
#include <string_view>
#include <unistd.h>

namespace consortium::agent::claude
{
namespace
{

constexpr std::string_view how_to_install =
    "Install it with `npm install -g @anthropic-ai/claude-code`, or name the program in CONSORTIUM_CLAUDE.";

bool is_program(const std::filesystem::path& path)
{
    std::error_code problem;
    return std::filesystem::is_regular_file(path, problem) && ::access(path.c_str(), X_OK) == 0;
}

/// Set by a Claude Code session for what runs inside it; a new one must not take them for its own.
bool belongs_to_a_session(std::string_view name)
{
    constexpr std::array names{std::string_view("CLAUDECODE"),           std::string_view("CLAUDE_CODE_ENTRYPOINT"),
                               std::string_view("CLAUDE_CODE_SSE_PORT"), std::string_view("CLAUDE_CODE_EXECPATH"),
                               std::string_view("CLAUDE_PID"),           std::string_view("CLAUDE_ENV_FILE")};
    if (std::ranges::find(names, name) != names.end())
        return true;
    return name.starts_with("CLAUDE_CODE_") && name.find("SESSION") != std::string_view::npos;
}

} // namespace

result<std::filesystem::path> locate(const variable_reader& variable)
{
    if (const char* named = variable("CONSORTIUM_CLAUDE"); named != nullptr && *named != '\0')
    {
        if (is_program(named))
            return std::filesystem::path(named);
        return fail(errc::not_found, "CONSORTIUM_CLAUDE names " + std::string(named) + ", which is not a program.");
    }
    std::vector<std::filesystem::path> places;
    const char* path = variable("PATH");
    std::string_view rest = path != nullptr ? path : "";
    while (!rest.empty())
    {
        const auto end = rest.find(':');
        if (const auto directory = rest.substr(0, end); !directory.empty())
            places.push_back(std::filesystem::path(directory) / "claude");
        rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    }
    if (const char* home = variable("HOME"); home != nullptr && *home != '\0')
    {
        places.push_back(std::filesystem::path(home) / ".local/bin/claude");
        places.push_back(std::filesystem::path(home) / ".claude/local/claude");
    }
    const auto found = std::ranges::find_if(places, is_program);
    if (found != places.end())
        return *found;
    return fail(
        errc::not_found, "Claude Code is not installed: no `claude` on PATH, in ~/.local/bin or in ~/.claude/local. " +
                             std::string(how_to_install));
}

std::vector<std::string> child_environment(char** environment)
{
    std::vector<std::string> out;
    for (char** at = environment; *at != nullptr; ++at)
    {
        const std::string_view entry(*at);
        const auto name = entry.substr(0, entry.find('='));
        if (!belongs_to_a_session(name) && !name.starts_with("CONSORTIUM_"))
            out.emplace_back(entry);
    }
    // The best busy and idle signal there is (docs/claude-code.md, "Output").
    out.emplace_back("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS=1");
    return out;
}

std::string environment_value(const std::vector<std::string>& environment, const std::string& name)
{
    for (const auto& each : environment)
    {
        if (each.starts_with(name + "="))
            return each.substr(name.size() + 1);
    }
    return {};
}

} // namespace consortium::agent::claude
