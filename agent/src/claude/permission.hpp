#pragma once
#include "consortium/common/error.hpp"
#include <boost/json/object.hpp>
#include <optional>
#include <string>

namespace consortium::agent::claude
{
namespace json = boost::json;

/// Claude asks whether a tool may run, or asks the person something (docs/claude-code.md "Permissions").
struct permission_request
{
    std::string request_id;
    std::string tool;
    std::string tool_use_id; ///< may be empty
    json::object input;
    std::string description;
    std::string blocked_path;
    json::array suggestions;

    /// What the dashboard calls it by.
    const std::string& id() const noexcept { return tool_use_id.empty() ? request_id : tool_use_id; }
};
/// errc::bad_request for a request of unknown form.
result<permission_request> parse_permission_request(std::string request_id, const json::object& request);

enum class decision
{
    approved,
    approved_for_session,
    approved_always,
    denied,
    abort,
};
std::string_view word(decision value) noexcept;
inline bool allows(decision value) noexcept
{
    return value != decision::denied && value != decision::abort;
}

/// What the person said in the dashboard.
struct permission_verdict
{
    std::string id;
    decision made = decision::denied;
    std::string reason;
    std::optional<json::object> updated_input;
    std::optional<json::object> answers; ///< to AskUserQuestion: question text to label
    std::optional<std::string> mode;     ///< the permission mode from here on
};
/// errc::bad_request for unknown words or a verdict that contradicts itself: never taken as a yes.
result<permission_verdict> parse_permission_verdict(const json::value& value);

/// The answer to Claude: the inner `response` of a control response.
json::object permission_answer(const permission_request& asked, const permission_verdict& verdict);

} // namespace consortium::agent::claude
