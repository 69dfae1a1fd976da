#pragma once
#include <algorithm>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <random>

namespace consortium::agent
{
namespace asio = boost::asio;

/// Wakes one waiting coroutine; a notify() while nobody waits is kept. One executor, one waiter.
class wakeup
{
public:
    explicit wakeup(const asio::any_io_executor& executor) : timer_(executor) {}

    void notify()
    {
        set_ = true;
        timer_.cancel();
    }
    /// Until notified, or for at most that long. True when notified.
    asio::awaitable<bool> wait(std::chrono::steady_clock::duration limit = std::chrono::hours(24 * 365))
    {
        if (!set_)
        {
            boost::system::error_code ignored;
            timer_.expires_after(limit);
            co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        }
        co_return std::exchange(set_, false);
    }

private:
    asio::steady_timer timer_;
    bool set_ = false;
};

/// How long to wait before trying again: twice as long each time, up to a bound, never the same for two agents.
class backoff
{
public:
    std::chrono::milliseconds next()
    {
        const auto wait = std::min(limit_, first_ * (1 << std::min(tries_, 16)));
        ++tries_;
        std::uniform_real_distribution<double> share(0.5, 1.0);
        return std::chrono::milliseconds(static_cast<long>(static_cast<double>(wait.count()) * share(random_)));
    }
    void reset() noexcept { tries_ = 0; }

private:
    std::chrono::milliseconds first_{250};
    std::chrono::milliseconds limit_{10'000};
    int tries_ = 0;
    std::mt19937 random_{std::random_device{}()};
};

} // namespace consortium::agent
