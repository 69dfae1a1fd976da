#pragma once
#include "base/agent_limits.hpp"
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <string>
#include <utility>

namespace consortium::agent
{

/// What a relay can bring about as often as it likes is told a bounded number of times: many at once, then one in a
/// while, and what was told lately is not told again. The rest is counted.
class bounded_telling
{
public:
    /// Whether `words` may be told at `now`, of a clock that only goes on. Empty: what cannot be told from others of
    /// its kind, and so is never taken for a repetition.
    bool may(std::string words, std::chrono::milliseconds now)
    {
        if (!words.empty() && std::ranges::find(remembered_, words) != remembered_.end())
            return false;
        const auto earned = std::max(now - since_, std::chrono::milliseconds(0)) / limits::told_interval;
        told_ -= std::min(told_, static_cast<std::size_t>(earned));
        since_ = told_ == 0 ? now : since_ + earned * limits::told_interval;
        if (told_ == limits::told_at_once_max)
        {
            ++untold_;
            return false;
        }
        ++told_;
        remembered_.push_back(std::move(words));
        if (remembered_.size() > limits::told_remembered_max)
            remembered_.pop_front();
        return true;
    }
    /// How many were not told since this was asked last, those told already not counted.
    std::size_t take_untold() { return std::exchange(untold_, 0); }
    std::size_t untold() const noexcept { return untold_; }

private:
    std::deque<std::string> remembered_;
    std::size_t told_ = 0;
    std::size_t untold_ = 0;
    std::chrono::milliseconds since_{0};
};

} // namespace consortium::agent
