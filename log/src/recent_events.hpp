#pragma once
#include "consortium/log/event_log.hpp"
#include "limits.hpp"
#include <condition_variable>
#include <deque>
#include <mutex>
#include <span>

namespace consortium::log
{

/// The newest committed events, for feeds that keep up. Holds none while nobody follows. Thread-safe.
class recent_events
{
public:
    struct bounds
    {
        std::size_t count_max = limits::recent_events_max;
        std::size_t bytes_max = limits::recent_bytes_max;
    };

    explicit recent_events(lsn head) : recent_events(head, bounds()) {}
    recent_events(lsn head, bounds allowed) : allowed_(allowed), head_(head) {}

    /// What was committed, once it can be read. Batches in their order.
    void add(std::span<const outcome> batch);
    /// No batch will follow.
    void close();

    /// Of one feed.
    class reader
    {
    public:
        explicit reader(recent_events& source);
        ~reader();
        reader(const reader&) = delete;

        enum class state
        {
            taken,  ///< some events, or none in time
            behind, ///< they are not in memory
            closed,
        };
        /// The events after `position`, as event_feed::take().
        state take(
            lsn position, std::size_t count_max, std::size_t bytes_max, std::chrono::milliseconds patience,
            std::vector<std::shared_ptr<const event>>& into);
        void wake();

    private:
        recent_events& source_;
        bool woken_ = false; ///< under the source's mutex
    };

private:
    /// Under mutex_.
    lsn first() const noexcept { return {head_.value - events_.size() + 1}; }

    const bounds allowed_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::shared_ptr<const event>> events_; ///< up to `head_`, without a gap
    std::size_t bytes_ = 0;                           ///< of their bodies
    lsn head_;
    std::size_t readers_ = 0;
    std::size_t waiting_ = 0;
    bool closed_ = false;
};

} // namespace consortium::log
