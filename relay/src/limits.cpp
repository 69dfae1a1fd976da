#include "limits.hpp"
#include <algorithm>
#include <cmath>

namespace consortium::relay
{

void token_bucket::refill(const rate& allowed, unix_millis now)
{
    if (level_ < 0)
        level_ = allowed.burst;
    else if (now > at_)
        level_ = std::min(allowed.burst, level_ + static_cast<double>(now - at_) * allowed.per_second / 1000);
    at_ = now;
}

std::optional<std::chrono::milliseconds> token_bucket::take(const rate& allowed, unix_millis now)
{
    refill(allowed, now);
    if (level_ >= 1)
    {
        level_ -= 1;
        return std::nullopt;
    }
    return std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil((1 - level_) * 1000 / allowed.per_second)));
}

bool token_bucket::is_full(const rate& allowed, unix_millis now) const
{
    return level_ < 0 || level_ + static_cast<double>(now - at_) * allowed.per_second / 1000 >= allowed.burst;
}

void rate_limiter::make_room(unix_millis now)
{
    // A full bucket says nothing: it may go. When none is full, all have been used just now.
    std::erase_if(each_, [&](const auto& known) { return known.second.is_full(allowed_.each, now); });
    if (each_.size() >= allowed_.addresses_max)
        each_.clear();
}

result<void> rate_limiter::take(std::string_view address)
{
    const auto now = clock_.now();
    const std::lock_guard lock(guard_);
    if (!address.empty())
    {
        auto known = each_.find(std::string(address));
        if (known == each_.end())
        {
            if (each_.size() >= allowed_.addresses_max)
                make_room(now);
            known = each_.emplace(std::string(address), token_bucket()).first;
        }
        if (const auto wait = known->second.take(allowed_.each, now))
            return fail(errc::rate_limited, "too many requests from this address; wait a little", *wait);
    }
    if (const auto wait = all_.take(allowed_.all, now))
        return fail(errc::overloaded, "too many requests at once; wait a little", *wait);
    return {};
}

} // namespace consortium::relay
