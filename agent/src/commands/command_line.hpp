#pragma once
#include "consortium/common/error.hpp"
#include <string>
#include <vector>

namespace consortium::agent
{

enum class command
{
    run,
    login,
    logout,
    status,
    log,
    trash,
    restore,
    help,
    version,
};

struct command_line
{
    command what = command::run;
    std::string text;                           ///< of help
    bool fresh = false;                         ///< --new
    bool accept = false;                        ///< log --accept
    bool insecure = false;                      ///< --insecure
    std::string invitation;                     ///< auth login --invite CODE
    std::string session;                        ///< trash restore ID
    std::string diagnostics;                    ///< --diagnostics FILE
    std::vector<std::string> for_claude;        ///< before a --
    std::vector<std::string> for_claude_behind; ///< after it
    std::string program;                        ///< how this one was called, good in every folder
    std::string prompt;                         ///< among them, once settle_words_for_claude() has found it
    std::vector<std::string> own_commands;      ///< names of the subcommands that there are
};

/// `consortium [our options] [one of our commands … | anything else is Claude's] [-- Claude's always]`. Ours come
/// first: from the first argument that is not ours, all are Claude's (claude/arguments.hpp says what they mean).
/// errc::bad_request for a mistake in what is ours.
result<command_line> parse_command_line(std::vector<std::string> arguments);

} // namespace consortium::agent
