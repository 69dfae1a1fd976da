#include "drivers/claude/sayings.hpp"
#include "base/json_access.hpp"
#include <boost/json.hpp>

namespace consortium::agent::claude
{
namespace json = boost::json;
namespace
{

const json::array& content_of(const json::object& line)
{
    static const json::array none;
    const auto* message = object_at(line, "message");
    const auto* content = message != nullptr ? array_at(*message, "content") : nullptr;
    return content != nullptr ? *content : none;
}

turn_result result_of(const json::object& line)
{
    turn_result out;
    if (text_at(line, "terminal_reason").starts_with("aborted"))
        out.how = turn_result::outcome::stopped; // Claude marks that as an error too
    else if (flag_at(line, "is_error"))
        out.how = turn_result::outcome::failed;
    out.words = text_at(line, "result");
    if (const auto* usage = object_at(line, "usage"))
    {
        out.used = turn_result::usage{number_at(*usage, "input_tokens"), number_at(*usage, "output_tokens"), {}};
        if (const auto* cost = line.if_contains("total_cost_usd"); cost != nullptr && cost->is_number())
            out.used->cost = cost->to_number<double>();
    }
    return out;
}

} // namespace

std::vector<saying> sayings_of(const json::object& line)
{
    std::vector<saying> out;
    const auto type = text_at(line, "type");
    if (type == "result")
        out.emplace_back(result_of(line));
    else if (type == "conversation_reset")
        out.emplace_back(memory_loss::cleared);
    else if (type == "system" && text_at(line, "subtype") == "compact_boundary")
        out.emplace_back(memory_loss::summarised);
    if (type != "assistant" && type != "user")
        return out;
    for (const auto& each : content_of(line))
    {
        const auto* part = each.if_object();
        if (part == nullptr)
            continue;
        const auto kind = text_at(*part, "type");
        if (kind == "tool_result")
            out.emplace_back(tool_result{text_at(*part, "tool_use_id"), flag_at(*part, "is_error")});
        if (type != "assistant")
            continue; // texts there are the person's, or Claude's about itself
        if (kind == "text")
            out.emplace_back(text_said{text_at(*part, "text")});
        else if (kind == "thinking")
            out.emplace_back(thought{text_at(*part, "thinking")});
        else if (kind == "tool_use")
        {
            const auto* input = object_at(*part, "input");
            out.emplace_back(
                tool_call{text_at(*part, "id"), text_at(*part, "name"), input != nullptr ? *input : json::object()});
        }
    }
    // Its mark, in an answer that it wrote itself, and not what an answer says.
    if (type == "assistant" && text_at(line, "error") == "authentication_failed")
        out.emplace_back(not_logged_in());
    return out;
}

} // namespace consortium::agent::claude
