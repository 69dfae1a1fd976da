#pragma once
#include "disk_floor.hpp"
#include "rocks_store.hpp"
#include "seams.hpp"
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

/// Wiping destroyed keys out of the files: docs/log-format.md, "Keys".
namespace consortium::log
{

/// Notes in the batch that the event `by` destroyed keys.
void write_destroyed(rocksdb::WriteBatch& batch, const rocks_store& store, lsn by);

/// Wipes some time after a deletion, on a thread of its own, and goes on after a restart. Thread-safe.
class key_compactor
{
public:
    struct settings
    {
        std::chrono::milliseconds delay;
        disk_floor& disk;
        seams below;
    };
    key_compactor(std::shared_ptr<rocks_store> store, settings options);
    ~key_compactor();

    /// The event `by` destroyed keys, durably. Who reads the store as it was at `sequence` or later does not see them.
    void destroyed(lsn by, std::uint64_t sequence);
    /// event_log::compact().
    result<void> compact();
    /// Gives up what is under way; the next start does it. Idempotent.
    void stop();

private:
    using moment = std::chrono::steady_clock::time_point;

    void run();
    result<void> wipe();

    std::shared_ptr<rocks_store> store_;
    settings options_;

    std::timed_mutex wiping_;
    std::mutex mutex_;
    std::condition_variable changed_;
    lsn destroyed_;
    lsn compacted_;
    /// Of the store when `destroyed_` was written.
    std::uint64_t sequence_ = 0;
    moment due_;
    std::atomic<bool> stopping_ = false;
    std::thread thread_;
};

} // namespace consortium::log
