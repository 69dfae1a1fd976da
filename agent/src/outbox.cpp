#include "outbox.hpp"
#include "consortium/common/base64.hpp"
#include "diagnostics.hpp"
#include "relay_client.hpp"

namespace consortium::agent
{
namespace
{

constexpr std::size_t batch_count_max = 100;
constexpr std::size_t batch_bytes_max = 4u << 20;

bool ends_everything(errc code) noexcept
{
    return code == errc::unauthorized || code == errc::revoked || code == errc::not_found || code == errc::forbidden;
}

} // namespace

result<void> outbox::seal_with(sealer seal)
{
    seal_ = std::move(seal);
    const auto sealed = spool_.seal_all(seal_);
    changed_.notify();
    return sealed;
}

result<void> outbox::push(boost::json::value d, unix_millis at)
{
    spool_entry entry;
    entry.local_id = hex_encode(random_array<16>());
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

std::vector<spool_entry> outbox::next_batch(bool single) const
{
    std::vector<spool_entry> out;
    std::size_t size = 0;
    for (const auto& each : spool_.waiting())
    {
        if (!each.sealed() || out.size() == (single ? 1 : batch_count_max))
            break;
        size += each.bundle.size();
        if (!out.empty() && size > batch_bytes_max)
            break;
        out.push_back(each);
    }
    return out;
}

asio::awaitable<void> outbox::run(std::shared_ptr<outbox> self)
{
    backoff pause;
    bool single = false;
    while (!self->stopped_)
    {
        auto batch = self->next_batch(single);
        if (batch.empty())
        {
            self->drained_.notify();
            co_await self->changed_.wait();
            continue;
        }
        const auto count = batch.size();
        const auto sent = co_await self->sender_->send_messages(std::move(batch));
        if (self->stopped_)
            break;
        diagnostics::note(
            sent ? "sent" : "not sent",
            std::to_string(count) + (sent ? " messages" : " messages: " + std::string(word(sent.error().code))));
        if (sent)
        {
            pause.reset();
            single = false;
            (void)self->spool_.done(count); // a note that is missing costs a repetition
        }
        else if (worth_retrying(sent.error()))
            co_await self->changed_.wait(
                std::max(pause.next(), sent.error().retry.value_or(std::chrono::milliseconds(0))));
        else if (ends_everything(sent.error().code))
        {
            if (self->on_refused)
                self->on_refused(sent.error());
            break;
        }
        else if (count > 1)
            single = true; // one of them is the cause: find it
        else
        {
            if (self->on_dropped)
                self->on_dropped(self->spool_.waiting().front(), sent.error());
            (void)self->spool_.done(1);
            single = false;
        }
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
