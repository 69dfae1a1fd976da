#pragma once
#include "command_queue.hpp"
#include "committer.hpp"
#include "event_codec.hpp"
#include "layered_rows.hpp"
#include "lru.hpp"
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_set>

namespace consortium::log
{

/// Owns all write state. One thread lets commands decide, seals and folds, a batch at a time, and gives each to the
/// committer. Thread-safe.
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
        recent_events& recent;
        const clock_source& clock;
        disk_floor& disk;
        const log_options& options;
        seams below;
        /// As the committer's.
        std::function<void(lsn by, std::uint64_t sequence)> destroyed;
    };

    explicit sequencer(environment parts);
    ~sequencer();

    result<void> submit(std::shared_ptr<command> wanted);
    /// The newest durable state.
    std::shared_ptr<const pinned_store> published() const { return committer_.published(); }
    /// Runs `what`, which must not throw, while nothing is decided or written; view tables may lie elsewhere
    /// afterwards. From one thread at a time. False: never, no more is decided or the log has failed.
    bool between_batches(const std::function<void()>& what);
    void close();

private:
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

    /// What `build()` must be able to go back to.
    struct base
    {
        head_state head;
        growing_tiles tiles;
    };
    struct errand
    {
        const std::function<void()>* what;
        bool done = false;
        bool ran = false;
    };

    void decide_loop();
    void run_errand(std::unique_lock<std::mutex>& lock);
    void end_errands();
    std::unique_ptr<batch> build();
    void fill(batch& next, std::shared_ptr<command>& current);
    void begin_again(batch& next, std::shared_ptr<command> unfit, const error& why);
    bool refill(batch& next);
    command_queue::choice may_go(const batch& next);
    void take_from_queue(command_queue::choice wanted);
    void take(batch& next, std::shared_ptr<command> wanted);
    void admit(batch& next, decided ready);
    result<void> check(const decision& what);
    result<void> check_room(const decision& what);
    result<void> check_drafts(const decision& what);
    result<void> check_keys(const decision& what);
    const scope_key* find_key(const key_id& scope);
    void seal_rows(batch& next);
    tree_head edge() const;
    bool ripe(const batch& next, command_queue::choice wanted) const;
    void hand_over(std::unique_ptr<batch> ready);
    void reclaim();
    void retire(std::unique_ptr<batch> stored);
    void give_up(batch& unwritten, std::shared_ptr<command> current);
    void refuse_all(const error& why);

    void on_progress();
    void report_pressure();

    std::shared_ptr<rocks_store> store_;
    std::shared_ptr<reading> with_;
    const domain& rules_;
    commit_sink& sink_;
    const clock_source& clock_;
    disk_floor& disk_;
    const std::size_t batch_records_max_;
    const std::size_t table_count_;

    // Of the deciding thread alone.
    head_state head_;
    growing_tiles tiles_;
    base before_; ///< the batch that is built
    layered_rows rows_;
    body_encoder encoder_;
    bytes buffer_;
    std::deque<std::shared_ptr<command>> pending_;
    std::optional<decided> carried_;
    struct
    {
        std::shared_ptr<command> wanted;
        error why;
    } unfit_;                          ///< could not be folded: it ends the batch of those before it, and is refused
    std::unique_ptr<batch> in_flight_; ///< its rows stay readable here until they are in the store
    std::unique_ptr<batch> spare_;
    lru<key_id, scope_key, std::hash<key_id>> scope_keys_;
    using moment = std::chrono::steady_clock::time_point;
    moment small_taken_{};                        ///< when a small command last went
    std::optional<moment> large_since_;           ///< when the large one that is on its way was taken
    bool large_handed_ = false;                   ///< it is with the committer
    moment large_again_{};                        ///< the next one waits so long
    std::unordered_set<key_id> destroyed_;        ///< in the batch that is built
    std::unordered_set<key_id> destroyed_before_; ///< in the one in flight

    std::mutex mutex_;
    std::condition_variable work_; ///< for the deciding thread
    std::condition_variable errand_done_;
    errand* errand_ = nullptr;
    bool ended_ = false; ///< the deciding thread
    command_queue queue_;
    bool closing_ = false;
    bool pressure_ = false;
    bool waiting_for_work_ = false; ///< the deciding thread, for commands
    bool waiting_for_disk_ = false; ///< and with a batch at hand, or with a large one in flight, for the disk

    std::mutex report_mutex_;
    bool reported_pressure_ = false;

    std::mutex close_mutex_;
    committer committer_;
    std::thread thread_;
};

} // namespace consortium::log
