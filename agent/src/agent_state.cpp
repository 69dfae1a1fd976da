#include "agent_state.hpp"
#include "claude/deep_json.hpp"
#include "consortium/common/limits.hpp"
#include "consortium/e2ee/act.hpp"
#include "consortium/e2ee/envelope.hpp"
#include <boost/json.hpp>

namespace consortium::agent
{
namespace json = boost::json;
namespace
{

// An ask of many quotes grows when it is written into a message: this much still fits, in base64 and with all around.
constexpr std::size_t written_bytes_max = limits::message_bytes_max / 4 * 3 - (4u << 10);

} // namespace

result<const agent_state::open_question*> agent_state::ask(claude::question asked, unix_millis now)
{
    const auto id = asked.id();
    if (open_.size() == limits::asks_open_max && !open_.contains(id))
        return fail(errc::overloaded, "Too many questions are open.");
    open_question made;
    made.ask = claude::make_ask(asked, e2ee::make_random_name(), directory_);
    if (made.ask.size() > limits::ask_bytes_max || json::serialize(json::value(made.ask)).size() > written_bytes_max)
        return fail(errc::too_large, "The question is too large to be shown to a person.");
    // What is handed to Claude is read from this text; a number beyond all bounds is written as none that can be read.
    boost::system::error_code unreadable;
    (void)claude::parse_deep(made.ask, unreadable);
    if (unreadable)
        return fail(errc::bad_request, "The question cannot be written down as it is.");
    made.asked = std::move(asked);
    made.hash = e2ee::ask_hash(made.ask);
    made.since = now;
    return &open_.insert_or_assign(id, std::move(made)).first->second;
}

bool agent_state::needs_message(const std::string& id) const
{
    const auto* question = find(id);
    return question != nullptr && question->message.empty() &&
           (question->ask.size() > limits::ask_in_state_bytes_max ||
            json::serialize(to_json()).size() > limits::asks_state_bytes_max);
}

void agent_state::in_message(const std::string& id, std::string message)
{
    if (const auto found = open_.find(id); found != open_.end())
        found->second.message = std::move(message);
}

const agent_state::open_question* agent_state::find(const std::string& id) const
{
    const auto found = open_.find(id);
    return found == open_.end() ? nullptr : &found->second;
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

json::object agent_state::to_json() const
{
    json::object requests;
    for (const auto& [id, each] : open_)
    {
        if (each.message.empty())
            requests[id] = json::object{{"ask", each.ask}, {"createdAt", each.since}};
        else
            requests[id] =
                json::object{{"ask", nullptr}, {"hash", each.hash}, {"in", each.message}, {"createdAt", each.since}};
    }
    return {{"controlledByUser", false}, {"mode", mode_}, {"model", model_}, {"requests", std::move(requests)}};
}

} // namespace consortium::agent
