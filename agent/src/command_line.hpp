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
    std::string text;                    ///< of help
    bool fresh = false;                  ///< --new
    bool accept = false;                 ///< log --accept
    bool insecure = false;               ///< --insecure
    std::string invitation;              ///< auth login --invite CODE
    std::string session;                 ///< trash restore ID
    std::string diagnostics;             ///< --diagnostics FILE
    std::vector<std::string> for_claude; ///< unchanged
};

/// `consortium [our options] [auth …|log …|trash …] | [anything else goes to Claude] | -- goes to Claude always`. Ours
/// come first: from the first argument that is not ours, all are Claude's. errc::bad_request for a mistake in what is
/// ours.
result<command_line> parse_command_line(std::vector<std::string> arguments);

} // namespace consortium::agent
