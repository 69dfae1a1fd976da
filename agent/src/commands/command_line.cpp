#include "commands/command_line.hpp"
#include <CLI/CLI.hpp>
#include <algorithm>
#include <span>

namespace consortium::agent
{
namespace
{

constexpr auto footer = R"(
Anything else is for Claude Code:
  consortium "fix the tests"        begins a session with this prompt
  consortium --model opus           begins one with these options of Claude Code
  consortium -- refactor            after -- a single word is a prompt, too
  consortium --resume ID            goes on with a session of the dashboard, or with a conversation of Claude Code
  consortium --continue             goes on with the latest conversation of this folder
  consortium mcp list               Claude Code's own commands, and -p, run as they do without
  consortium -p "summarize this"    consortium: nothing of them is relayed

State is kept in CONSORTIUM_HOME, by default ~/.consortium.
CONSORTIUM_SERVER_URL   the relay, by default the one this machine is paired with, else http://127.0.0.1:3005
CONSORTIUM_CLAUDE       the claude program, where it is not on PATH
CONSORTIUM_CA_FILE      PEM file of certificate authorities to trust besides the system's
https_proxy, http_proxy, all_proxy, no_proxy
                        proxies on the way to the relay (http://, socks5://, socks5h://), as curl understands them

A session of which the relay says that it is gone stays in the trash for 30 days: `consortium trash`.

A session whose agent was killed is resumed by the next `consortium` in the same folder; --new begins another one.
One that has ended is taken up by --resume: its page in the dashboard shows the whole command.)";

/// How many of the leading arguments are ours: options with their values, and a subcommand with all that follows it.
std::size_t ours(const CLI::App& app, std::span<const std::string> commands, const std::vector<std::string>& arguments)
{
    std::size_t count = 0;
    while (count < arguments.size())
    {
        const auto& each = arguments[count];
        if (std::ranges::find(commands, each) != commands.end())
            return arguments.size();
        const auto* option = each.starts_with('-') ? app.get_option_no_throw(each.substr(0, each.find('='))) : nullptr;
        if (option == nullptr)
            break;
        const bool value_follows = option->get_items_expected_min() > 0 && !each.contains('=');
        count += value_follows ? 2 : 1;
    }
    return std::min(count, arguments.size());
}

} // namespace

result<command_line> parse_command_line(std::vector<std::string> arguments)
{
    command_line out;
    const auto separator = std::ranges::find(arguments, "--");
    out.for_claude_behind.assign(separator == arguments.end() ? separator : separator + 1, arguments.end());
    arguments.erase(separator, arguments.end());

    CLI::App app("Claude Code on this machine, in your browser: encrypted end to end.", "consortium");
    app.footer(footer);
    bool version = false;
    app.add_flag("--version", version, "Print the version and exit");
    app.add_flag("--new", out.fresh, "Begin a new session even if one of this folder was interrupted");
    app.add_flag(
        "--insecure", out.insecure, "Allow a relay by http:// beyond this machine: anybody on the way sees the token");
    app.add_option("--diagnostics", out.diagnostics, "Write what happens to FILE: no payload, token or key")
        ->type_name("FILE");
    auto* auth = app.add_subcommand("auth", "This machine's place in an account");
    auth->require_subcommand(1);
    auto* login = auth->add_subcommand("login", "Pair this machine, or make an account here");
    login->add_option("--invite", out.invitation, "An invitation, for an account that is made here")->type_name("CODE");
    auto* logout =
        auth->add_subcommand("logout", "Give up this machine's place in the account: its keys are destroyed");
    auto* status = auth->add_subcommand("status", "Show where this machine belongs");
    auto* log = app.add_subcommand("log", "Show what this machine knows of the relay's log, and whether it holds");
    log->add_flag("--accept", out.accept, "Acknowledge the alarms, and go on with what the relay shows now");

    auto* trash = app.add_subcommand("trash", "Show the sessions of which the relay says that they are gone");
    auto* restore = trash->add_subcommand("restore", "Take a session out of the trash");
    restore->add_option("ID", out.session, "The session's id")->required();

    for (const auto* subcommand : app.get_subcommands([](const CLI::App*) { return true; }))
        out.own_commands.push_back(subcommand->get_name());
    const auto rest = arguments.begin() + static_cast<std::ptrdiff_t>(ours(app, out.own_commands, arguments));
    out.for_claude.assign(rest, arguments.end());
    arguments.erase(rest, arguments.end());

    std::ranges::reverse(arguments); // CLI11 takes a vector from its end
    try
    {
        app.parse(arguments);
    }
    catch (const CLI::CallForHelp&)
    {
        out.what = command::help;
        out.text = (auth->parsed() ? auth : log->parsed() ? log : trash->parsed() ? trash : &app)->help();
        return out;
    }
    catch (const CLI::ParseError& problem)
    {
        return fail(errc::bad_request, std::string(problem.what()) + "\nRun `consortium --help`.");
    }
    if (version)
        out.what = command::version;
    else if (login->parsed())
        out.what = command::login;
    else if (logout->parsed())
        out.what = command::logout;
    else if (status->parsed())
        out.what = command::status;
    else if (log->parsed())
        out.what = command::log;
    else if (restore->parsed())
        out.what = command::restore;
    else if (trash->parsed())
        out.what = command::trash;
    return out;
}

} // namespace consortium::agent
