#include "sequencer.hpp"
#include "key_compactor.hpp"
#include <algorithm>
#include <pthread.h>
#include <ranges>

namespace consortium::log
{
namespace
{

using namespace std::chrono_literals;

constexpr std::size_t scope_keys_max = 65'536;
constexpr std::size_t pending_max = 32; ///< commands taken from the queue at once
/// Deciding so many takes about as long as the syncs of a batch: smaller batches are not worth syncs of their own.
constexpr std::size_t early_batch_records_min = 32;
/// Answers without a record are bounded too.
constexpr std::size_t batch_outcomes_max = 4 * limits::batch_records_max;
constexpr auto retry_overloaded = 100ms;
/// So long after a small command others are taken to be there, for whom large ones leave time.
constexpr auto others_remembered = 200ms;
/// The longest that a large command waits for them.
constexpr auto large_pause_max = 200ms;

} // namespace

sequencer::sequencer(environment parts)
    : store_(std::move(parts.store)),
      with_(std::move(parts.with)),
      rules_(parts.rules),
      sink_(parts.sink),
      clock_(parts.clock),
      disk_(parts.disk),
      batch_records_max_(parts.options.batch_records_max),
      table_count_(rules_.tables().size()),
      head_(std::move(parts.head)),
      tiles_(std::move(parts.tiles)),
      rows_(store_, with_, table_count_),
      scope_keys_(scope_keys_max),
      queue_({.count_max = parts.options.queue_records_max, .bytes_max = parts.options.queue_bytes_max}),
      committer_(
          {.store = store_,
           .with = with_,
           .witness = std::move(parts.witness),
           .checkpoint = parts.checkpoint,
           .sink = sink_,
           .recent = parts.recent,
           .disk = disk_,
           .checkpoint_interval = parts.options.checkpoint_interval,
           .below = std::move(parts.below),
           .destroyed = std::move(parts.destroyed),
           .progressed = [this] { on_progress(); }},
          edge())
{
    thread_ = std::thread([this] { decide_loop(); });
    // Names are for whoever looks at the process from outside: at most 15 letters.
    ::pthread_setname_np(thread_.native_handle(), "log-decide");
}

sequencer::~sequencer()
{
    close();
}

result<void> sequencer::submit(std::shared_ptr<command> wanted)
{
    // Below the floor what needs no room goes on: what a command needs is known when it is decided.
    disk_.measure_if_low();
    if (disk_.full())
        return std::unexpected(disk_.refusal());

    bool pressure_changed = false;
    bool wake = false;
    {
        const std::lock_guard lock(mutex_);
        if (committer_.failed()) // why is for the sink: on_failure()
            return consortium::fail(errc::closed, "the log has failed");
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

void sequencer::close()
{
    const std::lock_guard once(close_mutex_);
    {
        const std::lock_guard lock(mutex_);
        closing_ = true;
    }
    work_.notify_one();
    if (!thread_.joinable())
        return;
    thread_.join();
    committer_.stop();
}

void sequencer::decide_loop()
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
    // Batches in flight may still succeed; their callers are told first.
    committer_.drain();
    end_errands();
    if (why)
    {
        committer_.fail(*why);
        refuse_all(*why);
    }
}

bool sequencer::between_batches(const std::function<void()>& what)
{
    errand mine{.what = &what};
    std::unique_lock lock(mutex_);
    if (ended_)
        return false;
    errand_ = &mine;
    work_.notify_one();
    errand_done_.wait(lock, [&] { return mine.done; });
    return mine.ran;
}

/// On the deciding thread, before it takes anything for a batch.
void sequencer::run_errand(std::unique_lock<std::mutex>& lock)
{
    auto* const mine = std::exchange(errand_, nullptr);
    lock.unlock();
    committer_.drain();
    // After a failure the store may hold more than was ever published: nothing is made from what is published then.
    const bool sound = !committer_.failed();
    if (sound)
    {
        reclaim();
        (*mine->what)();
        rows_.look_again();
        committer_.publish_again();
    }
    lock.lock();
    mine->ran = sound;
    mine->done = true;
    errand_done_.notify_all();
}

void sequencer::end_errands()
{
    const std::lock_guard lock(mutex_);
    ended_ = true;
    if (auto* const mine = std::exchange(errand_, nullptr))
        mine->done = true;
    errand_done_.notify_all();
}

/// The next batch: everything that waits, and while the disk is busy with the batch before, everything that comes.
/// nullptr: closed, or failed.
std::unique_ptr<batch> sequencer::build()
{
    auto next = spare_ ? std::move(spare_) : std::make_unique<batch>(table_count_);
    rows_.lay(&next->rows, in_flight_ ? &in_flight_->rows : nullptr);
    if (std::unique_lock lock(mutex_); errand_ != nullptr)
        run_errand(lock);
    before_.head = head_;
    before_.tiles = tiles_;
    for (;;)
    {
        std::shared_ptr<command> current;
        try
        {
            fill(*next, current);
            if (next->outcomes.empty())
                return nullptr;
            seal_rows(*next);
            return next;
        }
        catch (const view_failure& broken)
        {
            begin_again(*next, std::move(current), broken.reason);
        }
        catch (...)
        {
            give_up(*next, std::move(current));
            throw;
        }
    }
}

/// `current` is the command that is being decided or folded, if any is.
void sequencer::fill(batch& next, std::shared_ptr<command>& current)
{
    if (carried_)
    {
        auto first = std::move(*carried_);
        carried_.reset();
        current = first.wanted;
        admit(next, std::move(first));
    }
    while (!carried_ && next.records < batch_records_max_ && next.bytes < limits::batch_bytes_max &&
           next.outcomes.size() < batch_outcomes_max)
    {
        current = nullptr;
        if (pending_.empty() && !refill(next))
            break;
        current = std::move(pending_.front());
        pending_.pop_front();
        if (current == unfit_.wanted)
        {
            next.outcomes.push_back({std::exchange(unfit_.wanted, nullptr), std::unexpected(unfit_.why)});
            // Those before it were decided twice. That is enough, whoever comes next.
            if (next.records > 0)
                break;
        }
        else
            take(next, current);
    }
    current = nullptr;
}

/// A view table that `unfit` is folded with is broken, and some of its rows are folded: nothing of the batch happened.
/// Those before it that have records are decided once more, without it.
void sequencer::begin_again(batch& next, std::shared_ptr<command> unfit, const error& why)
{
    CONSORTIUM_ASSERT(unfit != nullptr);
    const bool alone = next.records == 0;
    head_ = before_.head;
    tiles_ = before_.tiles;
    scope_keys_ = decltype(scope_keys_)(scope_keys_max); // keys that were made in it are in there
    destroyed_.clear();
    next.take_back();
    if (alone)
    {
        next.outcomes.push_back({std::move(unfit), std::unexpected(why)});
        return;
    }
    unfit_ = {unfit, why};
    give_up(next, std::move(unfit));
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
            if (const auto why = committer_.failed())
                throw log_failure(*why);
            if (errand_ != nullptr && next.outcomes.empty())
                run_errand(lock);
            const auto wanted = may_go(next);
            if (ripe(next, wanted))
                return false;
            if (queue_.has(wanted))
            {
                take_from_queue(wanted);
                break;
            }
            if (closing_ && next.outcomes.empty())
                return false;
            waiting_for_work_ = true;
            waiting_for_disk_ = !next.outcomes.empty() || large_since_;
            // What waits and may not go is large: the one before it is on its way, or its pause passes.
            if (queue_.empty() || waiting_for_disk_)
                work_.wait(lock);
            else
                work_.wait_until(lock, large_again_);
            waiting_for_work_ = waiting_for_disk_ = false;
        }
        if (pressure_ && queue_.below_low_mark())
        {
            pressure_ = false;
            relieved = true;
        }
    }
    if (relieved)
        report_pressure();
    disk_.measure();
    reclaim();
    return true;
}

/// Which commands may go into the batch now. While others are there, a large one begins a batch of its own, once the
/// one before it is stored and others had as much time as that took: so large writes have half of the log's time at
/// most, and nobody's small command waits for more than one of them.
command_queue::choice sequencer::may_go(const batch& next)
{
    using choice = command_queue::choice;
    const auto now = std::chrono::steady_clock::now();
    if (large_since_ && large_handed_ && committer_.stored_all())
    {
        large_again_ = now + std::min<std::chrono::steady_clock::duration>(now - *large_since_, large_pause_max);
        large_since_.reset();
    }
    if (closing_ || now - small_taken_ > others_remembered)
        return choice::any;
    const bool large = next.outcomes.empty() && !large_since_ && now >= large_again_ && queue_.has(choice::large);
    return large ? choice::large : choice::small;
}

void sequencer::take_from_queue(command_queue::choice wanted)
{
    const auto now = std::chrono::steady_clock::now();
    do
    {
        auto taken = queue_.pop(wanted);
        if (queue_.is_large(taken->size()))
        {
            large_since_ = large_since_.value_or(now);
            large_handed_ = false;
        }
        else
            small_taken_ = now;
        pending_.push_back(std::move(taken));
    } while (wanted != command_queue::choice::large && pending_.size() < pending_max && queue_.has(wanted));
}

/// Whether the batch should go although it could hold more. While the disk is busy with the one before it grows with
/// whatever comes, until it holds half of all that waits: then it stands ready for the disk, and the other half
/// follows.
bool sequencer::ripe(const batch& next, command_queue::choice wanted) const
{
    if (next.outcomes.empty() || committer_.waiting())
        return false;
    if (next.records >= early_batch_records_min && next.outcomes.size() >= queue_.count())
        return true;
    return !queue_.has(wanted) && committer_.idle();
}

void sequencer::take(batch& next, std::shared_ptr<command> wanted)
{
    // A clock that steps back must not make later records older than earlier ones.
    const auto now = std::max(clock_.now(), head_.time);
    result<decision> what = std::unexpected(error{});
    try
    {
        what = wanted->decide(rows_, now);
    }
    catch (const view_failure& broken)
    {
        what = std::unexpected(broken.reason);
    }
    catch (const log_failure&)
    {
        throw;
    }
    catch (const std::exception& bug)
    {
        what = consortium::fail(errc::internal, bug.what());
    }
    if (what && !what->drafts.empty())
        if (const auto good = check(*what); !good)
            what = std::unexpected(good.error());
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
    if (next.records > 0 && (next.records + ready.what.drafts.size() > batch_records_max_ ||
                             next.bytes + ready.bytes > limits::batch_bytes_max))
        carried_ = std::move(ready);
    else
        admit(next, std::move(ready));
}

result<void> sequencer::check(const decision& what)
try
{
    auto good = check_room(what);
    if (good)
        good = rules_.admit(rows_, what);
    if (good)
        good = check_drafts(what);
    if (good)
        good = check_keys(what);
    return good;
}
catch (const view_failure& broken)
{
    return std::unexpected(broken.reason);
}

/// The reserve below the disk's floor is for what needs no room.
result<void> sequencer::check_room(const decision& what)
{
    const bool needs_room =
        std::ranges::any_of(what.drafts, [](const draft& one) { return !describe(one.type).needs_no_room(); });
    if (disk_.full() || (needs_room && disk_.low()))
        return std::unexpected(disk_.refusal());
    return {};
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
                with_->keys->load(*store_, {}, with_->keys->stored_id(draft.key)).what != key_state::kind::unknown;
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
    const auto id = with_->keys->stored_id(scope);
    auto state = with_->keys->load(*store_, {}, id);
    if (state.what != key_state::kind::present)
        return nullptr;
    scope_keys_.put(scope, {.id = id, .key = *state.key});
    return scope_keys_.find(scope);
}

void sequencer::admit(batch& next, decided ready)
{
    auto& keys = *with_->keys;
    if (next.records == 0)
        head_.previous = head_.tree;
    const auto tile = tile_writer(next.writes, *store_);
    std::vector<std::shared_ptr<const event>> events;
    events.reserve(ready.what.drafts.size());
    auto rev = rules_.last_revision(rows_, ready.what.account);
    for (auto& draft : ready.what.drafts)
    {
        const lsn number{head_.tree.size() + 1};
        rev = rev.next();
        if (draft.creates_key)
        {
            const auto fresh = key256::random();
            const scope_key made{.id = keys.stored_id(draft.key), .key = sealing_key(fresh)};
            keys.add(next.writes, *store_, made.id, fresh);
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
        next.writes.Put(store_->log(), slice(record_key(number)), slice(buffer_));
        tiles_.append(head_.tree, leaf, tile);

        for (const auto& scope : draft.destroys)
        {
            const auto* ending = find_key(scope);
            if (ending == nullptr)
                continue; // it ended before
            keyring::destroy(next.writes, *store_, ending->id, number);
            next.destroyed.push_back(ending->id);
            next.destroyed_by = number;
            scope_keys_.erase(scope);
            destroyed_.insert(scope);
        }

        auto happened =
            std::make_shared<const event>(event{.number = number, .header = header, .body = std::move(draft.body)});
        rules_.fold(*happened, rows_);
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
    next.rows.write(next.writes, *store_, with_->rows);
    tiles_.write_grown(tile_writer(next.writes, *store_));
    if (!next.destroyed.empty())
        write_destroyed(next.writes, *store_, next.destroyed_by);
    write_head(next.writes, *store_, head_);
    next.after = edge();
}

tree_head sequencer::edge() const
{
    return {
        .number = head_.number(),
        .root = head_.tree.root(),
        .leaves = std::make_shared<const hash_list>(tiles_.leaves())};
}

/// The next batch is begun once the one before this is in the store: so a command that comes now waits for one batch
/// and goes with the next, however many wait with it.
void sequencer::hand_over(std::unique_ptr<batch> ready)
{
    if (const auto taken = committer_.hand_over(*ready); !taken)
    {
        // What was decided on rows that may not exist is not true.
        give_up(*ready, nullptr);
        throw log_failure(taken.error());
    }
    large_handed_ = true;
    retire(std::exchange(in_flight_, std::move(ready)));
    destroyed_before_ = std::move(destroyed_);
    destroyed_.clear();
}

/// Looks whether the batch in flight has arrived.
void sequencer::reclaim()
{
    if (!in_flight_ || !committer_.stored_all())
        return;
    retire(std::move(in_flight_));
    destroyed_before_.clear();
}

/// The batch that was in flight is in the store, or never will be and no decision will count.
void sequencer::retire(std::unique_ptr<batch> stored)
{
    if (!stored)
        return;
    rows_.absorb();
    stored->clear();
    spare_ = std::move(stored);
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
        sink_.on_commit(refused);
}

/// Waking a thread costs as much as deciding several messages: only if it waits for the disk.
void sequencer::on_progress()
{
    {
        const std::lock_guard lock(mutex_);
        if (!waiting_for_disk_ && !committer_.failed())
            return;
    }
    work_.notify_one();
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
    sink_.on_pressure(now);
}

} // namespace consortium::log
