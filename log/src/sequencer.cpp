#include "sequencer.hpp"
#include "checkpoints.hpp"
#include "key_compactor.hpp"
#include <algorithm>
#include <chrono>
#include <pthread.h>
#include <ranges>
#include <spdlog/spdlog.h>

namespace consortium::log
{
namespace
{

using namespace std::chrono_literals;

constexpr std::size_t cached_row_bytes_max = 8 << 20; ///< for each table
constexpr std::size_t scope_keys_max = 65'536;
constexpr std::size_t pending_max = 32; ///< commands taken from the queue at once
/// Deciding so many takes about as long as the syncs of a batch: smaller batches are not worth syncs of their own.
constexpr std::size_t early_batch_records_min = 32;
/// Batches that are stored while another's witness is synced; then the next one waits.
constexpr std::size_t unconfirmed_max = 2;
/// Answers without a record are bounded too.
constexpr std::size_t batch_outcomes_max = 4 * limits::batch_records_max;
constexpr auto disk_check_interval = 100ms;
constexpr auto retry_overloaded = 100ms;
constexpr auto retry_disk_full = 5s;

std::int64_t steady_ms()
{
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

/// What a cached row costs, roughly: its bytes (the key twice) and the nodes that hold it.
std::size_t row_weight(byte_view key, byte_view value)
{
    return 160 + 2 * key.size() + value.size();
}

error disk_error(const std::filesystem::path& directory)
{
    return {
        .code = errc::unavailable,
        .detail = "the disk of " + directory.string() + " is nearly full: nothing is written until space is freed",
        .retry = retry_disk_full};
}

} // namespace

/// Rows as the command being decided must see them: durable, in flight, and of the batch being built.
class sequencer::rows_view final : public view_writer
{
public:
    explicit rows_view(sequencer& of) : of_(of) {}

    std::optional<bytes> get(table_id table, byte_view key) const override
    {
        if (const auto* row = of_.building_->rows.find(table, key))
            return *row;
        if (of_.in_flight_)
            if (const auto* row = of_.in_flight_->rows.find(table, key))
                return *row;
        if (const auto* value = of_.cached_rows_[table].find(key))
            return *value;
        rocksdb::PinnableSlice sealed;
        if (!get_row(*of_.parts_.store, {}, of_.parts_.store->view(table), key, sealed))
            return std::nullopt;
        auto value = open(table, key, view(sealed));
        of_.cached_rows_[table].put(to_bytes(key), value, row_weight(key, value));
        return value;
    }

    void scan(table_id table, byte_view prefix, byte_view from, const visitor& visit) const override
    {
        run(table, {.prefix = prefix, .from = from, .down = false, .open = {}}, visit);
    }
    void scan_down(table_id table, byte_view prefix, byte_view from, const visitor& visit) const override
    {
        run(table, {.prefix = prefix, .from = from, .down = true, .open = {}}, visit);
    }
    byte_array<16> prf(byte_parts parts) const override { return of_.names_(parts); }

    void put(table_id table, byte_view key, bytes value) override
    {
        of_.building_->rows.set(table, key, std::move(value));
    }
    void erase(table_id table, byte_view key) override { of_.building_->rows.set(table, key, std::nullopt); }
    void erase_prefix(table_id table, byte_view prefix) override { of_.building_->rows.erase_prefix(table, prefix); }

private:
    bytes open(table_id table, byte_view key, byte_view sealed) const
    {
        auto value = of_.parts_.with->rows.open(table, key, sealed);
        if (!value)
            throw log_failure(value.error());
        return std::move(*value);
    }
    void run(table_id table, merged_scan scan, const visitor& visit) const
    {
        row_overlay::ordered newer;
        if (of_.in_flight_)
            of_.in_flight_->rows.collect(table, scan.prefix, newer);
        of_.building_->rows.collect(table, scan.prefix, newer);
        scan.open = [&](byte_view key, byte_view sealed) { return open(table, key, sealed); };
        const std::unique_ptr<rocksdb::Iterator> stored(
            of_.parts_.store->db().NewIterator({}, of_.parts_.store->view(table)));
        scan.run(*stored, newer, visit);
    }

    sequencer& of_;
};

sequencer::sequencer(environment parts)
    : parts_(std::move(parts)),
      table_count_(parts_.rules.tables().size()),
      head_(parts_.head),
      tiles_(std::move(parts_.tiles)),
      names_(parts_.with->rows),
      scope_keys_(scope_keys_max),
      queue_({.count_max = parts_.options.queue_records_max, .bytes_max = parts_.options.queue_bytes_max}),
      checkpoint_size_(parts_.checkpoint),
      checkpoint_due_(std::chrono::steady_clock::now() + parts_.options.checkpoint_interval)
{
    for (std::size_t i = 0; i < table_count_; ++i)
        cached_rows_.emplace_back(cached_row_bytes_max);
    published_ = std::make_shared<pinned_store>(parts_.store, edge(), parts_.with->keys->generation());
    // Names are for whoever looks at the process from outside: at most 15 letters.
    prepare_thread_ = std::thread([this] { prepare_loop(); });
    ::pthread_setname_np(prepare_thread_.native_handle(), "log-decide");
    for (auto& thread : write_threads_)
    {
        thread = std::thread([this] { write_loop(); });
        ::pthread_setname_np(thread.native_handle(), "log-write");
    }
}

sequencer::~sequencer()
{
    close();
}

result<void> sequencer::submit(std::shared_ptr<command> wanted)
{
    if (disk_low_ && steady_ms() - disk_measured_ms_ >= disk_check_interval.count())
        measure_disk();
    if (disk_low_)
        return std::unexpected(disk_error(parts_.options.directory));

    bool pressure_changed = false;
    bool wake = false;
    {
        const std::lock_guard lock(mutex_);
        if (failed_)
            return consortium::fail(errc::closed, "the log has failed: " + failed_->detail);
        if (closing_)
            return consortium::fail(errc::closed, "the log is closing");
        if (!queue_.push(std::move(wanted)))
            return consortium::fail(errc::overloaded, "the log's queue is full", retry_overloaded);
        if (!pressure_ && queue_.above_high_mark())
            pressure_ = pressure_changed = true;
        wake = waiting_for_work_;
    }
    if (wake)
        work_.notify_one();
    if (pressure_changed)
        report_pressure();
    return {};
}

std::shared_ptr<const pinned_store> sequencer::published() const
{
    const std::lock_guard lock(publish_mutex_);
    return published_;
}

void sequencer::close()
{
    const std::lock_guard once(close_mutex_);
    {
        const std::lock_guard lock(mutex_);
        closing_ = true;
    }
    work_.notify_one();
    if (!prepare_thread_.joinable())
        return;
    prepare_thread_.join();
    for (auto& thread : write_threads_)
        thread.join();
    if (std::unique_lock lock(mutex_); !failed_ && checkpoint_wanted())
        sign_next(lock);
    if (!failed_)
        parts_.store->prepare_to_close();
}

void sequencer::prepare_loop()
{
    std::optional<error> why;
    try
    {
        while (auto ready = build())
            hand_over(std::move(ready));
    }
    catch (const log_failure& failure)
    {
        why = failure.reason;
    }
    catch (const std::exception& bug)
    {
        why = error{.code = errc::internal, .detail = bug.what(), .retry = {}};
    }
    {
        // Batches in flight may still succeed; their callers are told first.
        std::unique_lock lock(mutex_);
        await_disk(lock, [&] { return handed_ == nullptr && !storing_ && unconfirmed_.empty() && !confirming_; });
        preparing_done_ = true;
    }
    handoff_.notify_all();
    if (why)
    {
        fail(*why);
        refuse_all(*why);
    }
}

/// The next batch: everything that waits, and while the disk is busy with the batch before, everything that comes.
/// nullptr: closed, or failed.
std::unique_ptr<sequencer::batch> sequencer::build()
{
    auto next = spare_ ? std::move(spare_) : std::make_unique<batch>(table_count_);
    building_ = next.get();
    std::shared_ptr<command> current;
    try
    {
        if (carried_)
        {
            auto first = std::move(*carried_);
            carried_.reset();
            current = first.wanted;
            admit(*next, std::move(first));
        }
        while (!carried_ && next->records < parts_.options.batch_records_max && next->bytes < limits::batch_bytes_max &&
               next->outcomes.size() < batch_outcomes_max)
        {
            current = nullptr;
            if (pending_.empty() && !refill(*next))
                break;
            current = pending_.front();
            pending_.pop_front();
            take(*next, current);
        }
        current = nullptr;
        if (next->outcomes.empty())
            return nullptr;
        seal_rows(*next);
        return next;
    }
    catch (...)
    {
        give_up(*next, std::move(current));
        throw;
    }
}

/// The batch will not be written: its commands, and the one that was being decided, wait to be refused.
void sequencer::give_up(batch& unwritten, std::shared_ptr<command> current)
{
    if (current)
        pending_.push_front(std::move(current));
    for (auto& out : std::ranges::reverse_view(unwritten.outcomes))
        pending_.push_front(std::move(out.wanted));
    unwritten.outcomes.clear();
}

/// Takes waiting commands into `pending_`. False: nothing waits and the batch should go, or all is over.
bool sequencer::refill(batch& next)
{
    bool relieved = false;
    {
        std::unique_lock lock(mutex_);
        for (;;)
        {
            if (failed_)
                throw log_failure(*failed_);
            if (ripe(next))
                return false;
            if (!queue_.empty())
                break;
            if (closing_ && next.outcomes.empty())
                return false;
            waiting_for_work_ = true;
            waiting_for_disk_ = !next.outcomes.empty();
            work_.wait(lock);
            waiting_for_work_ = waiting_for_disk_ = false;
        }
        while (pending_.size() < pending_max && !queue_.empty())
            pending_.push_back(queue_.pop());
        if (pressure_ && queue_.below_low_mark())
        {
            pressure_ = false;
            relieved = true;
        }
    }
    if (relieved)
        report_pressure();
    measure_disk();
    reclaim();
    return true;
}

/// Whether the batch should go although it could hold more. While the disk is busy with the one before it grows with
/// whatever comes, until it holds half of all that waits: then it stands ready for the disk, and the other half
/// follows.
bool sequencer::ripe(const batch& next) const
{
    if (next.outcomes.empty() || handed_ != nullptr)
        return false;
    if (next.records >= early_batch_records_min && next.outcomes.size() >= queue_.count())
        return true;
    return queue_.empty() && !storing_;
}

void sequencer::take(batch& next, std::shared_ptr<command> wanted)
{
    if (disk_low_)
    {
        next.outcomes.push_back({std::move(wanted), std::unexpected(disk_error(parts_.options.directory))});
        return;
    }
    rows_view rows(*this);
    // A clock that steps back must not make later records older than earlier ones.
    const auto now = std::max(parts_.clock.now(), head_.time);
    result<decision> what = std::unexpected(error{});
    try
    {
        what = wanted->decide(rows, now);
    }
    catch (const log_failure&)
    {
        throw;
    }
    catch (const std::exception& bug)
    {
        what = consortium::fail(errc::internal, bug.what());
    }
    if (what)
    {
        auto good = check_drafts(*what);
        if (good)
            good = check_keys(*what);
        if (!good)
            what = std::unexpected(good.error());
    }
    if (!what || what->drafts.empty())
    {
        if (what)
            next.outcomes.push_back({std::move(wanted), {}});
        else
            next.outcomes.push_back({std::move(wanted), std::unexpected(what.error())});
        return;
    }
    std::size_t size = 0;
    for (const auto& draft : what->drafts)
        size += record_overhead_bytes + body_size_estimate(draft.body);
    decided ready{.wanted = std::move(wanted), .what = std::move(*what), .now = now, .bytes = size};
    // A command's events are never split; one that does not fit begins the next batch, decided as it is: nothing can
    // come in between.
    if (next.records > 0 && (next.records + ready.what.drafts.size() > parts_.options.batch_records_max ||
                             next.bytes + ready.bytes > limits::batch_bytes_max))
        carried_ = std::move(ready);
    else
        admit(next, std::move(ready));
}

result<void> sequencer::check_drafts(const decision& what)
{
    for (const auto& draft : what.drafts)
    {
        if (!body_fits(draft.type, draft.body))
            return consortium::fail(errc::internal, "an event has the body of another type");
        if (body_size_estimate(draft.body) > limits::record_body_bytes_max)
            return consortium::fail(errc::too_large, "an event is larger than a record may be");
    }
    return {};
}

/// Every key that is used exists when it is used, and none is made twice.
result<void> sequencer::check_keys(const decision& what)
{
    std::vector<key_id> made;
    std::vector<key_id> gone;
    const auto in = [](const std::vector<key_id>& list, const key_id& key)
    { return std::ranges::find(list, key) != list.end(); };
    for (const auto& draft : what.drafts)
    {
        const bool exists = !in(gone, draft.key) && (in(made, draft.key) || find_key(draft.key) != nullptr);
        if (draft.creates_key)
        {
            const bool existed =
                exists || in(gone, draft.key) || destroyed_.contains(draft.key) ||
                destroyed_before_.contains(draft.key) ||
                parts_.with->keys->load(*parts_.store, {}, parts_.with->keys->stored_id(draft.key)).what !=
                    key_state::kind::unknown;
            if (existed)
                return consortium::fail(errc::internal, "an event would replace a data key");
            made.push_back(draft.key);
        }
        else if (!exists)
            return consortium::fail(errc::internal, "an event has no data key");
        gone.insert(gone.end(), draft.destroys.begin(), draft.destroys.end());
    }
    return {};
}

const sequencer::scope_key* sequencer::find_key(const key_id& scope)
{
    if (destroyed_.contains(scope) || destroyed_before_.contains(scope))
        return nullptr;
    if (const auto* found = scope_keys_.find(scope))
        return found;
    const auto id = parts_.with->keys->stored_id(scope);
    auto state = parts_.with->keys->load(*parts_.store, {}, id);
    if (state.what != key_state::kind::present)
        return nullptr;
    scope_keys_.put(scope, {.id = id, .key = *state.key});
    return scope_keys_.find(scope);
}

void sequencer::admit(batch& next, decided ready)
{
    rows_view rows(*this);
    auto& keys = *parts_.with->keys;
    if (next.records == 0)
        head_.previous = head_.tree;
    const auto tile = tile_writer(next.writes, *parts_.store);
    std::vector<std::shared_ptr<const event>> events;
    events.reserve(ready.what.drafts.size());
    auto rev = parts_.rules.last_revision(rows, ready.what.account);
    for (auto& draft : ready.what.drafts)
    {
        const lsn number{head_.tree.size() + 1};
        rev = rev.next();
        if (draft.creates_key)
        {
            const auto fresh = key256::random();
            const scope_key made{.id = keys.stored_id(draft.key), .key = sealing_key(fresh)};
            keys.add(next.writes, *parts_.store, made.id, fresh);
            scope_keys_.put(draft.key, made);
        }
        const auto* key = find_key(draft.key);
        CONSORTIUM_ASSERT(key != nullptr);

        const auto body = encoder_.encode(draft.body);
        const event_header header{
            .type = draft.type,
            .account = ready.what.account,
            .stream = draft.stream,
            .rev = rev,
            .seq = draft.seq,
            .time = ready.now,
            .body_bytes = static_cast<std::uint32_t>(body.size())};
        const auto leaf = seal_record(buffer_, keys.log_key(), number, header, key->id, key->key, body);
        next.writes.Put(parts_.store->log(), slice(record_key(number)), slice(buffer_));
        tiles_.append(head_.tree, leaf, tile);

        for (const auto& scope : draft.destroys)
        {
            const auto* ending = find_key(scope);
            if (ending == nullptr)
                continue; // it ended before
            keyring::destroy(next.writes, *parts_.store, ending->id, number);
            next.destroyed.push_back(ending->id);
            next.destroyed_by = number;
            scope_keys_.erase(scope);
            destroyed_.insert(scope);
        }

        auto happened =
            std::make_shared<const event>(event{.number = number, .header = header, .body = std::move(draft.body)});
        parts_.rules.fold(*happened, rows);
        events.push_back(std::move(happened));
    }
    head_.time = ready.now;
    next.records += events.size();
    next.bytes += ready.bytes;
    next.outcomes.push_back({std::move(ready.wanted), std::move(events)});
}

void sequencer::seal_rows(batch& next)
{
    if (next.records == 0)
        return;
    next.rows.write(next.writes, *parts_.store, parts_.with->rows);
    tiles_.write_grown(tile_writer(next.writes, *parts_.store));
    if (!next.destroyed.empty())
        write_destroyed(next.writes, *parts_.store, next.destroyed_by);
    write_head(next.writes, *parts_.store, head_);
    next.after = edge();
}

tree_head sequencer::edge() const
{
    return {
        .number = head_.number(),
        .root = head_.tree.root(),
        .leaves = std::make_shared<const hash_list>(tiles_.leaves())};
}

/// Gives the batch to the writing threads, then waits until the one before it is in the store: so a command that comes
/// now waits for one batch and goes with the next, however many wait with it.
void sequencer::hand_over(std::unique_ptr<batch> ready)
{
    {
        std::unique_lock lock(mutex_);
        await_disk(lock, [&] { return handed_ == nullptr; });
        if (failed_)
        {
            // What was decided on rows that may not exist is not true.
            give_up(*ready, nullptr);
            throw log_failure(*failed_);
        }
        handed_ = ready.get();
        handoff_.notify_one();
        await_disk(lock, [&] { return stored_ >= handed_over_; });
    }
    reclaim();
    in_flight_ = std::move(ready);
    ++handed_over_;
    destroyed_before_ = std::move(destroyed_);
    destroyed_.clear();
}

void sequencer::await_disk(std::unique_lock<std::mutex>& lock, const std::function<bool()>& done)
{
    waiting_for_disk_ = true;
    work_.wait(lock, done);
    waiting_for_disk_ = false;
}

/// Waking a thread costs as much as deciding several messages: only if it waits for what happened.
void sequencer::tell_decider()
{
    if (waiting_for_disk_ || failed_)
        work_.notify_one();
}

/// Once the rows of the batch in flight are in the store, only copies in the cache must follow.
void sequencer::reclaim()
{
    if (!in_flight_)
        return;
    {
        const std::lock_guard lock(mutex_);
        if (stored_ < handed_over_ || failed_)
            return;
    }
    for (table_id table = 0; table < table_count_; ++table)
    {
        auto& cached = cached_rows_[table];
        auto& durable = in_flight_->rows.tables()[table];
        if (!durable.erased.empty())
            cached.erase_if([&](const bytes& key) { return durable.erased.covers(key) != nullptr; });
        for (auto& [key, value] : durable.rows)
        {
            if (cached.find(key) == nullptr)
                continue;
            if (value)
            {
                const auto weight = row_weight(key, *value);
                cached.put(key, std::move(*value), weight);
            }
            else
                cached.erase(key);
        }
    }
    destroyed_before_.clear();
    spare_ = std::move(in_flight_);
    spare_->writes.Clear();
    spare_->outcomes.clear();
    spare_->rows.clear();
    spare_->destroyed.clear();
    spare_->records = 0;
    spare_->bytes = 0;
}

/// After a failure: nothing that waits is written any more, and everybody is told.
void sequencer::refuse_all(const error& why)
{
    std::vector<outcome> refused;
    const auto refuse = [&](std::shared_ptr<command> wanted)
    { refused.push_back({std::move(wanted), std::unexpected(why)}); };
    if (carried_)
        refuse(std::move(carried_->wanted));
    for (auto& wanted : pending_)
        refuse(std::move(wanted));
    pending_.clear();
    {
        const std::lock_guard lock(mutex_);
        while (!queue_.empty())
            refuse(queue_.pop());
    }
    if (!refused.empty())
        parts_.sink.on_commit(refused);
}

void sequencer::write_loop()
{
    std::unique_lock lock(mutex_);
    for (;;)
    {
        const bool sign = !storing_ && !failed_ && checkpoint_wanted();
        if (sign && std::chrono::steady_clock::now() >= checkpoint_due_)
            sign_next(lock);
        else if (handed_ != nullptr && !storing_ && unconfirmed_.size() < unconfirmed_max)
            store_next(lock);
        else if (!unconfirmed_.empty() && !confirming_)
            confirm_next(lock);
        else if (preparing_done_)
            return;
        else if (sign)
            handoff_.wait_until(lock, checkpoint_due_);
        else
            handoff_.wait(lock);
    }
}

void sequencer::store_next(std::unique_lock<std::mutex>& lock)
{
    auto& ready = *std::exchange(handed_, nullptr);
    storing_ = true;
    lock.unlock();
    auto done = store(ready);
    lock.lock();
    storing_ = false;
    ++stored_;
    unconfirmed_.push_back(std::move(done));
    tell_decider();
    // One goes on with the next batch, one confirms this one.
    if (handed_ != nullptr)
        handoff_.notify_one();
}

void sequencer::confirm_next(std::unique_lock<std::mutex>& lock)
{
    auto done = std::exchange(unconfirmed_, {});
    confirming_ = true;
    lock.unlock();
    confirm(std::move(done));
    lock.lock();
    confirming_ = false;
    tell_decider();
    // Who stored meanwhile may have found no room.
    if (handed_ != nullptr || !unconfirmed_.empty())
        handoff_.notify_one();
}

/// To disk. What readers will see is pinned before the next batch can be written.
sequencer::written sequencer::store(batch& ready)
{
    written out{.outcomes = std::move(ready.outcomes), .state = nullptr, .destroyed_by = {}, .good = {}};
    if (const std::lock_guard lock(mutex_); failed_)
        out.good = std::unexpected(*failed_);
    if (!out.good || ready.records == 0)
        return out;
    parts_.below.reached(crash_point::before_write);
    rocksdb::WriteOptions options;
    options.sync = true;
    const auto status = parts_.store->db().Write(options, &ready.writes);
    if (!status.ok())
    {
        out.good = std::unexpected(to_error(status, "cannot write the log"));
        fail(out.good.error());
        return out;
    }
    parts_.below.reached(crash_point::after_wal_sync);
    if (!ready.destroyed.empty())
    {
        parts_.with->keys->forget(ready.destroyed);
        out.destroyed_by = ready.destroyed_by;
    }
    out.state = std::make_shared<pinned_store>(parts_.store, ready.after, parts_.with->keys->generation());
    return out;
}

/// To the witness, then to readers, then to those who sent the commands. One sync serves all of them.
void sequencer::confirm(std::vector<written> done)
{
    std::shared_ptr<const pinned_store> newest;
    lsn destroyed_by;
    for (const auto& one : done)
        if (one.good && one.state)
        {
            newest = one.state;
            destroyed_by = std::max(destroyed_by, one.destroyed_by);
        }
    if (newest && !unwitnessed_)
    {
        if (const auto advanced = parts_.witness.advance(newest->head(), newest->root()); !advanced)
        {
            unwitnessed_ = advanced.error();
            fail(advanced.error());
        }
        else
        {
            parts_.below.reached(crash_point::after_witness_sync);
            if (destroyed_by.value != 0)
                parts_.destroyed(destroyed_by);
            const std::lock_guard lock(publish_mutex_);
            published_ = std::move(newest);
        }
    }
    for (auto& one : done)
    {
        // Whatever came to no records was decided on rows of batches before.
        if (one.good && unwitnessed_)
            one.good = std::unexpected(*unwitnessed_);
        if (!one.good)
            for (auto& out : one.outcomes)
                out.committed = std::unexpected(one.good.error());
        parts_.sink.on_commit(one.outcomes);
    }
}

bool sequencer::checkpoint_wanted() const
{
    return published()->head().value != checkpoint_size_;
}

/// Takes the place of a batch in the store: there is one writer at a time.
void sequencer::sign_next(std::unique_lock<std::mutex>& lock)
{
    storing_ = true;
    lock.unlock();
    const auto newest = published();
    const bool room = !measure_disk();
    const auto stored = room ? store_checkpoint(*parts_.store, sign_head(*newest, *parts_.with)) : result<void>();
    if (!stored)
        fail(stored.error());
    else if (room)
        parts_.below.reached(crash_point::checkpoint_stored);
    lock.lock();
    storing_ = false;
    checkpoint_due_ = std::chrono::steady_clock::now() + parts_.options.checkpoint_interval;
    if (!room)
        checkpoint_due_ += disk_check_interval;
    else if (stored)
        checkpoint_size_ = newest->head().value;
    tell_decider();
}

void sequencer::fail(const error& why)
{
    {
        const std::lock_guard lock(mutex_);
        if (failed_)
            return;
        failed_ = why;
    }
    spdlog::critical("the log failed: {}", why.detail);
    parts_.sink.on_failure(why);
}

bool sequencer::measure_disk()
{
    disk_measured_ms_ = steady_ms();
    const bool low = parts_.below.free_bytes(parts_.options.directory) < parts_.options.disk_free_floor_bytes;
    disk_low_ = low;
    return low;
}

/// Reports in the order in which the marks were passed, whichever thread passed them.
void sequencer::report_pressure()
{
    const std::lock_guard report(report_mutex_);
    bool now = false;
    {
        const std::lock_guard lock(mutex_);
        now = pressure_;
    }
    if (now == reported_pressure_)
        return;
    reported_pressure_ = now;
    parts_.sink.on_pressure(now);
}

} // namespace consortium::log
