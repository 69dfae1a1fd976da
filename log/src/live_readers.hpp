#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <set>

namespace consortium::log
{

/// Which moments of the store are still being read. Old values stay in the files while somebody may read them.
/// Thread-safe.
class live_readers
{
public:
    void add(std::uint64_t sequence)
    {
        const std::lock_guard lock(mutex_);
        sequences_.insert(sequence);
    }
    void remove(std::uint64_t sequence)
    {
        {
            const std::lock_guard lock(mutex_);
            sequences_.erase(sequences_.find(sequence));
        }
        changed_.notify_all();
    }
    /// Until nobody reads what was before `sequence`; false at `deadline` or once `stop` is set (see wake()).
    bool wait_until_past(
        std::uint64_t sequence, std::chrono::steady_clock::time_point deadline, const std::atomic<bool>& stop)
    {
        std::unique_lock lock(mutex_);
        const auto past = [&] { return sequences_.empty() || *sequences_.begin() >= sequence; };
        changed_.wait_until(lock, deadline, [&] { return stop || past(); });
        return !stop && past();
    }
    void wake()
    {
        {
            const std::lock_guard lock(mutex_);
        }
        changed_.notify_all();
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::multiset<std::uint64_t> sequences_;
};

} // namespace consortium::log
