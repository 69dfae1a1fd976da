#include "hub/hub.hpp"
#include "consortium/projections/views.hpp"
#include "contain.hpp"
#include <algorithm>
#include <bit>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <spdlog/spdlog.h>

namespace consortium::relay
{
namespace
{

// When a client that takes nothing is looked at again: soon, then less and less often.
constexpr auto patience_min = std::chrono::milliseconds(5);
constexpr auto patience_max = std::chrono::milliseconds(160);
/// A part of this size is not read on a network thread.
constexpr std::size_t much_bytes = 256u << 10;
/// However many clients an account has: each may leave so much untaken.
constexpr std::size_t share_bytes_min = 4u << 10;

/// Runs what is about one client. A bug ends its connection: it dials again and reads on where it was.
template <class Task>
void contain_for(member& who, std::string_view name, Task&& task) noexcept
{
    contain(name, std::forward<Task>(task), [&] { who.fail("internal error"); });
}

} // namespace

/// An event and its update, encoded when the first thread needs it.
struct hub::published
{
    std::shared_ptr<const log::event> happened;
    mutable std::once_flag once;
    mutable net::shared_frame encoded;

    const net::shared_frame& frame(update_writer& writer) const
    {
        std::call_once(
            once,
            [&]
            {
                lazy_snapshot at(writer.source());
                encoded = writer.update(*happened, at);
            });
        return encoded;
    }
};

struct hub::batch_item
{
    log::outcome ended;
    std::deque<published> events; // not movable once made
    waiting caller;
};

struct hub::commit_batch
{
    moment committed = std::chrono::steady_clock::now();
    std::deque<batch_item> items;
    std::size_t bytes = 0; ///< of bodies
};

hub::hub(net::http_server& server, follower::settings bounds, inbox_bounds inbox)
    : server_(server), bounds_(bounds), inbox_(inbox)
{
    CONSORTIUM_ASSERT(server.thread_count() <= 64);
    for (std::size_t i = 0; i < server.thread_count(); ++i)
        shards_.push_back(std::make_unique<shard>());
}

hub::~hub() = default;

void hub::attach(log::event_log& source, update_writer& writer, hooks calls)
{
    log_ = &source;
    writer_ = &writer;
    hooks_ = std::move(calls);
}

std::size_t hub::here() const
{
    const auto thread = server_.current_thread();
    CONSORTIUM_ASSERT(thread.has_value());
    return *thread;
}

result<void> hub::submit(std::shared_ptr<log::command> wanted, connection_id origin, completion done)
{
    const auto* key = wanted.get();
    {
        const std::lock_guard lock(guard_);
        waiting_.emplace(key, waiting{std::chrono::steady_clock::now(), here(), origin, std::move(done)});
    }
    auto queued = log_->submit(std::move(wanted));
    if (!queued)
    {
        if (hooks_.counts)
            hooks_.counts->count_refusal(refused::commands, queued.error().code);
        const std::lock_guard lock(guard_);
        waiting_.erase(key);
    }
    return queued;
}

asio::awaitable<result<committed_events>> hub::append(std::shared_ptr<log::command> wanted)
{
    auto initiation = [this](auto handler, std::shared_ptr<log::command> given)
    {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        auto queued =
            submit(std::move(given), 0, [shared](const log::outcome& ended) { std::move (*shared)(ended.committed); });
        if (!queued)
            asio::post(
                server_.executor(here()), [shared, why = std::move(queued).error()]() mutable
                { std::move (*shared)(result<committed_events>(std::unexpected(std::move(why)))); });
    };
    co_return co_await asio::async_initiate<decltype(asio::use_awaitable), void(result<committed_events>)>(
        std::move(initiation), asio::use_awaitable, std::move(wanted));
}

void hub::watch(account_id account)
{
    const auto thread = here();
    const std::lock_guard lock(guard_);
    auto& known = interests_[account];
    known.watchers.resize(shards_.size());
    ++known.watchers[thread];
    ++known.members;
    known.threads |= std::uint64_t{1} << thread;
}

void hub::unwatch_locked(account_id account, std::size_t thread)
{
    const auto known = interests_.find(account);
    CONSORTIUM_ASSERT(known != interests_.end() && known->second.watchers[thread] > 0);
    --known->second.members;
    if (--known->second.watchers[thread] == 0)
        known->second.threads &= ~(std::uint64_t{1} << thread);
    if (known->second.threads == 0)
        interests_.erase(known);
}

void hub::unwatch(account_id account)
{
    const auto thread = here();
    const std::lock_guard lock(guard_);
    unwatch_locked(account, thread);
}

std::size_t hub::member_count(account_id account) const
{
    const std::lock_guard lock(guard_);
    const auto known = interests_.find(account);
    return known == interests_.end() ? 0 : known->second.members;
}

hub::load hub::load_now() const
{
    const std::lock_guard lock(guard_);
    load out{.commands = waiting_.size(), .inbox_bytes = 0};
    for (const auto& one : shards_)
        out.inbox_bytes += one->inbox_bytes;
    return out;
}

void hub::join(std::shared_ptr<member> who)
{
    auto& at = *shards_[here()];
    auto& place = at.rooms[who->account()];
    // What joins while a batch is being delivered has its snapshot behind that batch.
    place.members.push_back(who);
    if (who->place().behind())
        read_on(who);
}

void hub::leave(const std::shared_ptr<member>& who)
{
    auto& at = *shards_[here()];
    if (at.delivering)
        at.departed.push_back(who);
    else
        remove(at, who);
    unwatch(who->account());
    run_waiting(*who);
}

void hub::remove(shard& at, const std::shared_ptr<member>& who)
{
    const auto place = at.rooms.find(who->account());
    if (place == at.rooms.end())
        return;
    std::erase(place->second.members, who);
    if (place->second.members.empty())
        at.rooms.erase(place);
}

void hub::read_on(const std::shared_ptr<member>& who)
{
    if (who->reading_)
        return;
    who->reading_ = true;
    asio::post(
        server_.executor(here()),
        [this, who] { contain_for(*who, "reading the log for a client", [&] { read_part(who); }); });
}

void hub::read_part(const std::shared_ptr<member>& who)
{
    who->reading_ = false;
    if (!who->is_open() || !who->place().behind())
        return;
    const auto& rooms = shards_[here()]->rooms;
    const auto place = rooms.find(who->account());
    if (place == rooms.end())
        return;
    const auto share = share_of(place->second, who->account());
    if (share == 0 || who->queued_bytes() > share / 2)
    {
        who->reading_ = true;
        who->patience_ = std::clamp(who->patience_ * 2, patience_min, patience_max);
        auto timer = std::make_shared<asio::steady_timer>(server_.executor(here()), who->patience_);
        timer->async_wait([this, who, timer](const boost::system::error_code&)
                          { contain_for(*who, "reading the log for a client", [&] { read_part(who); }); });
        return;
    }
    who->patience_ = {};
    const auto bytes_max = std::min(limits::catch_up_batch_bytes, share / 2);
    if (who->reads_much_ && hooks_.elsewhere)
        return read_ahead(who, bytes_max);
    // Snapshot, reading and the step to live happen in one turn of this thread: what is committed after the snapshot
    // was taken reaches this thread after this turn, so nothing falls in between.
    lazy_snapshot at(*log_);
    take(who, read(at, who->account(), who->place().sent(), bytes_max), at);
}

/// Reading much, and encoding what is large, takes longer than others of this thread should wait. What was committed
/// meanwhile is read afterwards: only a part that is read in one turn leads to live.
void hub::read_ahead(const std::shared_ptr<member>& who, std::size_t bytes_max)
{
    struct ahead
    {
        lazy_snapshot at;
        result<stream_part> part = fail(errc::internal, "the log could not be read");
        std::vector<net::shared_frame> encoded; ///< held, so that update_writer has them at hand
    };
    who->reading_ = true;
    hooks_.elsewhere(
        [this, who, bytes_max, sent = who->place().sent(), thread = here()]
        {
            auto got = std::make_shared<ahead>(lazy_snapshot(*log_));
            contain(
                "reading ahead for a client",
                [&]
                {
                    got->part = read(got->at, who->account(), sent, bytes_max);
                    if (!got->part)
                        return;
                    for (const auto& happened : got->part->events)
                        if (happened.header.body_bytes >= update_writer::large_bytes_min && !happened.shredded())
                            got->encoded.push_back(writer_->update(happened, got->at));
                    // So that it is looked again, where the stream is there at all.
                    const auto read_to = got->part->events.empty() ? sent : got->part->events.back().header.rev;
                    if (got->part->last >= sent)
                        got->part->last = std::max(got->part->last, read_to.next());
                });
            asio::post(
                server_.executor(thread),
                [this, who, got]
                {
                    who->reading_ = false;
                    if (who->is_open() && who->place().behind())
                        contain_for(*who, "reading the log for a client", [&] { take(who, got->part, got->at); });
                });
        });
}

result<stream_part> hub::read(lazy_snapshot& at, account_id account, revision sent, std::size_t bytes_max) const
{
    stream_part part;
    const auto last = projections::last_revision(at.get(), account);
    if (!last)
        return std::unexpected(last.error());
    part.last = *last;
    auto events = projections::changes(at.get(), account, sent, limits::catch_up_batch, bytes_max);
    if (!events)
        return std::unexpected(events.error());
    part.events = std::move(*events);
    return part;
}

void hub::take(const std::shared_ptr<member>& who, const result<stream_part>& part, lazy_snapshot& at)
{
    if (!part)
    {
        spdlog::error("reading the log for a client failed: {}", part.error().detail);
        return who->fail("reading the log failed");
    }
    // The account was deleted: its stream is gone, and "caught up" with nothing would be a lie.
    if (part->last < who->place().sent())
        return who->revoked();
    std::size_t size = 0;
    for (const auto& happened : part->events)
        size += happened.header.body_bytes;
    who->reads_much_ = size >= much_bytes;
    snapshot_renderer make(*writer_, at);
    const bool more = who->place().on_part(*part, make, *who);
    who->flush();
    if (more)
        return read_on(who);
    run_waiting(*who);
    who->flush();
}

void hub::when_live(member& who, std::move_only_function<void()> task)
{
    if (!who.place().behind())
        return task();
    who.when_live_.push_back(std::move(task));
}

void hub::run_waiting(member& who)
{
    for (auto& task : std::exchange(who.when_live_, {}))
        contain("what waited for a client to catch up", task);
}

void hub::touch(member& who)
{
    auto& at = *shards_[here()];
    if (!at.delivering)
        return who.flush();
    if (std::exchange(who.touched_, true))
        return;
    at.touched.push_back(who.shared_from_this());
}

void hub::send(account_id account, std::size_t bytes, ephemeral what)
{
    const auto to_members = [this, account, what = std::move(what)]
    {
        auto& at = *shards_[here()];
        const auto place = at.rooms.find(account);
        if (place == at.rooms.end())
            return;
        const auto members = place->second.members;
        for (const auto& who : members)
            if (who->is_open() && !who->place().behind() && who->queued_bytes() <= bounds_.queue_bytes_max)
                contain_for(
                    *who, "telling a client",
                    [&]
                    {
                        what(*who);
                        touch(*who);
                    });
    };
    std::uint64_t woken = 0;
    {
        const std::lock_guard lock(guard_);
        const auto known = interests_.find(account);
        if (known != interests_.end())
            for (auto rest = known->second.threads; rest != 0; rest &= rest - 1)
                if (const auto thread = static_cast<std::size_t>(std::countr_zero(rest)); has_room(thread, bytes))
                    woken |= push(thread, bytes, task(to_members));
    }
    wake(woken);
}

void hub::post(std::size_t thread, std::move_only_function<void()> job)
{
    std::uint64_t woken = 0;
    {
        const std::lock_guard lock(guard_);
        woken = push(thread, 0, std::move(job));
    }
    wake(woken);
}

std::uint64_t hub::push(std::size_t thread, std::size_t bytes, task job)
{
    auto& to = *shards_[thread];
    to.inbox.push_back(std::move(job));
    to.inbox_bytes += bytes;
    return std::exchange(to.woken, true) ? 0 : std::uint64_t{1} << thread;
}

void hub::wake(std::uint64_t threads)
{
    for (auto rest = threads; rest != 0; rest &= rest - 1)
    {
        const auto thread = static_cast<std::size_t>(std::countr_zero(rest));
        server_.post(thread, [this, thread] { drain(thread); });
    }
}

void hub::drain(std::size_t thread)
{
    auto& at = *shards_[thread];
    std::vector<task> work;
    std::unordered_set<account_id> missed;
    {
        const std::lock_guard lock(guard_);
        work.swap(at.inbox);
        missed.swap(at.missed);
        at.inbox_bytes = 0;
        at.woken = false;
    }
    at.delivering = true;
    contain("sending clients back to the log", [&] { send_back(at, missed); });
    for (auto& job : work)
        contain("a task of the hub", job);
    settle(at);
}

/// Their events found no room here: they are read from the log.
void hub::send_back(shard& at, const std::unordered_set<account_id>& missed)
{
    for (const auto account : missed)
        if (const auto place = at.rooms.find(account); place != at.rooms.end())
            for (const auto& who : place->second.members)
            {
                who->place().fall_behind();
                touch(*who);
            }
}

void hub::settle(shard& at)
{
    at.delivering = false;
    for (const auto& who : std::exchange(at.touched, {}))
    {
        who->touched_ = false;
        contain_for(
            *who, "sending to a client",
            [&]
            {
                who->flush();
                if (who->place().behind())
                    read_on(who);
            });
    }
    for (const auto committed : std::exchange(at.delivered, {}))
        hooks_.counts->fan_out_took(std::chrono::steady_clock::now() - committed);
    for (const auto& who : std::exchange(at.revoked, {}))
        contain_for(*who, "signing a client out", [&] { who->revoked(); });
    for (const auto& who : std::exchange(at.departed, {}))
        remove(at, who);
}

void hub::on_commit(std::span<const log::outcome> batch)
{
    auto shared = std::make_shared<commit_batch>();
    for (const auto& ended : batch)
    {
        auto& item = shared->items.emplace_back();
        item.ended = ended;
        if (!ended.committed)
            continue;
        for (const auto& happened : *ended.committed)
        {
            item.events.emplace_back().happened = happened;
            shared->bytes += happened->header.body_bytes;
            writer_->learn(*happened);
            hooks_.committed(*happened);
        }
    }
    std::uint64_t threads = 0;
    std::uint64_t woken = 0;
    {
        const std::lock_guard lock(guard_);
        for (auto& item : shared->items)
        {
            if (auto caller = waiting_.extract(item.ended.wanted.get()))
            {
                item.caller = std::move(caller.mapped());
                threads |= std::uint64_t{1} << item.caller.thread;
            }
            if (item.events.empty())
                continue;
            // The events of one command are of one account.
            const auto known = interests_.find(item.events.front().happened->header.account);
            if (known != interests_.end())
                threads |= known->second.threads;
        }
        // Into all inboxes before any thread can act on it.
        for (auto rest = threads; rest != 0; rest &= rest - 1)
            woken |= push_batch(static_cast<std::size_t>(std::countr_zero(rest)), shared);
    }
    wake(woken);
    if (hooks_.counts)
        count(*shared);
}

void hub::count(const commit_batch& batch)
{
    for (const auto& item : batch.items)
    {
        for (const auto& event : item.events)
            hooks_.counts->count_event(event.happened->header.type, event.happened->header.body_bytes);
        // What the relay asks of itself was not submitted here.
        if (item.caller.since == moment())
            continue;
        if (!item.events.empty())
            hooks_.counts->append_took(batch.committed - item.caller.since);
        else if (!item.ended.committed)
            hooks_.counts->count_refusal(refused::commands, item.ended.committed.error().code);
    }
}

bool hub::has_room(std::size_t thread, std::size_t bytes) const
{
    const auto& to = *shards_[thread];
    // What is larger than the bound goes alone.
    return to.inbox.size() < inbox_.count_max && (to.inbox_bytes == 0 || to.inbox_bytes + bytes <= inbox_.bytes_max);
}

std::uint64_t hub::push_batch(std::size_t thread, const std::shared_ptr<commit_batch>& batch)
{
    const bool room = has_room(thread, batch->bytes);
    const auto given = room ? batch : part_that_must(thread, *batch);
    if (given->items.empty())
        return 0; // the thread was woken for what left no room
    return push(thread, room ? batch->bytes : 0, [this, thread, given] { deliver(thread, given); });
}

std::shared_ptr<hub::commit_batch> hub::part_that_must(std::size_t thread, commit_batch& batch)
{
    auto out = std::make_shared<commit_batch>();
    out->committed = batch.committed;
    for (auto& item : batch.items)
    {
        batch_item kept;
        for (const auto& event : item.events)
        {
            const auto& header = event.happened->header;
            if (const auto known = interests_.find(header.account);
                known != interests_.end() && (known->second.threads >> thread & 1) != 0)
                shards_[thread]->missed.insert(header.account);
            if (log::describe(header.type).voids_tokens())
                kept.events.emplace_back().happened = event.happened;
        }
        if (item.caller.done && item.caller.thread == thread)
        {
            kept.ended = item.ended;
            kept.caller = std::move(item.caller);
        }
        if (kept.caller.done || !kept.events.empty())
            out->items.push_back(std::move(kept));
    }
    return out;
}

void hub::deliver_event(shard& at, const published& event, connection_id origin)
{
    const auto& happened = *event.happened;
    const auto place = at.rooms.find(happened.header.account);
    if (place == at.rooms.end())
        return;
    auto& members = place->second.members;
    if (std::exchange(place->second.last_batch, at.batches) != at.batches)
    {
        const auto share = share_of(place->second, happened.header.account);
        for (const auto& who : members)
            who->place().on_batch(*who, share);
    }

    lazy_snapshot snapshot(*log_);
    snapshot_renderer make(*writer_, snapshot);
    const std::function<net::shared_frame()> frame = [&] { return event.frame(*writer_); };
    const bool is_message = happened.header.type == log::event_type::message_appended;
    // By index: a client that closes meanwhile is removed after the batch.
    for (std::size_t i = 0; i < members.size(); ++i)
    {
        auto& who = *members[i];
        const bool own = is_message && origin != 0 && who.id() == origin;
        contain_for(
            who, "telling a client of an event",
            [&]
            {
                if (who.place().on_event(happened, frame, own, make, who) || who.place().behind())
                    touch(who);
            });
    }
    if (const auto known = log::describe(happened.header.type); known.voids_tokens())
        for (const auto& who : members)
            if (known.about == log::event_subject::account || who->device() == happened.header.stream.as<device_id>())
                at.revoked.push_back(who);
}

void hub::deliver(std::size_t thread, const std::shared_ptr<commit_batch>& batch)
{
    auto& at = *shards_[thread];
    ++at.batches;
    for (const auto& item : batch->items)
        for (const auto& event : item.events)
            contain("delivering an event", [&] { deliver_event(at, event, item.caller.origin); });
    for (auto& item : batch->items)
        // Whose it is first: the rest of it is that thread's alone.
        if (item.caller.thread == thread && item.caller.done)
            contain("what follows a commit", [&] { std::exchange(item.caller.done, {})(item.ended); });
    const auto has_events = [](const batch_item& item) { return !item.events.empty(); };
    if (hooks_.counts && std::ranges::any_of(batch->items, has_events))
        at.delivered.push_back(batch->committed);
}

std::size_t hub::share_of(const room& place, account_id account)
{
    auto& output = writer_->output();
    if (output.full(account))
        return 0;
    // The room of one thread: others of the account's may be on each of the others.
    const auto members = std::max<std::size_t>(place.members.size(), 1) * shards_.size();
    return std::clamp(output.account_bytes_max() / members, share_bytes_min, bounds_.queue_bytes_max);
}

void hub::on_pressure(bool high)
{
    if (hooks_.counts)
        hooks_.counts->set_pressure(high);
    for (std::size_t thread = 0; thread < shards_.size(); ++thread)
        post(thread, [this, high] { hooks_.pressure(high); });
}

void hub::on_failure(const error& why)
{
    hooks_.failure(why);
}

} // namespace consortium::relay
