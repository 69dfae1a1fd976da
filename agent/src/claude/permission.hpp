#pragma once
#include "consortium/common/error.hpp"
#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <vector>

namespace consortium::agent::claude
{
namespace json = boost::json;

/// How Claude asks, which is how it wants to be answered (docs/claude-code.md "Permissions").
enum class question_kind
{
    permission,  ///< may this tool run? AskUserQuestion comes this way too
    elicitation, ///< an MCP server wants a form filled in
    dialog,      ///< Claude itself wants something decided
    trust,       ///< the agent asks whether a folder is trusted, before it starts Claude
};

/// Claude asks whether a tool may run, or asks the person something.
struct question
{
    question_kind kind = question_kind::permission;
    std::string request_id;
    std::string tool;        ///< a tool's name, or what a question is called in an ask (docs/protocol.md 5.3)
    std::string tool_use_id; ///< may be empty
    json::object arguments;
    std::string description;
    std::string blocked_path;
    std::string subagent; ///< id of the subagent that asks; empty: the conversation itself
    std::string reason;   ///< why Claude asks, in its words
    json::array suggestions;

    /// What the dashboard calls it by.
    const std::string& id() const noexcept { return tool_use_id.empty() ? request_id : tool_use_id; }
};
/// `request`: the inner object of a control request. errc::bad_request for one that asks nothing we know.
result<question> parse_question(std::string request_id, const json::object& request);

/// Every permission update that an answer may name, to the letter (docs/protocol.md 5.3).
json::array grants_of(const question& asked);
/// The ask: made once; what is shown, what is signed and what is handed to Claude are this text.
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
    std::optional<json::object> answers;
    std::string reason;
};
/// errc::bad_request for unknown words or a verdict that contradicts itself: never taken as a yes.
result<verdict> parse_verdict(const json::value& value);

/// The answer to Claude, the inner `response` of a control response: what the two texts say and nothing else.
/// errc::bad_request when the verdict names what the ask has not.
result<json::object> answer_to(question_kind kind, std::string_view ask, const verdict& said);
/// The answer when nobody may be asked.
json::object refusal_of(question_kind kind, const std::string& why);

} // namespace consortium::agent::claude
