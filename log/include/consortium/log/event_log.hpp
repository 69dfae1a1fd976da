#pragma once
#include "consortium/common/checkpoint.hpp"
#include "consortium/common/clock.hpp"
#include "consortium/common/hash.hpp"
#include "consortium/common/limits.hpp"
#include "consortium/common/secret.hpp"
#include "consortium/common/sign.hpp"
#include "consortium/log/domain.hpp"
#include "consortium/log/record_proof.hpp"
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace consortium::log
{

/// The log and the views at one moment. Thread-safe; cheap to make; hold it no longer than a request.
class snapshot : public view_reader
{
public:
    virtual lsn head() const = 0;
    /// errc::not_found above the head; errc::corrupt names the lsn. A shredded event is no error.
    virtual result<event> read(lsn number) const = 0;
    /// Up to `count_max` events from `first` on, in order; ends after the one that reaches `bytes_max` bytes of bodies.
    /// Empty: caught up.
    virtual result<std::vector<event>>
    read(lsn first, std::size_t count_max, std::size_t bytes_max = std::size_t(-1)) const = 0;

    /// The record, and that it is in the tree over the first `tree_size` records. errc::not_found above `tree_size`,
    /// errc::bad_request when `tree_size` is above the head; errc::corrupt.
    virtual result<record_proof> prove(lsn number, std::uint64_t tree_size) const = 0;
    /// That the first `before` records are the beginning of the first `after`. errc::bad_request unless
    /// before <= after <= head; errc::corrupt.
    virtual result<merkle::proof> prove_consistency(std::uint64_t before, std::uint64_t after) const = 0;
    /// Signed note over the tree at this snapshot's head (common/checkpoint.hpp), by event_log::checkpoint_key(). A
    /// head is signed once, whoever asks.
    virtual std::string checkpoint() const = 0;
};

/// How one command ended: its committed events (durable), or why there are none.
struct outcome
{
    std::shared_ptr<command> wanted;
    result<std::vector<std::shared_ptr<const event>>> committed;
};

/// Gets every outcome, in log order, on threads of the log, one call at a time. Must not block, throw, or close the
/// log.
class commit_sink
{
public:
    virtual ~commit_sink() = default;
    /// One call for each durable batch. Refused commands come in the same call, in the order of decision.
    virtual void on_commit(std::span<const outcome> batch) = 0;
    /// The queue went above its high mark (true) or fell to half of it (false): stop or resume reading from sockets.
    /// Comes from any thread, one call at a time; must not submit.
    virtual void on_pressure(bool high) = 0;
    /// Writing failed and nothing in memory may be believed: the process must end. Called at most once.
    virtual void on_failure(const error& why) = 0;
};

/// Everything that is committed from a position on, in order, each event once: from memory while its reader keeps up,
/// from disk while it is behind. One thread at a time, wake() from any. Must not outlive the log.
class event_feed
{
public:
    virtual ~event_feed() = default;

    /// The next events, at most `count_max`, which is not 0; ends after the one that reaches `bytes_max` bytes of
    /// bodies, and may hold fewer than there are. Waits at most `patience` for the first. Empty: none came, or wake().
    /// What it gives is in event_log::read() already; what was deleted since may have lost its body. errc::closed: the
    /// log was closed, and all was taken. errc::corrupt names the lsn; errc::io.
    virtual result<std::vector<std::shared_ptr<const event>>>
    take(std::size_t count_max, std::size_t bytes_max, std::chrono::milliseconds patience) = 0;
    /// Ends a take() that waits, or the next one that would.
    virtual void wake() = 0;
    /// Of the last event that was taken.
    virtual lsn position() const = 0;
};

/// Keys of the relay that live in the log's key ring; all survive rotation of the master secret.
struct relay_keys
{
    key256 token_seed;      ///< Ed25519 seed that signs access tokens
    key256 checkpoint_seed; ///< Ed25519 seed that signs log checkpoints
};

struct counts
{
    lsn head;
    /// Intact records above the witness: written, but nobody was told before the process ended. They are kept.
    std::uint64_t kept_records = 0;
    /// Of a batch torn by the end of the process, never acknowledged; dropped.
    std::uint64_t repaired_bytes = 0;
    std::chrono::milliseconds opening{};
};

/// The append-only log of everything that ever happened, and the views folded from it.
/// Thread-safety: every member from any thread. Durability: a command completes once its events are on disk and the
/// head witness behind them (docs/log-format.md).
class event_log
{
public:
    virtual ~event_log() = default;

    /// Queues a command. Commands of one account are decided in the order they were submitted; accounts take turns. The
    /// outcome reaches the sink exactly once. errc::overloaded (carries when to retry), errc::unavailable (the disk is
    /// full), errc::closed: refused, the sink will not hear of it.
    virtual result<void> submit(std::shared_ptr<command> wanted) = 0;

    virtual std::unique_ptr<snapshot> read() const = 0;
    /// What is committed after `after`. No number of feeds, and no slow reader of one, holds up a commit.
    /// errc::not_found: `after` is above the head.
    virtual result<std::unique_ptr<event_feed>> follow(lsn after) = 0;
    virtual log_id id() const = 0;
    virtual const relay_keys& keys() const = 0;
    virtual counts opened() const = 0;
    /// Who signs checkpoints; its name, `consortium-log/<log id>`, is their origin.
    virtual note::verifier checkpoint_key() const = 0;

    /// Wipes destroyed data keys out of every file, which otherwise happens by itself some time after a deletion: no
    /// copy of the directory that is made afterwards holds them. Slow, blocks the caller only. errc::unavailable
    /// (carries when to retry): a snapshot from before the deletion is still held, or the disk is nearly full;
    /// errc::closed, errc::io.
    virtual result<void> compact() = 0;

    /// Makes a view table anew from the log, sound or not, and waits until it is; nothing: all of them. Until then what
    /// needs it is refused with errc::unavailable. How many were made. errc::not_found: no such table;
    /// errc::unavailable, errc::io: not yet, but it goes on trying; errc::closed.
    virtual result<std::size_t> rebuild_views(std::optional<std::string_view> table) = 0;
    /// Tables that were made anew since the log was opened: damaged, new in this version, or by rebuild_views().
    virtual std::uint64_t view_rebuilds() const = 0;

    /// rekey() of master_secret.hpp while the log is open: appending goes on beside it. One at a time.
    virtual result<void> rekey(
        std::string_view old_secret, std::string_view new_secret,
        const std::optional<std::filesystem::path>& secret_file) = 0;

    /// Refuses new commands, completes those that wait, syncs and stops. Idempotent.
    virtual void close() = 0;
};

struct log_options
{
    std::filesystem::path directory;
    /// Default: `directory`/witness.
    std::filesystem::path witness;
    /// CONSORTIUM_MASTER_SECRET; at least 32 characters, one trailing newline is dropped.
    std::string master_secret;
    /// Makes a new log where the directory is empty or missing; otherwise errc::not_found.
    bool create = true;
    std::size_t queue_records_max = limits::queue_records_max;
    std::size_t queue_bytes_max = limits::queue_bytes_max;
    /// Of a batch: what is decided while the disk is busy is written together, up to so many records.
    std::size_t batch_records_max = limits::batch_records_max;
    std::size_t disk_free_floor_bytes = limits::disk_free_floor_bytes;
    /// At most so long after a batch its head, or a later one, is signed and stored.
    std::chrono::milliseconds checkpoint_interval = limits::checkpoint_interval;
    /// So long after a deletion, or after an opening that finds one, destroyed keys are wiped out of the files.
    std::chrono::milliseconds compact_delay = limits::compact_delay;
};

/// Follows the opening procedure of docs/log-format.md and starts the sequencer. `rules`, `sink` and `clock` must
/// outlive the log. Errors name the path and the next step: errc::locked, errc::wrong_secret, errc::log_truncated
/// (names the missing lsns), errc::corrupt, errc::newer_version, errc::io.
result<std::unique_ptr<event_log>>
open_log(const log_options& options, const domain& rules, commit_sink& sink, const clock_source& clock);

/// Read access for tools while no relay runs: changes nothing in the directory. Errors as open_log.
class log_reader
{
public:
    virtual ~log_reader() = default;
    virtual std::unique_ptr<snapshot> read() const = 0;
    virtual log_id id() const = 0;
    /// As event_log::checkpoint_key().
    virtual note::verifier checkpoint_key() const = 0;

    struct finding
    {
        lsn number; ///< 0: not about one record
        std::string what;
    };
    struct report
    {
        std::uint64_t records = 0;
        std::uint64_t shredded = 0;
        std::uint64_t bytes = 0;
        lsn witness;
        digest256 root{};
        std::uint64_t tiles = 0;       ///< of the tree, each held against the records
        std::uint64_t checkpoint = 0;  ///< size of the newest one that the log signed; 0: none
        std::vector<finding> findings; ///< the first 1000
    };
    /// Opens every record and checks contiguity, commitments, revisions, and the tree over them against its stored
    /// frontier and tiles, the witness and the newest checkpoint. `threads`: how many may open records at once.
    virtual result<report> verify(std::size_t threads) const = 0;

    struct file_report
    {
        std::uint64_t files = 0;
        std::uint64_t bytes = 0;
        std::vector<finding> findings;
    };
    /// Reads every table file of the store, those of the views too, and holds its blocks against their checksums.
    virtual result<file_report> verify_files() const = 0;
};
result<std::unique_ptr<log_reader>> open_log_reader(const log_options& options, const domain& rules);

/// Views outside the live log: where `replay` rebuilds them. Rows are sealed with the same view key, so equal rows have
/// equal keys. The directory must not exist; it is removed by the destructor.
class scratch_views
{
public:
    virtual ~scratch_views() = default;
    /// Rows as folded so far; commit() after every some thousand events keeps memory bounded.
    virtual view_writer& rows() = 0;
    /// Has the rows written by another thread, once those of the commit before are. Throws log_failure when these could
    /// not be.
    virtual void commit() = 0;
    /// Commits and waits. From then on rows() may be read by several threads until it is written to again.
    virtual void finish() = 0;
};
result<std::unique_ptr<scratch_views>>
open_scratch_views(const std::filesystem::path& directory, const log_reader& source, const domain& rules);

/// SHA-256 over all rows of a table in key order: key length u32be ‖ key ‖ value length u32be ‖ value, in clear.
digest256 table_digest(const view_reader& rows, table_id table);

} // namespace consortium::log
