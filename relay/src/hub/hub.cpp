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
    std::deque<batch_item> items;
};

hub::hub(net::http_server& server, follower::settings bounds) : server_(server), bounds_(bounds)
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
        waiting_.emplace(key, waiting{here(), origin, std::move(done)});
    }
    auto queued = log_->submit(std::move(wanted));
    if (!queued)
    {
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
    if (who->queued_bytes() > bounds_.queue_bytes_max / 2)
    {
        who->reading_ = true;
        who->patience_ = std::clamp(who->patience_ * 2, patience_min, patience_max);
        auto timer = std::make_shared<asio::steady_timer>(server_.executor(here()), who->patience_);
        timer->async_wait([this, who, timer](const boost::system::error_code&)
                          { contain_for(*who, "reading the log for a client", [&] { read_part(who); }); });
        return;
    }
    who->patience_ = {};
    // Snapshot, reading and the step to live happen in one turn of this thread: what is committed after the snapshot
    // was taken reaches this thread after this turn, so nothing falls in between.
    lazy_snapshot at(*log_);
    stream_part part;
    part.last = projections::last_revision(at.get(), who->account());
    // The account was deleted: its stream is gone, and "caught up" with nothing would be a lie.
    if (part.last < who->place().sent())
        return who->revoked();
    auto events = projections::changes(
        at.get(), who->account(), who->place().sent(), limits::catch_up_batch, limits::catch_up_batch_bytes);
    if (!events)
    {
        spdlog::error("reading the log for a client failed: {}", events.error().detail);
        return who->fail("reading the log failed");
    }
    part.events = std::move(*events);
    snapshot_renderer make(*writer_, at);
    const bool more = who->place().on_part(part, make, *who);
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

void hub::send(account_id account, ephemeral what)
{
    const auto to_members = [this, account, what = std::move(what)]
    {
        auto& at = *shards_[here()];
        const auto place = at.rooms.find(account);
        if (place == at.rooms.end())
            return;
        const auto members = place->second.members;
        for (const auto& who : members)
            if (who->is_open() && !who->place().behind())
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
            woken = push(known->second.threads, [&] { return task(to_members); });
    }
    wake(woken);
}

void hub::post(std::size_t thread, std::move_only_function<void()> job)
{
    std::uint64_t woken = 0;
    {
        const std::lock_guard lock(guard_);
        woken = push(std::uint64_t{1} << thread, [&] { return std::move(job); });
    }
    wake(woken);
}

std::uint64_t hub::push(std::uint64_t threads, const std::function<task()>& make)
{
    std::uint64_t woken = 0;
    for (auto rest = threads; rest != 0; rest &= rest - 1)
    {
        const auto thread = static_cast<std::size_t>(std::countr_zero(rest));
        auto& to = *shards_[thread];
        to.inbox.push_back(make());
        if (!std::exchange(to.woken, true))
            woken |= std::uint64_t{1} << thread;
    }
    return woken;
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
    {
        const std::lock_guard lock(guard_);
        work.swap(at.inbox);
        at.woken = false;
    }
    at.delivering = true;
    for (auto& job : work)
        contain("a task of the hub", job);
    settle(at);
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
        const auto deliver_there = [&](std::size_t thread)
        { return task([this, thread, shared] { deliver(thread, shared); }); };
        for (auto rest = threads; rest != 0; rest &= rest - 1)
        {
            const auto thread = static_cast<std::size_t>(std::countr_zero(rest));
            woken |= push(std::uint64_t{1} << thread, [&] { return deliver_there(thread); });
        }
    }
    wake(woken);
}

void hub::deliver_event(shard& at, const published& event, connection_id origin)
{
    const auto& happened = *event.happened;
    const auto place = at.rooms.find(happened.header.account);
    if (place == at.rooms.end())
        return;
    auto& members = place->second.members;
    if (std::exchange(place->second.last_batch, at.batches) != at.batches)
        for (const auto& who : members)
            who->place().on_batch(*who);

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
}

void hub::on_pressure(bool high)
{
    for (std::size_t thread = 0; thread < shards_.size(); ++thread)
        post(thread, [this, high] { hooks_.pressure(high); });
}

void hub::on_failure(const error& why)
{
    hooks_.failure(why);
}

} // namespace consortium::relay
