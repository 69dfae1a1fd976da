#include "agent_state.hpp"
#include "agent_limits.hpp"
#include "consortium/common/limits.hpp"
#include "consortium/common/utf8.hpp"
#include "consortium/e2ee/act.hpp"
#include "consortium/e2ee/envelope.hpp"
#include <algorithm>
#include <boost/json.hpp>
#include <ranges>
#include <utility>

namespace consortium::agent
{
namespace json = boost::json;
namespace
{

// An ask of many quotes grows when it is written into a message: this much still fits, in base64 and with all around.
constexpr std::size_t written_bytes_max = limits::message_bytes_max / 4 * 3 - (4u << 10);

} // namespace

result<const agent_state::open_question*> agent_state::ask(question asked, unix_millis now)
{
    // Of two about one call, each is a question of its own: the first would wait for an answer for ever.
    const auto same = open_.find(asked.id());
    if (same != open_.end() && same->second.asked.request_id != asked.request_id)
        asked.tool_use_id.clear();
    const auto id = asked.id();
    if (const auto taken = open_.find(id); taken != open_.end() && taken->second.asked.request_id != asked.request_id)
        return fail(errc::conflict, "Another question that is open has its name.");
    if (id.size() > limits::ask_id_bytes_max)
        return fail(errc::too_large, "The question has a name that is too long.");
    if (open_.size() == limits::asks_open_max && !open_.contains(id))
        return fail(errc::overloaded, "Too many questions are open.");
    open_question made;
    made.ask = make_ask(asked, e2ee::make_random_name(), directory_);
    if (made.ask.size() > limits::ask_bytes_max || json::serialize(json::value(made.ask)).size() > written_bytes_max)
        return fail(errc::too_large, "The question is too large to be shown to a person.");
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

void agent_state::set_mode(const std::string& mode)
{
    mode_ = well_formed_utf8(mode, limits::field_text_bytes_max);
}
void agent_state::set_model(const std::string& model)
{
    model_ = well_formed_utf8(model, limits::field_text_bytes_max);
}

void agent_state::set_background(const std::vector<background_task>& tasks, unix_millis now)
{
    const auto before = std::exchange(background_, {});
    const auto shown = std::min(tasks.size(), limits::background_tasks_max);
    background_more_ = tasks.size() - shown;
    const auto bounded = [](const std::string& text) { return well_formed_utf8(text, limits::field_text_bytes_max); };
    for (const auto& each : tasks | std::views::take(shown))
    {
        const auto id = bounded(each.id);
        const auto known = std::ranges::find(before, id, &running_task::id);
        background_.push_back({id, bounded(each.type), bounded(each.what), known != before.end() ? known->since : now});
    }
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
    json::array background;
    for (const auto& each : background_)
        background.push_back(
            json::object{{"id", each.id}, {"type", each.type}, {"what", each.what}, {"since", each.since}});
    return {
        {"controlledByUser", false},
        {"mode", mode_},
        {"model", model_},
        {"requests", std::move(requests)},
        {"background", std::move(background)},
        {"backgroundMore", background_more_}};
}

} // namespace consortium::agent
