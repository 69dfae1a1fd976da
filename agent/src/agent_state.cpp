#include "agent_state.hpp"
#include <boost/json.hpp>

namespace consortium::agent
{
namespace json = boost::json;
namespace
{

constexpr std::size_t completed_max = 50;

/// Answered questions keep their place in the history, not all of a large input: the tool call itself is a message.
constexpr std::size_t kept_arguments_bytes_max = 16u << 10;

} // namespace

void agent_state::ask(claude::permission_request asked, unix_millis now)
{
    const auto id = asked.id();
    open_.insert_or_assign(id, question{std::move(asked), now});
}

const claude::permission_request* agent_state::find(const std::string& id) const
{
    const auto found = open_.find(id);
    return found == open_.end() ? nullptr : &found->second.asked;
}

std::optional<std::string> agent_state::id_of_request(const std::string& request_id) const
{
    for (const auto& [id, each] : open_)
    {
        if (each.asked.request_id == request_id)
            return id;
    }
    return std::nullopt;
}

json::object agent_state::describe(const question& each) const
{
    json::object out{
        {"tool", each.asked.tool}, {"arguments", each.asked.input}, {"createdAt", each.since}, {"cwd", directory_}};
    if (!each.asked.tool_use_id.empty())
        out["toolUseId"] = each.asked.tool_use_id;
    if (!each.asked.description.empty())
        out["description"] = each.asked.description;
    if (!each.asked.blocked_path.empty())
        out["blockedPath"] = each.asked.blocked_path;
    if (!each.asked.suggestions.empty())
        out["suggestions"] = each.asked.suggestions;
    return out;
}

void agent_state::complete(const std::string& id, json::object outcome, unix_millis now)
{
    const auto found = open_.find(id);
    if (found == open_.end())
        return;
    auto entry = describe(found->second);
    entry.erase("suggestions");
    if (json::serialize(entry["arguments"]).size() > kept_arguments_bytes_max)
        entry["arguments"] = json::object();
    entry["completedAt"] = now;
    for (auto& [name, value] : outcome)
        entry[name] = std::move(value);
    open_.erase(found);
    completed_[id] = std::move(entry);
    while (completed_.size() > completed_max)
        completed_.stable_erase(completed_.begin());
}

void agent_state::answer(const std::string& id, const claude::permission_verdict& verdict, unix_millis now)
{
    json::object outcome{
        {"status", claude::allows(verdict.made) ? "approved" : "denied"}, {"decision", claude::word(verdict.made)}};
    if (!verdict.reason.empty())
        outcome["reason"] = verdict.reason;
    if (verdict.mode)
        outcome["mode"] = *verdict.mode;
    complete(id, std::move(outcome), now);
}

void agent_state::cancel(const std::string& id, std::string reason, unix_millis now)
{
    complete(id, {{"status", "canceled"}, {"reason", std::move(reason)}}, now);
}

void agent_state::cancel_all(const std::string& reason, unix_millis now)
{
    while (!open_.empty())
        cancel(open_.begin()->first, reason, now);
}

json::object agent_state::to_json() const
{
    json::object requests;
    for (const auto& [id, each] : open_)
        requests[id] = describe(each);
    return {{"controlledByUser", false}, {"instance", instance_},           {"mode", mode_},
            {"model", model_},           {"requests", std::move(requests)}, {"completedRequests", completed_}};
}

} // namespace consortium::agent
