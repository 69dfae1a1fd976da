#pragma once
#include "batch.hpp"
#include "disk_floor.hpp"
#include "reader.hpp"
#include "recent_events.hpp"
#include "seams.hpp"
#include "witness.hpp"
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

namespace consortium::log
{

/// Makes batches durable in their order: to the store, to the witness, then to readers and to those who sent the
/// commands. Two threads do whatever comes next, so that one batch goes to the store while the witness of those before
/// is synced. Signs a checkpoint in between, when one is due.
/// Thread-safe, but batches come from one thread.
class committer
{
public:
    struct parts
    {
        std::shared_ptr<rocks_store> store;
        std::shared_ptr<reading> with;
        witness_file witness;
        std::uint64_t checkpoint = 0; ///< size of the newest one that is stored
        commit_sink& sink;
        recent_events& recent;
        disk_floor& disk;
        std::chrono::milliseconds checkpoint_interval;
        seams below;
        /// Told on a writing thread when a batch with deletions is durable, before its state is published: the last
        /// event that destroyed a key, and the store's sequence number once the batch was in it.
        std::function<void(lsn by, std::uint64_t sequence)> destroyed;
        /// Told on a writing thread whenever idle() may have become true.
        std::function<void()> progressed;
    };

    committer(parts all, tree_head at);
    ~committer();

    /// The newest durable state.
    std::shared_ptr<const pinned_store> published() const;

    /// Shows readers the store as it is now; no batch must be on its way.
    void publish_again();

    /// Takes a batch as soon as none waits, then waits until the one before it is in the store. `ready` must live until
    /// stored_all(), or the next hand_over() returns. An error: nothing is written any more, and `ready` was not taken.
    result<void> hand_over(batch& ready);
    /// Whether every batch is in the store.
    bool stored_all() const;
    /// Whether a batch waits to be stored.
    bool waiting() const;
    /// Whether none waits or is being stored, so that the next would be at once.
    bool idle() const;
    /// Waits until all that was handed over was answered.
    void drain();

    /// Nothing is written any more. The first reason is told to the sink and stays.
    void fail(const error& why);
    std::optional<error> failed() const;

    /// After the last batch: drains, signs what is not signed yet, leaves the store in order. From one thread.
    void stop();

private:
    /// What is left to do for a batch that is in the store, or could not be written.
    struct written
    {
        std::vector<outcome> outcomes;
        std::shared_ptr<const pinned_store> state; ///< nullptr: it held no records
        lsn destroyed_by;                          ///< 0: nothing was destroyed
        result<void> good;
    };

    // Those that are given the lock hold it at their beginning and end only.
    void write_loop();
    void store_next(std::unique_lock<std::mutex>& lock);
    void confirm_next(std::unique_lock<std::mutex>& lock);
    void sign_next(std::unique_lock<std::mutex>& lock);
    void tell(std::unique_lock<std::mutex>& lock);
    written store(batch& ready);
    void confirm(std::vector<written> done);
    bool checkpoint_wanted() const;

    parts parts_;

    mutable std::mutex mutex_;
    std::condition_variable work_; ///< for the writing threads
    std::condition_variable done_; ///< for whoever hands over
    batch* handed_ = nullptr;      ///< waits to be stored
    bool storing_ = false;         ///< a batch, or a checkpoint
    std::uint64_t taken_ = 0;      ///< batches
    std::uint64_t stored_ = 0;     ///< of those, whether it succeeded or not
    std::vector<written> unconfirmed_;
    bool confirming_ = false;
    bool stopping_ = false;
    std::uint64_t checkpoint_size_;
    std::chrono::steady_clock::time_point checkpoint_due_;
    std::optional<error> failed_;
    std::atomic<bool> has_failed_ = false;
    std::optional<error> unwitnessed_; ///< of whoever confirms: nothing can be acknowledged any more

    mutable std::mutex publish_mutex_;
    std::shared_ptr<const pinned_store> published_;

    std::array<std::thread, 2> threads_;
};

} // namespace consortium::log
