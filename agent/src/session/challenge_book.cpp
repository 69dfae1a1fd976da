#include "session/challenge_book.hpp"
#include "consortium/common/limits.hpp"
#include "consortium/e2ee/envelope.hpp"
#include <algorithm>

namespace consortium::agent
{

std::string challenge_book::issue()
{
    if (open_.size() == limits::call_challenges_max)
        open_.pop_front();
    open_.push_back({e2ee::make_random_name(), clock_.now().at + limits::call_lifetime});
    return open_.back().challenge;
}

std::optional<std::chrono::milliseconds> challenge_book::strike_off(const std::string& challenge)
{
    const auto found = std::ranges::find(open_, challenge, &entry::challenge);
    if (found == open_.end())
        return std::nullopt;
    const auto until = found->until;
    open_.erase(found);
    return clock_.now().at <= until ? std::optional(until) : std::nullopt;
}

} // namespace consortium::agent
