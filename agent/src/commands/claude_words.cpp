#include "commands/commands.hpp"
#include "drivers/claude/arguments.hpp"
#include "drivers/claude/locate.hpp"
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

namespace consortium::agent
{
namespace
{

/// Claude is asked only where it matters which words are values of options: it takes half a second.
result<claude::manual> manual_for(const command_line& wanted, const std::filesystem::path& program)
{
    const auto is_option = [](const std::string& word) { return word.starts_with('-'); };
    claude::manual out;
    if (std::ranges::all_of(wanted.for_claude, is_option) && std::ranges::all_of(wanted.for_claude_behind, is_option))
        return out;
    boost::asio::io_context io;
    boost::asio::co_spawn(
        io, claude::ask_manual(io.get_executor(), program, claude::child_environment(environ)),
        [&](const std::exception_ptr&, claude::manual said) { out = std::move(said); });
    io.run();
    if (out.commands.empty())
        return fail(
            errc::unavailable,
            "Claude Code (" + program.string() +
                ") does not say which commands it has: `claude --help` gives nothing that is known.");
    return out;
}

/// Returns only where it fails.
error become_claude(const std::filesystem::path& program, const std::vector<std::string>& arguments)
{
    auto name = program.string();
    std::vector<std::string> kept = arguments;
    std::vector<char*> words{name.data()};
    for (auto& each : kept)
        words.push_back(each.data());
    words.push_back(nullptr);
    ::execv(name.c_str(), words.data());
    return {errc::io, "Claude Code cannot be started: " + name + ": " + std::strerror(errno), {}};
}

} // namespace

result<void> settle_words_for_claude(command_line& wanted)
{
    if (wanted.for_claude.empty() && wanted.for_claude_behind.empty())
        return {};
    const auto program = claude::locate([](const char* name) { return std::getenv(name); });
    if (!program)
        return std::unexpected(program.error());
    const auto known = manual_for(wanted, *program);
    if (!known)
        return std::unexpected(known.error());
    auto meant = claude::read_invocation(wanted.for_claude, wanted.for_claude_behind, *known, wanted.own_commands);
    if (!meant)
        return std::unexpected(meant.error());
    if (meant->alone)
        return std::unexpected(become_claude(*program, meant->arguments));
    wanted.for_claude = std::move(meant->arguments);
    wanted.for_claude_behind.clear();
    wanted.prompt = std::move(meant->prompt);
    return {};
}

} // namespace consortium::agent
