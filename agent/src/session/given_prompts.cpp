#include "session/given_prompts.hpp"
#include <algorithm>
#include <utility>

namespace consortium::agent
{
namespace
{

constexpr std::size_t foreign_max = 1024; // of the program's own: only a broken one has more

bool waits(prompt_step step) noexcept
{
    return step == prompt_step::given || step == prompt_step::queued;
}

} // namespace

void given_prompts::give(const std::string& uuid)
{
    prompts_[uuid] = {prompt_step::given, /*ours=*/true};
    awaited_ = uuid;
}

void given_prompts::heard(const std::string& uuid, prompt_step step)
{
    if (uuid == awaited_ && !waits(step))
        awaited_.clear();
    if (step == prompt_step::done || step == prompt_step::dropped)
        prompts_.erase(uuid);
    else if (const auto known = prompts_.find(uuid); known != prompts_.end())
        known->second.step = step;
    else if (foreign() < foreign_max)
        prompts_.emplace(uuid, state{step, /*ours=*/false});
}

void given_prompts::let_go()
{
    std::erase_if(prompts_, [](const auto& each) { return each.second.ours; });
}

bool given_prompts::has(const std::string& uuid) const
{
    const auto found = prompts_.find(uuid);
    return found != prompts_.end() && found->second.ours;
}

bool given_prompts::has_some() const
{
    return std::ranges::any_of(prompts_, [](const auto& each) { return each.second.ours; });
}

std::size_t given_prompts::foreign() const
{
    return static_cast<std::size_t>(
        std::ranges::count_if(prompts_, [](const auto& each) { return !each.second.ours; }));
}

bool given_prompts::has_begun(const std::string& uuid) const
{
    const auto found = prompts_.find(uuid);
    return found != prompts_.end() && !waits(found->second.step);
}

std::vector<std::string> given_prompts::waiting() const
{
    std::vector<std::string> out;
    for (const auto& [uuid, each] : prompts_)
    {
        if (waits(each.step))
            out.push_back(uuid);
    }
    return out;
}

} // namespace consortium::agent
