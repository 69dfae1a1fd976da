#pragma once
#include "consortium/common/error.hpp"
#include "drivers/claude/manual.hpp"
#include <span>
#include <string>
#include <vector>

namespace consortium::agent::claude
{

/// What `consortium` is asked to do with Claude Code.
struct invocation
{
    bool alone = false;                 ///< Claude runs with these arguments, and nothing of it is relayed
    std::vector<std::string> arguments; ///< for Claude
    std::string prompt;                 ///< what the session begins with; may be empty
};
/// `words` stand before a `--`, `behind` after it: there nothing is a command, and a single word is a prompt.
/// `own_commands` are named where a word may have meant one. errc::bad_request with words for the person.
result<invocation> read_invocation(
    const std::vector<std::string>& words, const std::vector<std::string>& behind, const manual& known,
    std::span<const std::string> own_commands);

} // namespace consortium::agent::claude
