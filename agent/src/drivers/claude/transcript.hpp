#pragma once
#include "consortium/common/error.hpp"
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

/// What Claude Code wrote down of a conversation (docs/claude-code.md, "After a crash").
namespace consortium::agent::claude
{

/// Where Claude Code keeps them, a folder for each project. `environment`: that of the child, "NAME=value".
std::filesystem::path projects_folder(const std::vector<std::string>& environment);
/// Most of a transcript is other and large: whether the line can be a word of the conversation, before it is parsed.
bool may_be_said(std::string_view line);
/// One without any prompt cannot be resumed.
bool holds_a_prompt(const std::filesystem::path& transcript);

/// The file of that conversation. Empty when there is none yet.
std::optional<std::filesystem::path>
find_transcript(const std::vector<std::string>& environment, const std::string& session_id);

/// When the last word of the conversation is one of these prompts (their uuids) and has no answer, the file is cut
/// before it: what a kill a moment earlier would have left. Gives the uuid of what was taken back. Half a line at the
/// end, as a kill may leave, is no word. Only while nobody writes to the file.
result<std::optional<std::string>>
take_back_unanswered(const std::filesystem::path& transcript, const std::set<std::string>& uuids);

} // namespace consortium::agent::claude
