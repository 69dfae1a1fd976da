#pragma once
#include "drivers/claude/permission.hpp"
#include <filesystem>

/// Whether a folder's own hooks and servers may run. `claude` asks that itself when a person starts it, and not when a
/// program does; so the agent asks, and remembers the answer where Claude Code does (docs/claude-code.md "Trust").
namespace consortium::agent::claude
{

/// The question to ask before Claude Code is started in `directory`. Nothing where it has no files that make Claude
/// Code run something, or is trusted already. `environment` is that of Claude Code.
std::optional<question>
trust_question(const std::vector<std::string>& environment, const std::filesystem::path& directory);

/// The question for a terminal: what would run, of each file the first lines. What is left out is counted.
std::vector<std::string> trust_in_lines(const question& asked);

/// Writes down that the folder is trusted, in Claude Code's own file. Errors: errc::corrupt (that file is none that can
/// be read to the letter: nothing is changed), errc::unavailable (another program holds it), errc::io.
result<void> remember_trust(const std::vector<std::string>& environment, const std::filesystem::path& directory);

} // namespace consortium::agent::claude
