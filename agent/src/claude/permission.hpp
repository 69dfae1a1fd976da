#pragma once
#include "ask.hpp"
#include <boost/json/object.hpp>
#include <string>
#include <string_view>

namespace consortium::agent::claude
{
namespace json = boost::json;

/// `request`: the inner object of a control request. errc::bad_request for one that asks nothing we know.
result<question> parse_question(std::string request_id, const json::object& request);

/// Every permission update that an answer may name, to the letter (docs/protocol.md 5.3).
json::array grants_of(const question& asked, const json::array& suggestions);

/// The answer to Claude, the inner `response` of a control response: what the two texts say and nothing else.
/// errc::bad_request when the verdict names what the ask has not.
result<json::object> answer_to(question_kind kind, std::string_view ask, const verdict& said);
/// The answer when nobody may be asked.
json::object refusal_of(question_kind kind, const std::string& why);

} // namespace consortium::agent::claude
