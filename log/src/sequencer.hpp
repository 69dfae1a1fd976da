#pragma once
#include "command_queue.hpp"
#include "consortium/log/event_log.hpp"
#include "event_codec.hpp"
#include "lru.hpp"
#include "overlay.hpp"
#include "prf_memo.hpp"
#include "reader.hpp"
#include "seams.hpp"
#include "witness.hpp"
#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_set>

namespace consortium::log
{

/// Owns all write state. One thread decides, seals and folds a batch. Two more do whatever comes next of the rest: the
/// batch before it goes to the store, and of those that are there the witness is synced and the sink is told.
/// Thread-safe.
class sequencer
{
public:
    struct environment
    {
        std::shared_ptr<rocks_store> store;
        std::shared_ptr<reading> with;
        witness_file witness;
        head_state head;
        growing_tiles tiles;
        std::uint64_t checkpoint = 0; ///< size of the newest one that is stored
        const domain& rules;
        commit_sink& sink;
        const clock_source& clock;
        log_options options;
        seams below;
        /// Told on a writing thread when a batch with deletions is durable, before its state is published.
        std::function<void(lsn)> destroyed;
    };

    explicit sequencer(environment parts);
    ~sequencer();

    result<void> submit(std::shared_ptr<command> wanted);
    /// The newest durable state.
    std::shared_ptr<const pinned_store> published() const;
    void close();

private:
    struct batch
    {
        explicit batch(std::size_t table_count) : rows(table_count) {}

        rocksdb::WriteBatch writes;
        std::vector<outcome> outcomes;
        row_overlay rows;
        std::vector<stored_key_id> destroyed;
        lsn destroyed_by; ///< the newest event that did
        std::size_t records = 0;
        std::size_t bytes = 0;
        tree_head after;
    };
    /// What is left to do for a batch that is in the store, or could not be written.
    struct written
    {
        std::vector<outcome> outcomes;
        std::shared_ptr<const pinned_store> state; ///< nullptr: it held no records
        lsn destroyed_by;                          ///< 0: nothing was destroyed
        result<void> good;
    };
    struct decided
    {
        std::shared_ptr<command> wanted;
        decision what;
        unix_millis now = 0;
        std::size_t bytes = 0;
    };
    struct scope_key
    {
        stored_key_id id{};
        sealing_key key;
    };
    class rows_view;

    // The deciding thread.
    void prepare_loop();
    std::unique_ptr<batch> build();
    bool refill(batch& next);
    void take(batch& next, std::shared_ptr<command> wanted);
    void admit(batch& next, decided ready);
    result<void> check_drafts(const decision& what);
    result<void> check_keys(const decision& what);
    const scope_key* find_key(const key_id& scope);
    void seal_rows(batch& next);
    tree_head edge() const;
    bool ripe(const batch& next) const;
    void hand_over(std::unique_ptr<batch> ready);
    void await_disk(std::unique_lock<std::mutex>& lock, const std::function<bool()>& done);
    void reclaim();
    void give_up(batch& unwritten, std::shared_ptr<command> current);
    void refuse_all(const error& why);

    // The writing threads. Those that are given the lock hold it at their beginning and end only.
    void write_loop();
    void store_next(std::unique_lock<std::mutex>& lock);
    void confirm_next(std::unique_lock<std::mutex>& lock);
    void sign_next(std::unique_lock<std::mutex>& lock);
    written store(batch& ready);
    void confirm(std::vector<written> done);
    bool checkpoint_wanted() const;
    void fail(const error& why);
    void tell_decider();

    bool measure_disk();
    void report_pressure();

    environment parts_;
    const std::size_t table_count_;

    // Of the deciding thread alone.
    head_state head_;
    growing_tiles tiles_;
    prf_memo names_;
    body_encoder encoder_;
    bytes buffer_;
    std::deque<std::shared_ptr<command>> pending_;
    std::optional<decided> carried_;
    std::unique_ptr<batch> in_flight_; ///< its rows stay readable here until they are in the store
    std::uint64_t handed_over_ = 0;    ///< batches; in_flight_ is the last of them
    std::unique_ptr<batch> spare_;
    batch* building_ = nullptr;
    std::vector<lru<bytes, bytes, bytes_hash, bytes_equal>> cached_rows_;
    lru<key_id, scope_key, std::hash<key_id>> scope_keys_;
    std::unordered_set<key_id> destroyed_;        ///< in the batch that is built
    std::unordered_set<key_id> destroyed_before_; ///< in the one in flight

    mutable std::mutex mutex_;
    std::condition_variable work_;    ///< for the deciding thread
    std::condition_variable handoff_; ///< for the writing threads
    command_queue queue_;
    bool closing_ = false;
    bool preparing_done_ = false;
    batch* handed_ = nullptr;  ///< waits to be stored
    bool storing_ = false;     ///< a batch, or a checkpoint
    std::uint64_t stored_ = 0; ///< batches, whether it succeeded or not
    std::vector<written> unconfirmed_;
    bool confirming_ = false;
    std::uint64_t checkpoint_size_;
    std::chrono::steady_clock::time_point checkpoint_due_;
    std::optional<error> failed_;
    std::optional<error> unwitnessed_; ///< of whoever confirms: nothing can be acknowledged any more
    bool pressure_ = false;
    bool waiting_for_work_ = false; ///< the deciding thread, for commands
    bool waiting_for_disk_ = false; ///< or for a batch before

    std::mutex report_mutex_;
    bool reported_pressure_ = false;

    std::atomic<bool> disk_low_ = false;
    std::atomic<std::int64_t> disk_measured_ms_ = 0;

    mutable std::mutex publish_mutex_;
    std::shared_ptr<const pinned_store> published_;

    std::mutex close_mutex_;
    std::thread prepare_thread_;
    std::array<std::thread, 2> write_threads_;
};

} // namespace consortium::log
