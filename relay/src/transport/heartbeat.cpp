#include "transport/heartbeat.hpp"
#include "contain.hpp"
#include <utility>

namespace consortium::relay
{

heartbeat::heartbeat(boost::asio::any_io_executor executor, settings how)
    : how_(std::move(how)), timer_(std::move(executor))
{
}

void heartbeat::start(std::weak_ptr<void> owner)
{
    owner_ = std::move(owner);
    schedule(how_.interval);
}

void heartbeat::stop()
{
    ++turn_;
    timer_.cancel();
}

void heartbeat::schedule(std::chrono::milliseconds after)
{
    timer_.expires_after(after);
    timer_.async_wait(
        [this, owner = owner_, turn = ++turn_](const boost::system::error_code&)
        {
            const auto held = owner.lock();
            if (held && turn_ == turn)
                contain("a heartbeat", [this] { due(); }, how_.missed);
        });
}

void heartbeat::due()
{
    if (state_ == state::asked)
        return how_.missed();
    const bool held = state_ != state::resting;
    state_ = held ? state::held_asked : state::asked;
    schedule(held ? how_.interval : how_.timeout);
    how_.ask();
}

void heartbeat::heard()
{
    if (state_ != state::asked && state_ != state::held_asked)
        return;
    state_ = state_ == state::asked ? state::resting : state::held_resting;
    schedule(how_.interval);
}

void heartbeat::hold()
{
    if (state_ == state::asked)
        schedule(how_.interval);
    state_ = state_ == state::asked ? state::held_asked : state::held_resting;
}

void heartbeat::release()
{
    if (state_ == state::held_asked)
        schedule(how_.timeout);
    state_ = state_ == state::held_asked ? state::asked : state::resting;
}

} // namespace consortium::relay
