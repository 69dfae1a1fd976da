#pragma once
#include "drivers/claude/brought.hpp"

/// What was found in a folder, for the plan of what runs.
namespace consortium::agent::claude
{

/// What stands in the settings of Claude Code about something that a folder brings.
enum class settings_word
{
    none,
    forbidden, ///< by any settings
    allowed,   ///< by the person's own, as long as it does not change
    always,    ///< by the person's own, whatever it becomes
};

struct found
{
    brought what;
    settings_word word = settings_word::none;
    bool unseen = false; ///< too much to be looked at: nobody can say what it is, so it does not run
};

struct finding
{
    std::vector<found> things;
    std::string none; ///< why nothing of this kind may run; empty: what is found, and allowed, may
};

/// A question about what stands in `file`, or in the folder of that name.
brought ask_about(question_kind kind, std::string tool, const std::filesystem::path& file, std::string what);
/// Hex SHA-256.
std::string digest_of(std::string_view content);

} // namespace consortium::agent::claude
