#pragma once
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>

namespace consortium::net
{

/// A time limit that is moved often and reached rarely: moving it is an assignment, the timer follows lazily.
/// Owner holds it; `owner` expired means that nothing fires.
class deadline
{
public:
    using clock = std::chrono::steady_clock;

    deadline(boost::asio::any_io_executor executor, std::function<void()> reached)
        : timer_(std::move(executor)), reached_(std::move(reached))
    {
    }

    void arm(std::weak_ptr<void> owner, std::chrono::milliseconds after)
    {
        at_ = clock::now() + after;
        owner_ = std::move(owner);
        if (at_ < waiting_until_)
            wait();
    }
    void disarm() noexcept { at_ = clock::time_point::max(); }
    /// Also ends the wait, so that nothing keeps the executor busy.
    void cancel()
    {
        disarm();
        timer_.cancel();
    }

private:
    void wait()
    {
        waiting_until_ = at_;
        timer_.expires_at(at_);
        timer_.async_wait(
            [this, owner = owner_](const boost::system::error_code& failed)
            {
                const auto held = owner.lock();
                // Aborted: a nearer wait replaced this one, or nobody waits any more.
                if (!held || failed)
                    return;
                waiting_until_ = clock::time_point::max();
                if (at_ == clock::time_point::max())
                    return;
                if (clock::now() >= at_)
                {
                    disarm();
                    reached_();
                    return;
                }
                wait();
            });
    }

    boost::asio::steady_timer timer_;
    std::function<void()> reached_;
    std::weak_ptr<void> owner_;
    clock::time_point at_ = clock::time_point::max();
    clock::time_point waiting_until_ = clock::time_point::max();
};

} // namespace consortium::net
