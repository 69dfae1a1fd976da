#include "connection.hpp"
#include "consortium/projections/views.hpp"
#include "contain.hpp"
#include <boost/asio/steady_timer.hpp>

namespace consortium::relay
{
namespace
{

constexpr auto look_interval = std::chrono::milliseconds(10);
constexpr std::size_t reached_max = 1024;

} // namespace

connection::connection(
    services& shared, connection_id id, socket& carrier, const projections::principal& who,
    protocol::v1::handshake_request asked, follower place)
    : member(id, who.account, who.device, std::move(place)),
      shared_(shared),
      carrier_(&carrier),
      who_(who),
      asked_(std::move(asked))
{
}

void connection::send(net::shared_frame frame)
{
    if (carrier_)
        carrier_->emit(std::move(frame));
}

void connection::flush()
{
    if (carrier_)
        carrier_->flush();
}

std::size_t connection::queued_bytes() const
{
    return carrier_ ? carrier_->queued_bytes() : 0;
}

bool connection::is_open() const
{
    return carrier_ && carrier_->is_open();
}

void connection::revoked()
{
    if (carrier_)
        carrier_->disconnect();
}

void connection::fail(std::string_view reason)
{
    if (carrier_)
        carrier_->close_transport(reason);
}

void connection::gone() noexcept
{
    carrier_ = nullptr;
    // What waits for an answer to what was said before is of no use to a client that is gone.
    barriers_.clear();
    // These were never acknowledged: the client sends them again. Whoever else counts on them, presence for one, hears
    // that they are not in the log.
    const error why{errc::closed, "the client has gone", {}};
    for (auto& given : std::exchange(stalled_, {}))
        (*given.done)({.wanted = given.wanted, .committed = std::unexpected(why)});
}

result<void> connection::submit(std::shared_ptr<log::command> wanted, hub::completion done)
{
    auto self = std::static_pointer_cast<connection>(shared_from_this());
    stalled_command given{
        std::move(wanted),
        std::make_shared<hub::completion>(
            [self, done = std::move(done)](const log::outcome& ended) mutable
            {
                contain("answering a client", [&] { done(ended); }, [&] { self->fail("internal error"); });
                self->completed();
            })};
    if (stalled_.empty())
    {
        auto queued = pass_on(given);
        if (!queued && queued.error() != errc::overloaded)
            return queued;
        ++submitted_;
        if (queued)
            return queued;
        stall();
    }
    else
        ++submitted_;
    stalled_.push_back(std::move(given));
    return {};
}

result<void> connection::pass_on(const stalled_command& given)
{
    return shared_.commits.submit(
        given.wanted, id(), [done = given.done](const log::outcome& ended) { (*done)(ended); });
}

void connection::stall()
{
    if (!carrier_)
        return;
    carrier_->pause_reading();
    look_soon(&connection::try_again);
}

void connection::look_soon(void (connection::*look)())
{
    auto timer = std::make_shared<boost::asio::steady_timer>(carrier_->executor(), look_interval);
    timer->async_wait(
        [self = std::static_pointer_cast<connection>(shared_from_this()), timer, look](const boost::system::error_code&)
        {
            if (self->carrier_)
                contain("a client's turn", [&] { (self.get()->*look)(); }, [&] { self->fail("internal error"); });
        });
}

void connection::try_again()
{
    while (!stalled_.empty())
    {
        const auto given = stalled_.front();
        const auto queued = pass_on(given);
        if (!queued && queued.error() == errc::overloaded)
            return look_soon(&connection::try_again);
        stalled_.pop_front();
        if (!queued)
            (*given.done)({.wanted = given.wanted, .committed = std::unexpected(queued.error())});
    }
    if (carrier_)
        carrier_->resume_reading();
}

void connection::completed()
{
    ++completed_;
    while (!barriers_.empty() && barriers_.front().after <= completed_)
    {
        auto task = std::move(barriers_.front().task);
        barriers_.pop_front();
        task();
    }
    if (carrier_)
        shared_.commits.touch(*this);
}

void connection::after_earlier(std::move_only_function<void()> task)
{
    if (completed_ == submitted_)
        return task();
    barriers_.push_back({submitted_, std::move(task)});
}

result<void> connection::reaches(session_id session)
{
    if (reached_.contains(session))
        return {};
    const auto at = shared_.log.read();
    if (auto reached = projections::reach(*at, who_, projections::session_target{session}, intent::write); !reached)
        return reached;
    if (reached_.size() >= reached_max)
        reached_.clear();
    reached_.insert(session);
    return {};
}

std::size_t connection::held_back_bytes() const
{
    return shared_.output.full(account()) ? limits::socket_full_bytes_max : shared_.settings.socket_queue_bytes_max;
}

void connection::hold_back_if_full()
{
    if (!carrier_ || held_back_ || carrier_->queued_bytes() < held_back_bytes())
        return;
    held_back_ = true;
    carrier_->pause_reading();
    look_soon(&connection::look_again);
}

void connection::promised(std::size_t bytes)
{
    promised_ += bytes;
    if (!carrier_ || waits_for_promised_ || promised_ < held_back_bytes())
        return;
    waits_for_promised_ = true;
    carrier_->pause_reading();
}

void connection::delivered(std::size_t bytes)
{
    promised_ -= bytes;
    if (!carrier_ || !waits_for_promised_ || promised_ >= held_back_bytes() / 2)
        return;
    // What was made lies in the queue now: that bound counts before anything more is read.
    hold_back_if_full();
    waits_for_promised_ = false;
    carrier_->resume_reading();
}

void connection::look_again()
{
    if (carrier_->queued_bytes() >= held_back_bytes() / 2)
        return look_soon(&connection::look_again);
    held_back_ = false;
    carrier_->resume_reading();
}

} // namespace consortium::relay
