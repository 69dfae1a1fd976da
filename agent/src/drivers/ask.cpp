#include "drivers/ask.hpp"
#include "base/json_access.hpp"
#include "base/json_pieces.hpp"
#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <utility>

namespace consortium::agent
{
namespace json = boost::json;
namespace
{

constexpr std::array words{
    std::pair(decision::approved, std::string_view("approved")),
    std::pair(decision::denied, std::string_view("denied")),
    std::pair(decision::abort, std::string_view("abort")),
};

auto refuse(const char* why)
{
    return fail(errc::bad_request, why);
}

/// Text if it is there, nothing if it is not; anything else is no verdict.
result<std::string> optional_text(const json::object& from, std::string_view name)
{
    const auto* value = from.if_contains(name);
    if (value == nullptr || value->is_null())
        return std::string();
    if (!value->is_string())
        return refuse("a field of a verdict that is text is something else");
    return std::string(value->get_string());
}

result<std::vector<std::size_t>> indices(const json::object& from)
{
    const auto* value = from.if_contains("grants");
    const auto* list = value != nullptr ? value->if_array() : nullptr;
    if (list == nullptr)
        return refuse("a verdict names its grants in a list");
    std::vector<std::size_t> out;
    for (const auto& each : *list)
    {
        if (!each.is_int64() || each.get_int64() < 0)
            return refuse("a grant is named by its index");
        const auto index = static_cast<std::size_t>(each.get_int64());
        if (std::ranges::find(out, index) != out.end())
            return refuse("a verdict names a grant twice");
        out.push_back(index);
    }
    return out;
}

} // namespace

std::string_view word(decision value) noexcept
{
    for (const auto& [each, text] : words)
    {
        if (each == value)
            return text;
    }
    return "denied";
}

std::string make_ask(const question& asked, const std::string& nonce, const std::string& directory)
{
    json::object out{
        {"id", asked.id()}, {"nonce", nonce}, {"tool", asked.tool}, {"grants", asked.grants}, {"cwd", directory}};
    if (!asked.tool_use_id.empty())
        out["toolUseId"] = asked.tool_use_id;
    if (!asked.description.empty())
        out["description"] = asked.description;
    if (!asked.blocked_path.empty())
        out["blockedPath"] = asked.blocked_path;
    if (!asked.subagent.empty())
        out["subagent"] = asked.subagent;
    if (!asked.reason.empty())
        out["reason"] = asked.reason;
    return with_piece(out, "arguments", piece_or(asked.raw_arguments, asked.arguments));
}

result<verdict> parse_verdict(const json::value& value, std::string_view text)
{
    const auto* object = value.if_object();
    if (object == nullptr)
        return refuse("a verdict is an object");
    verdict out;
    out.id = text_at(*object, "id");
    out.ask = text_at(*object, "ask");
    if (out.id.empty() || out.ask.empty())
        return refuse("a verdict needs `id` and `ask`");
    const auto made = text_at(*object, "decision");
    const auto known = std::ranges::find(words, made, &decltype(words)::value_type::second);
    if (known == words.end())
        return refuse("a verdict's `decision` is unknown");
    out.made = known->first;

    auto grants = indices(*object);
    auto mode = optional_text(*object, "mode");
    auto reason = optional_text(*object, "reason");
    for (const auto* problem :
         {grants ? nullptr : &grants.error(), mode ? nullptr : &mode.error(), reason ? nullptr : &reason.error()})
    {
        if (problem != nullptr)
            return std::unexpected(*problem);
    }
    out.grants = std::move(*grants);
    out.mode = std::move(*mode);
    out.reason = std::move(*reason);
    if (const auto* answers = object->if_contains("answers"); answers != nullptr && !answers->is_null())
    {
        if (!answers->is_object())
            return refuse("`answers` is an object");
        out.answers = answers->get_object();
        out.raw_answers = raw_piece(text, "answers", *answers);
    }
    if (out.made != decision::approved && (!out.grants.empty() || !out.mode.empty() || out.answers))
        return refuse("a verdict says no and gives something at once");
    return out;
}

} // namespace consortium::agent
