#include "recent_events.hpp"
#include <algorithm>

namespace consortium::log
{

void recent_events::add(std::span<const outcome> batch)
{
    std::vector<std::shared_ptr<const event>> dropped; // they are freed without the lock
    bool wake = false;
    {
        const std::lock_guard lock(mutex_);
        const auto before = head_;
        for (const auto& out : batch)
        {
            if (!out.committed)
                continue;
            for (const auto& happened : *out.committed)
            {
                CONSORTIUM_ASSERT(happened->number == head_.next());
                head_ = happened->number;
                if (readers_ == 0)
                    continue;
                events_.push_back(happened);
                bytes_ += happened->header.body_bytes;
            }
        }
        while (events_.size() > allowed_.count_max || bytes_ > allowed_.bytes_max)
        {
            bytes_ -= events_.front()->header.body_bytes;
            dropped.push_back(std::move(events_.front()));
            events_.pop_front();
        }
        wake = waiting_ > 0 && head_ != before;
    }
    if (wake)
        changed_.notify_all();
}

void recent_events::close()
{
    {
        const std::lock_guard lock(mutex_);
        closed_ = true;
    }
    changed_.notify_all();
}

recent_events::reader::reader(recent_events& source) : source_(source)
{
    const std::lock_guard lock(source_.mutex_);
    ++source_.readers_;
}

recent_events::reader::~reader()
{
    decltype(source_.events_) dropped;
    const std::lock_guard lock(source_.mutex_);
    if (--source_.readers_ > 0)
        return;
    dropped.swap(source_.events_);
    source_.bytes_ = 0;
}

auto recent_events::reader::take(
    lsn position, std::size_t count_max, std::size_t bytes_max, std::chrono::milliseconds patience,
    std::vector<std::shared_ptr<const event>>& into) -> state
{
    std::unique_lock lock(source_.mutex_);
    const auto there = [&] { return source_.head_ > position; };
    if (!there())
    {
        ++source_.waiting_;
        source_.changed_.wait_for(lock, patience, [&] { return there() || woken_ || source_.closed_; });
        --source_.waiting_;
        woken_ = false;
    }
    if (!there())
        return source_.closed_ ? state::closed : state::taken;
    if (position.next() < source_.first())
        return state::behind;
    auto next = source_.events_.begin() + static_cast<std::ptrdiff_t>(position.next().value - source_.first().value);
    count_max = std::min(count_max, limits::taken_events_max);
    for (std::size_t bytes = 0; next != source_.events_.end() && into.size() < count_max && bytes < bytes_max; ++next)
    {
        bytes += (*next)->header.body_bytes;
        into.push_back(*next);
    }
    return state::taken;
}

void recent_events::reader::wake()
{
    {
        const std::lock_guard lock(source_.mutex_);
        woken_ = true;
    }
    source_.changed_.notify_all();
}

} // namespace consortium::log
