#pragma once
#include "consortium/common/clock.hpp"
#include "consortium/common/error.hpp"
#include <boost/json/object.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Which of Claude Code's conversations is meant, and what was said in it (docs/claude-code.md, "Resuming").
namespace consortium::agent::claude
{

/// What the words for Claude say about the conversation.
struct conversation_choice
{
    enum class kind
    {
        none,    ///< nothing: a new one
        named,   ///< --resume ID
        unnamed, ///< --resume, where Claude alone would show a list
        newest,  ///< --continue
        other,   ///< --session-id, --from-pr: Claude's own business
    };
    kind what = kind::none;
    std::string id;                     ///< of a named one
    bool copied = false;                ///< --fork-session: it goes on as another one
    std::vector<std::string> arguments; ///< the words without those that chose; all of them for `other`
};
conversation_choice read_choice(const std::vector<std::string>& arguments);

/// How Claude Code names the folder of a project's conversations: what is no letter or digit of ASCII is a dash, each
/// UTF-16 unit of it. Above 200 the rest gives way to a hash of the whole path (docs/claude-code.md "Resuming").
std::string folder_name(std::string_view directory);

/// The conversation that was last written to in that folder. Empty when there is none.
std::optional<std::string>
newest_conversation(const std::vector<std::string>& environment, const std::filesystem::path& directory);

/// What was said in a conversation, in the form of Claude's output lines; each has its `uuid` and `timestamp`.
struct earlier_talk
{
    std::vector<boost::json::object> lines;
    std::size_t left_out = 0; ///< older ones
};
/// The newest of what was said after that time (0: of all), with long texts cut (limits::earlier_*).
result<earlier_talk> read_earlier(const std::filesystem::path& transcript, unix_millis after);

} // namespace consortium::agent::claude
