#pragma once
#include "consortium/common/error.hpp"
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What a person is asked and what he says to it (docs/protocol.md 5.3), whichever program wants to know.
namespace consortium::agent
{

/// How a question wants to be answered.
enum class question_kind
{
    permission,  ///< may this tool run? A question to the person comes this way too
    elicitation, ///< an MCP server wants a form filled in
    dialog,      ///< the program itself wants something decided
    trust,       ///< the agent asks whether a folder is trusted, before it starts the program
    server,      ///< the agent asks whether a server of that folder may run, before it starts the program
    plugin,      ///< the same about a plugin of that folder
};
/// Those that the agent asks itself: the program is not there yet, and gets no answer.
constexpr bool is_before_start(question_kind kind)
{
    return kind == question_kind::trust || kind == question_kind::server || kind == question_kind::plugin;
}

/// The program asks whether a tool may run, or asks the person something.
struct question
{
    question_kind kind = question_kind::permission;
    std::string request_id;  ///< what the driver knows it by
    std::string tool;        ///< a tool's name, or what a question is called in an ask
    std::string tool_use_id; ///< may be empty
    boost::json::object arguments;
    std::string raw_arguments; ///< as the program wrote them; empty: as they are written here
    std::string description;
    std::string blocked_path;
    std::string subagent;      ///< id of the subagent that asks; empty: the conversation itself
    std::string reason;        ///< why it is asked, in the program's words
    boost::json::array grants; ///< every permission update that an answer may name, to the letter

    /// What the dashboard calls it by.
    const std::string& id() const noexcept { return tool_use_id.empty() ? request_id : tool_use_id; }
};

/// The ask: made once; what is shown, what is signed and what is handed to the program are this text.
std::string make_ask(const question& asked, const std::string& nonce, const std::string& directory);

enum class decision
{
    approved,
    denied,
    abort,
};
std::string_view word(decision value) noexcept;

/// What the person said in the dashboard.
struct verdict
{
    std::string id;
    std::string ask; ///< hash of the ask it answers
    decision made = decision::denied;
    std::vector<std::size_t> grants;
    std::string mode; ///< the permission mode until the session ends, one that the ask offers; empty: as it is
    std::optional<boost::json::object> answers;
    std::string raw_answers; ///< as they stand in the signed text; empty: as they are written here
    std::string reason;
};
/// `text`: as it was signed, where that is known. errc::bad_request for unknown words or a verdict that contradicts
/// itself: never taken as a yes.
result<verdict> parse_verdict(const boost::json::value& value, std::string_view text = {});

} // namespace consortium::agent
