#pragma once
#include "drivers/claude/permission.hpp"
#include <filesystem>

/// What a folder brings that Claude Code runs at once when a program starts it there: the servers of its `.mcp.json`
/// files and its plugins, new and changed ones too. So the agent asks about each by itself (docs/claude-code.md
/// "Trust").
namespace consortium::agent::claude
{

/// What a person decides about: a server, a file that cannot be read to the letter and may name any, or a plugin.
struct brought
{
    std::string file;   ///< or folder, in which it stands
    std::string what;   ///< which of the file, in what is remembered
    std::string digest; ///< of what it brings: what was decided holds for that only
    question asked;
};

/// Puts into `decided` what a person said; nothing: it does not run, for nobody could be asked.
void decide(json::object& decided, const brought& about, std::optional<bool> runs);

struct brought_plan
{
    std::vector<brought> open;            ///< nobody has decided about them
    std::vector<brought> allowed;         ///< by the person's own settings of Claude Code, and not decided here yet
    std::vector<std::string> servers_off; ///< names of servers that must not run
    std::vector<std::string> plugins_off; ///< plugins that must not run, NAME@MARKETPLACE
    std::vector<std::string> refused;     ///< what a person has said no to, in words
    std::string no_servers;               ///< why no server of any file may run; empty: those that are not off may
    std::string no_plugins; ///< why the folder's settings are not to be read; empty: plugins that are not off may run
    std::vector<std::string> said; ///< what else does not run and why, in words
};
/// For `directory`, with `environment` and `arguments` those of Claude Code. Settings that a repository can bring
/// forbid, but allow nothing.
brought_plan plan_brought(
    const std::vector<std::string>& environment, const std::filesystem::path& directory,
    const std::vector<std::string>& arguments, const json::object& decided);
/// That what is asked does not run.
void leave_out(brought_plan& plan, const brought& each);

/// Whether Claude Code looks at no file of servers with these arguments.
bool reads_no_servers(const std::vector<std::string>& arguments);
/// Whether what a plan made of the arguments keeps Claude Code from the settings of the folder.
bool reads_no_settings(const std::vector<std::string>& arguments);
/// The arguments with which Claude Code runs only what the plan lets run. errc::bad_request: their --settings cannot be
/// read.
result<std::vector<std::string>> with_plan(std::vector<std::string> arguments, const brought_plan& plan);

/// The question for a terminal. What is left out is counted.
std::vector<std::string> brought_in_lines(const brought& each);

} // namespace consortium::agent::claude
