#include "claude/permission.hpp"
#include "json_access.hpp"
#include <array>
#include <utility>

namespace consortium::agent::claude
{
namespace
{

constexpr std::array words{
    std::pair(decision::approved, std::string_view("approved")),
    std::pair(decision::approved_for_session, std::string_view("approved_for_session")),
    std::pair(decision::approved_always, std::string_view("approved_always")),
    std::pair(decision::denied, std::string_view("denied")),
    std::pair(decision::abort, std::string_view("abort")),
};

/// What "again" means where Claude suggests no rule: for a command the very same command, never every command.
json::object rule_of(const permission_request& asked)
{
    json::object rule{{"toolName", asked.tool}};
    if (asked.tool == "Bash")
        rule["ruleContent"] = text_at(asked.input, "command");
    return rule;
}

/// The suggested rules, or one of ours, to be kept at `destination`.
json::array rules_for(const permission_request& asked, std::string_view destination)
{
    json::array out;
    bool has_rules = false;
    for (const auto& each : asked.suggestions)
    {
        const auto* suggestion = each.if_object();
        if (suggestion == nullptr)
            continue;
        const auto type = text_at(*suggestion, "type");
        if (type == "addRules" && text_at(*suggestion, "behavior") == "allow")
        {
            auto rules = *suggestion;
            rules["destination"] = destination;
            out.push_back(std::move(rules));
            has_rules = true;
        }
        else if (type == "addDirectories") // always for the session alone, as suggested
            out.push_back(*suggestion);
    }
    if (!has_rules)
        out.push_back(json::object{
            {"type", "addRules"},
            {"rules", json::array{rule_of(asked)}},
            {"behavior", "allow"},
            {"destination", destination}});
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

result<permission_request> parse_permission_request(std::string request_id, const json::object& request)
{
    permission_request out;
    out.request_id = std::move(request_id);
    out.tool = text_at(request, "tool_name");
    out.tool_use_id = text_at(request, "tool_use_id");
    out.description = text_at(request, "description");
    out.blocked_path = text_at(request, "blocked_path");
    const auto* input = object_at(request, "input");
    if (out.request_id.empty() || out.tool.empty() || input == nullptr)
        return fail(errc::bad_request, "a permission request of unknown form");
    out.input = *input;
    if (const auto* suggestions = array_at(request, "permission_suggestions"))
        out.suggestions = *suggestions;
    return out;
}

result<permission_verdict> parse_permission_verdict(const json::value& value)
{
    const auto refuse = [](const char* why) { return fail(errc::bad_request, why); };
    const auto* object = value.if_object();
    if (object == nullptr)
        return refuse("a verdict is an object");
    permission_verdict out;
    out.id = text_at(*object, "id");
    const auto* approved = object->if_contains("approved");
    if (out.id.empty() || approved == nullptr || !approved->is_bool())
        return refuse("a verdict needs `id` and `approved`");

    out.made = approved->get_bool() ? decision::approved : decision::denied;
    if (const auto* made = object->if_contains("decision"); made != nullptr && !made->is_null())
    {
        bool known = false;
        for (const auto& [each, text] : words)
        {
            if (made->is_string() && std::string_view(made->get_string()) == text)
            {
                out.made = each;
                known = true;
            }
        }
        if (!known || allows(out.made) != approved->get_bool())
            return refuse("`decision` is unknown or contradicts `approved`");
    }
    out.reason = text_at(*object, "reason");
    for (const auto& [name, field] :
         {std::pair("updatedInput", &out.updated_input), std::pair("answers", &out.answers)})
    {
        const auto* given = object->if_contains(name);
        if (given == nullptr || given->is_null())
            continue;
        if (!given->is_object())
            return refuse("`updatedInput` and `answers` are objects");
        *field = given->get_object();
    }
    if (const auto mode = text_at(*object, "mode"); !mode.empty())
        out.mode = mode;
    return out;
}

json::object permission_answer(const permission_request& asked, const permission_verdict& verdict)
{
    if (!allows(verdict.made))
    {
        json::object out{
            {"behavior", "deny"}, {"message", verdict.reason.empty() ? "The user said no to this." : verdict.reason}};
        if (verdict.made == decision::abort)
            out["interrupt"] = true;
        return out;
    }
    auto input = verdict.updated_input.value_or(asked.input);
    if (verdict.answers)
        input["answers"] = *verdict.answers;
    json::object out{{"behavior", "allow"}, {"updatedInput", std::move(input)}};

    json::array permissions;
    if (verdict.made == decision::approved_for_session)
        permissions = rules_for(asked, "session");
    if (verdict.made == decision::approved_always)
        permissions = rules_for(asked, "localSettings");
    if (verdict.mode)
        permissions.push_back(json::object{{"type", "setMode"}, {"mode", *verdict.mode}, {"destination", "session"}});
    if (!permissions.empty())
        out["updatedPermissions"] = std::move(permissions);
    return out;
}

} // namespace consortium::agent::claude
