#include "drivers/claude/permission.hpp"
#include "base/agent_limits.hpp"
#include "base/json_access.hpp"
#include "base/json_pieces.hpp"
#include "consortium/protocol/foreign_json.hpp"
#include "drivers/claude/file_pattern.hpp"
#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <filesystem>
#include <utility>

namespace consortium::agent::claude
{
namespace
{

constexpr std::string_view question_tool = "AskUserQuestion";
constexpr std::string_view plan_tool = "ExitPlanMode";
constexpr std::array reserved{
    "question", "elicitation", "dialog", "trust", "server"}; // what an ask calls its questions

/// Where a rule can be kept: until the session ends, or in the project's own settings of this person.
constexpr std::array destinations{"session", "localSettings"};

auto refuse(const char* why)
{
    return fail(errc::bad_request, why);
}

bool allows_a_rule(const json::object& update)
{
    return text_at(update, "type") == "addRules" && text_at(update, "behavior") == "allow";
}

json::object mode_until_the_session_ends(std::string_view mode)
{
    return {{"type", "setMode"}, {"mode", mode}, {"destination", "session"}};
}

json::object allow_rule(std::string_view tool, std::string_view content)
{
    return {
        {"type", "addRules"},
        {"rules", json::array{json::object{{"toolName", tool}, {"ruleContent", content}}}},
        {"behavior", "allow"}};
}

/// Whether a rule can name it: an absolute path, written the one plain way. (A space at its end is none to a pattern.)
bool names_one_file(const std::string& path)
{
    const bool has_controls = std::ranges::any_of(path, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
    return !has_controls && path.starts_with('/') && !path.ends_with('/') && !path.ends_with(' ') &&
           std::filesystem::path(path).lexically_normal().string() == path;
}

/// What "again" means where Claude suggests no rule: the very same command, the very same file. None where a rule would
/// let pass more than that: a tool's bare name is every call of it, a `*` in a command any text.
std::optional<json::object> own_rule(const question& asked)
{
    constexpr std::array writes_files{"Edit", "MultiEdit", "NotebookEdit", "Write"};
    if (asked.tool == "Bash")
    {
        const auto command = text_at(asked.arguments, "command");
        if (command.empty() || command.contains('*'))
            return std::nullopt;
        return allow_rule("Bash", command);
    }
    if (std::ranges::find(writes_files, asked.tool) == writes_files.end())
        return std::nullopt;
    const auto file = text_at(asked.arguments, asked.tool == "NotebookEdit" ? "notebook_path" : "file_path");
    if (!names_one_file(file))
        return std::nullopt;
    // Claude Code has one kind of rule for all tools that write files.
    return allow_rule("Edit", file_pattern(file));
}

void copy(json::object& to, const json::object& from, std::string_view name, std::string_view as)
{
    if (const auto* value = from.if_contains(name))
        to[as] = *value;
}

std::string answers_of(const verdict& said)
{
    return piece_or(said.raw_answers, said.answers.value_or(json::object()));
}

std::string elicitation_answer(const verdict& said)
{
    if (said.made == decision::denied)
        return R"({"action":"decline"})";
    if (said.made == decision::abort)
        return R"({"action":"cancel"})";
    return with_piece(json::object{{"action", "accept"}}, "content", answers_of(said));
}

std::string dialog_answer(const verdict& said)
{
    if (said.made != decision::approved)
        return R"({"behavior":"cancelled"})";
    return with_piece(json::object{{"behavior", "completed"}}, "result", answers_of(said));
}

std::string denial(const verdict& said)
{
    json::object out{
        {"behavior", "deny"}, {"message", said.reason.empty() ? "The user said no to this." : said.reason}};
    if (said.made == decision::abort)
        out["interrupt"] = true;
    return json::serialize(out);
}

} // namespace

result<question> parse_question(std::string request_id, const json::object& request, std::string_view text)
{
    const auto subtype = text_at(request, "subtype");
    question out;
    out.request_id = std::move(request_id);
    out.tool_use_id = text_at(request, "tool_use_id");
    if (subtype == "can_use_tool")
    {
        out.tool = text_at(request, "tool_name");
        out.description = text_at(request, "description");
        out.blocked_path = text_at(request, "blocked_path");
        out.subagent = text_at(request, "agent_id");
        out.reason = text_at(request, "decision_reason");
        const auto* input = object_at(request, "input");
        if (out.tool.empty() || input == nullptr || std::ranges::find(reserved, out.tool) != reserved.end())
            return refuse("a permission request of unknown form");
        out.arguments = *input;
        out.raw_arguments = raw_piece(text, "input", *input);
        if (out.tool == question_tool)
            out.tool = "question";
        const auto* suggestions = array_at(request, "permission_suggestions");
        out.grants = grants_of(out, suggestions != nullptr ? *suggestions : json::array());
    }
    else if (subtype == "elicitation")
    {
        out.kind = question_kind::elicitation;
        out.tool = "elicitation";
        copy(out.arguments, request, "mcp_server_name", "server");
        copy(out.arguments, request, "message", "message");
        copy(out.arguments, request, "requested_schema", "schema");
        // Whatever else it says belongs to the question: a link to open, its kind, titles.
        constexpr std::array told{"subtype",          "mcp_server_name", "message",
                                  "requested_schema", "property_order",  "tool_use_id"};
        for (const auto& [name, value] : request)
        {
            if (std::ranges::find(told, name) == told.end())
                out.arguments.emplace(name, value);
        }
    }
    else if (subtype == "request_user_dialog")
    {
        out.kind = question_kind::dialog;
        out.tool = "dialog";
        copy(out.arguments, request, "dialog_kind", "kind");
        copy(out.arguments, request, "payload", "payload");
    }
    else
        return refuse("a request of unknown kind");
    if (out.request_id.empty())
        return refuse("a request without an id");
    return out;
}

json::array grants_of(const question& asked, const json::array& suggestions)
{
    json::array out;
    if (asked.kind != question_kind::permission || asked.tool == "question")
        return out;
    // A rule repeats the command that it is for, and nobody reads a long one twice.
    const auto add = [&out](json::object update)
    {
        if (json::serialize(update).size() <= limits::grant_bytes_max &&
            std::ranges::find(out, json::value(update)) == out.end())
            out.push_back(std::move(update));
    };
    if (asked.tool == plan_tool)
        add(mode_until_the_session_ends("acceptEdits"));
    std::vector<json::object> rules;
    for (const auto& each : suggestions)
    {
        const auto* suggestion = each.if_object();
        if (suggestion == nullptr)
            continue;
        add(*suggestion);
        if (allows_a_rule(*suggestion))
            rules.push_back(*suggestion);
    }
    if (rules.empty())
    {
        if (auto own = own_rule(asked))
            rules.push_back(std::move(*own));
    }
    for (const auto& rule : rules)
    {
        for (const auto* destination : destinations)
        {
            auto kept = rule;
            kept["destination"] = destination;
            add(std::move(kept));
        }
    }
    return out;
}

result<std::string> answer_to(question_kind kind, std::string_view ask, const verdict& said)
{
    const auto parsed = protocol::read_foreign_json(ask, protocol::stored_depth_max);
    const auto* object = parsed ? parsed->if_object() : nullptr;
    const auto* arguments = object != nullptr ? object_at(*object, "arguments") : nullptr;
    const auto* grants = object != nullptr ? array_at(*object, "grants") : nullptr;
    if (arguments == nullptr || grants == nullptr)
        return fail(errc::internal, "an ask of ours does not parse");

    json::array permissions;
    for (const auto index : said.grants)
    {
        if (index >= grants->size())
            return refuse("a verdict names a grant that was not offered");
        permissions.push_back((*grants)[index]);
    }
    if (!said.mode.empty())
    {
        const auto update = mode_until_the_session_ends(said.mode);
        if (std::ranges::find(*grants, json::value(update)) == grants->end())
            return refuse("a verdict names a mode that was not offered");
        if (std::ranges::find(permissions, json::value(update)) == permissions.end())
            permissions.push_back(update);
    }
    const bool wants_answers =
        kind == question_kind::elicitation || kind == question_kind::dialog || text_at(*object, "tool") == "question";
    if (said.answers && !wants_answers)
        return refuse("a verdict answers what was not asked");
    if (kind == question_kind::elicitation)
        return elicitation_answer(said);
    if (kind == question_kind::dialog)
        return dialog_answer(said);
    if (is_before_start(kind))
        return std::string("{}");
    if (said.made != decision::approved)
        return denial(said);

    // Not written anew: what runs is what was shown, to the last digit.
    auto input = piece_or(raw_piece(ask, "arguments", *arguments), *arguments);
    if (said.answers)
        input = with_piece(std::move(input), "answers", answers_of(said));
    json::object out{{"behavior", "allow"}};
    if (!permissions.empty())
        out["updatedPermissions"] = std::move(permissions);
    return with_piece(out, "updatedInput", input);
}

std::string refusal_of(question_kind kind, const std::string& why)
{
    verdict no;
    no.reason = why;
    switch (kind)
    {
    case question_kind::permission:
        return denial(no);
    case question_kind::elicitation:
        return elicitation_answer(no);
    case question_kind::dialog:
        return dialog_answer(no);
    case question_kind::trust:
    case question_kind::server:
    case question_kind::plugin:
        break;
    }
    return denial(no);
}

} // namespace consortium::agent::claude
