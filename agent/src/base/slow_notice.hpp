#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <utility>

namespace consortium::agent
{
namespace asio = boost::asio;

/// Says something once, if what it stands beside takes longer than a person would wait without a word. One executor.
class slow_notice
{
public:
    static constexpr auto patience = std::chrono::seconds(3);

    slow_notice(const asio::any_io_executor& executor, std::function<void()> say) : timer_(executor, patience)
    {
        timer_.async_wait(
            [wanted = wanted_, say = std::move(say)](const boost::system::error_code& problem)
            {
                if (!problem && *wanted)
                    say();
            });
    }
    ~slow_notice() { *wanted_ = false; }
    slow_notice(const slow_notice&) = delete;
    slow_notice& operator=(const slow_notice&) = delete;

private:
    std::shared_ptr<bool> wanted_ = std::make_shared<bool>(true); ///< a timer that has expired cannot be cancelled
    asio::steady_timer timer_;
};

} // namespace consortium::agent
