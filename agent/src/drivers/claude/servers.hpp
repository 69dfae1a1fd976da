#pragma once
#include "drivers/claude/permission.hpp"
#include <filesystem>

/// The MCP servers that the `.mcp.json` files of a folder name. Started by a program, Claude Code runs all of them once
/// the folder is trusted, new and changed ones too; so the agent asks about each by itself (docs/claude-code.md
/// "Trust").
namespace consortium::agent::claude
{

/// What a person decides about: one server, or a file that cannot be read to the letter and may name any.
struct server_question
{
    std::string file;
    std::string what;   ///< which of the file, in what is remembered
    std::string digest; ///< of what is shown: what was decided holds for that only
    question asked;
};

/// What a file of servers says is asked: the servers that `content` names, or the file itself.
std::vector<server_question> servers_in(const std::filesystem::path& file, std::string_view content);
/// Of the servers whose files stand in the question whether the folder is trusted: a yes to it is a yes to these.
std::vector<server_question> servers_shown(const question& trust);

/// Puts into `decided` what a person said; nothing: it does not run, for nobody could be asked.
void decide(json::object& decided, const server_question& about, std::optional<bool> runs);

struct server_plan
{
    std::vector<server_question> open;    ///< nobody has decided about them
    std::vector<server_question> allowed; ///< by the person's own settings of Claude Code, and not decided here yet
    std::vector<std::string> off;         ///< names of servers that must not run
    std::vector<std::string> refused;     ///< what a person has said no to, in words
    std::string none;                     ///< why no server of any file may run; empty: those that are not off may
};
/// For `directory`, with `environment` that of Claude Code. Settings that a repository can bring forbid, but allow
/// nothing.
server_plan plan_servers(
    const std::vector<std::string>& environment, const std::filesystem::path& directory, const json::object& decided);
/// That what is asked does not run.
void leave_out(server_plan& plan, const server_question& each);

/// Whether Claude Code looks at no file of servers with these arguments anyway.
bool reads_no_servers(const std::vector<std::string>& arguments);
/// The arguments with which Claude Code runs only what the plan lets run. errc::bad_request: their --settings cannot be
/// read.
result<std::vector<std::string>> with_servers(std::vector<std::string> arguments, const server_plan& plan);

/// The question for a terminal. What is left out is counted.
std::vector<std::string> server_in_lines(const server_question& each);

} // namespace consortium::agent::claude
