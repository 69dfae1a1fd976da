#include "link/outbox.hpp"
#include "base/diagnostics.hpp"
#include <algorithm>

namespace consortium::agent
{
namespace
{

constexpr std::size_t batch_count_max = 100;

bool ends_everything(errc code) noexcept
{
    return code == errc::unauthorized || code == errc::revoked || code == errc::not_found || code == errc::forbidden;
}

} // namespace

result<void> outbox::seal_with(sealer seal, settler settle)
{
    seal_ = std::move(seal);
    settle_ = std::move(settle);
    const auto sealed = spool_.seal_all(seal_);
    settle_(sealed.has_value());
    changed_.notify();
    return sealed;
}

bool outbox::holds(std::string_view local_id) const
{
    return std::ranges::any_of(spool_.waiting(), [&](const spool_entry& each) { return each.local_id == local_id; });
}

result<void> outbox::push(boost::json::value d, unix_millis at, std::string local_id)
{
    spool_entry entry;
    entry.local_id = std::move(local_id);
    entry.at = at;
    entry.d = std::move(d);
    if (seal_)
    {
        auto bundle = seal_(entry);
        if (!bundle)
            return std::unexpected(bundle.error());
        entry.bundle = std::move(*bundle);
        entry.d = nullptr;
    }
    const auto kept = spool_.append(std::move(entry));
    if (seal_)
        settle_(kept.has_value());
    changed_.notify();
    return kept;
}

void outbox::nudge()
{
    changed_.notify();
}

void outbox::stop()
{
    stopped_ = true;
    changed_.notify();
    drained_.notify();
}

std::vector<spool_entry> outbox::next_batch() const
{
    std::vector<spool_entry> out;
    std::size_t size = 0;
    for (const auto& each : spool_.waiting())
    {
        if (!each.sealed() || out.size() == (single_ ? 1 : batch_count_max))
            break;
        size += each.bundle.size();
        if (!out.empty() && size > batch_bytes_max_)
            break;
        out.push_back(each);
    }
    return out;
}

/// What a failure means for what waits.
outbox::step outbox::judge(const std::vector<spool_entry>& batch, const relay_failure& failure)
{
    retry_ = failure.retry.value_or(std::chrono::milliseconds(0));
    if (failure.size_refused && batch.size() > 1)
    {
        std::size_t size = 0;
        for (const auto& each : batch)
            size += each.bundle.size();
        batch_bytes_max_ = size / 2;
        return step::on;
    }
    if (failure.size_refused && std::exchange(stuck_, batch.front().local_id) != batch.front().local_id && on_stuck)
        on_stuck(batch.front(), failure);
    const bool no_room = failure.by_relay && (failure == errc::quota || failure == errc::unavailable);
    if (no_room && !std::exchange(told_no_room_, true) && on_no_room)
        on_no_room(failure);
    if (failure.size_refused || (failure.by_relay && failure == errc::internal))
        return bear_with(batch, failure);
    if (worth_retrying(failure))
        return step::later;
    if (ends_everything(failure.code))
        return step::refused;
    if (batch.size() > 1)
    {
        single_ = true;
        return step::on;
    }
    const bool kept = spool_.set_aside().has_value();
    if (!kept)
        (void)spool_.done(1);
    left_out(batch.front(), failure, kept);
    return step::on;
}

/// The relay itself fails, on this message or on all; or something on the way takes nothing of its size. Nothing
/// overtakes it, so that a later try cannot change the order: it is either waited for or left out for good.
outbox::step outbox::bear_with(const std::vector<spool_entry>& batch, const relay_failure& failure)
{
    single_ = true;
    if (batch.size() > 1)
        return step::later;
    const auto& entry = batch.front();
    const auto now = std::chrono::steady_clock::now();
    if (failing_.id != entry.local_id)
        failing_ = {entry.local_id, 0, now};
    if (++failing_.tries == patience_.tries_said && on_stuck && !failure.size_refused)
        on_stuck(entry, failure);
    const bool too_long = failing_.tries >= patience_.tries && now - failing_.since >= patience_.time;
    // A size is refused for itself. Where the relay fails, it may fail on everything.
    const bool its_own = failure.size_refused
                             ? too_long || entry.bundle.size() >= size_given_up_
                             : too_long && !set_one_aside_ && takes_others && takes_others(failing_.since);
    if (!its_own || !spool_.set_aside())
        return step::later;
    if (failure.size_refused)
        size_given_up_ = std::min(size_given_up_, entry.bundle.size());
    else
        set_one_aside_ = true;
    left_out(entry, failure, /*kept=*/true);
    return step::on;
}

void outbox::left_out(const spool_entry& entry, const relay_failure& failure, bool kept)
{
    single_ = false;
    if (on_dropped)
        on_dropped(entry, failure, kept);
}

asio::awaitable<outbox::step> outbox::attempt()
{
    const auto batch = next_batch();
    if (batch.empty())
        co_return step::idle;
    const auto sent = co_await sender_->send_messages(batch);
    if (stopped_)
        co_return step::idle;
    diagnostics::note(
        sent ? "sent" : "not sent",
        std::to_string(batch.size()) + (sent ? " messages" : " messages: " + std::string(word(sent.error().code))));
    if (sent)
    {
        single_ = false;
        set_one_aside_ = false;
        told_no_room_ = false;
        (void)spool_.done(batch.size()); // a note that is missing costs a repetition
        co_return step::on;
    }
    const auto outcome = judge(batch, sent.error());
    if (outcome == step::refused && on_refused)
        on_refused(sent.error());
    co_return outcome;
}

asio::awaitable<void> outbox::run(std::shared_ptr<outbox> self)
{
    backoff pause;
    while (!self->stopped_)
    {
        const auto outcome = co_await self->attempt();
        if (self->stopped_ || outcome == step::refused)
            break;
        if (outcome == step::idle)
        {
            self->drained_.notify();
            co_await self->changed_.wait();
        }
        else if (outcome == step::later)
            co_await self->changed_.wait(std::max(pause.next(), self->retry_));
        else
            pause.reset();
    }
    self->stopped_ = true;
    self->drained_.notify();
}

asio::awaitable<bool> outbox::drained(std::chrono::milliseconds limit)
{
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!spool_.waiting().empty() && !stopped_)
    {
        const auto now = std::chrono::steady_clock::now();
        if (now >= deadline)
            break;
        co_await drained_.wait(deadline - now);
    }
    co_return spool_.waiting().empty();
}

} // namespace consortium::agent
