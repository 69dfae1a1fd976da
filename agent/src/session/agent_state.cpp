#include "session/agent_state.hpp"
#include "base/agent_limits.hpp"
#include "consortium/common/utf8.hpp"
#include <algorithm>
#include <boost/json.hpp>
#include <ranges>
#include <utility>

namespace consortium::agent
{
namespace json = boost::json;

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
    json::array background;
    for (const auto& each : background_)
        background.push_back(
            json::object{{"id", each.id}, {"type", each.type}, {"what", each.what}, {"since", each.since}});
    return {
        {"controlledByUser", false},
        {"mode", mode_},
        {"model", model_},
        {"background", std::move(background)},
        {"backgroundMore", background_more_}};
}

} // namespace consortium::agent
