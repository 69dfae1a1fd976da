#pragma once
#include "command_queue.hpp"
#include "consortium/log/event_log.hpp"
#include "event_codec.hpp"
#include "lru.hpp"
#include "overlay.hpp"
#include "reader.hpp"
#include "seams.hpp"
#include "witness.hpp"
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_set>

namespace consortium::log
{

/// Owns all write state. One thread decides, seals and folds a batch while another writes and syncs the batch before it
/// and tells the sink. Thread-safe.
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
        /// Told on the writing thread when a batch with deletions is durable, before its state is published.
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
    void hand_over(std::unique_ptr<batch> ready);
    void reclaim();
    void give_up(batch& unwritten, std::shared_ptr<command> current);
    void refuse_all(const error& why);

    // The writing thread.
    void write_loop();
    result<void> commit(batch& ready);
    bool checkpoint_wanted() const;
    result<void> sign_newest();
    void fail(const error& why);

    bool measure_disk();
    void report_pressure();

    environment parts_;
    const std::size_t table_count_;

    // Of the deciding thread alone.
    head_state head_;
    growing_tiles tiles_;
    body_encoder encoder_;
    bytes buffer_;
    std::deque<std::shared_ptr<command>> pending_;
    std::optional<decided> carried_;
    std::unique_ptr<batch> in_flight_; ///< its rows stay readable here until it is durable
    std::unique_ptr<batch> spare_;
    batch* building_ = nullptr;
    std::vector<lru<bytes, bytes, bytes_hash, bytes_equal>> cached_rows_;
    lru<key_id, scope_key, std::hash<key_id>> scope_keys_;
    std::unordered_set<key_id> destroyed_;        ///< in the batch that is built
    std::unordered_set<key_id> destroyed_before_; ///< in the one in flight

    // Of the writing thread alone.
    std::uint64_t checkpoint_size_;
    std::chrono::steady_clock::time_point checkpoint_due_;

    mutable std::mutex mutex_;
    std::condition_variable work_;    ///< for the deciding thread
    std::condition_variable handoff_; ///< for the writing thread
    command_queue queue_;
    bool closing_ = false;
    bool preparing_done_ = false;
    bool preparing_failed_ = false;
    batch* writing_ = nullptr;
    std::optional<error> failed_;
    bool pressure_ = false;
    bool waiting_for_work_ = false;

    std::mutex report_mutex_;
    bool reported_pressure_ = false;

    std::atomic<bool> disk_low_ = false;
    std::atomic<std::int64_t> disk_measured_ms_ = 0;

    mutable std::mutex publish_mutex_;
    std::shared_ptr<const pinned_store> published_;

    std::mutex close_mutex_;
    std::thread prepare_thread_;
    std::thread write_thread_;
};

} // namespace consortium::log
