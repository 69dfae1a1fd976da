#pragma once
#include "drivers/ask.hpp"
#include <boost/json/object.hpp>
#include <string>
#include <string_view>

namespace consortium::agent::claude
{
namespace json = boost::json;

/// `request`: the inner object of a control request; `text`: as Claude wrote it, where that is known, so that what runs
/// is what Claude asked for, to the last digit of a number. errc::bad_request for one that asks nothing we know.
result<question> parse_question(std::string request_id, const json::object& request, std::string_view text = {});

/// Every permission update that an answer may name, to the letter (docs/protocol.md 5.3).
json::array grants_of(const question& asked, const json::array& suggestions);

/// The answer to Claude, the inner `response` of a control response, in JSON: what the two texts say and nothing else,
/// arguments and answers as they stand there. errc::bad_request when the verdict names what the ask has not.
result<std::string> answer_to(question_kind kind, std::string_view ask, const verdict& said);
/// The answer when nobody may be asked, in JSON.
std::string refusal_of(question_kind kind, const std::string& why);

} // namespace consortium::agent::claude
