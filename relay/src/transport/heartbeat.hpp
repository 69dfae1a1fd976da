#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

namespace consortium::relay
{

/// Asks a client for a sign of life again and again. On the thread of the connection that it is part of.
class heartbeat
{
public:
    struct settings
    {
        std::chrono::milliseconds interval;
        std::chrono::milliseconds timeout;
        std::function<void()> ask;
        std::function<void()> missed; ///< the client has not answered in time; nothing is asked any more
    };
    heartbeat(boost::asio::any_io_executor executor, settings how);

    /// `owner` is what it is part of: nothing is called once that has gone.
    void start(std::weak_ptr<void> owner);
    void stop();

    /// The client's answer.
    void heard();
    /// While it is held no answer can be heard and none is waited for. The client must go on hearing us, though.
    void hold();
    void release();

private:
    enum class state
    {
        resting,
        asked,
        held_resting,
        held_asked,
    };

    void schedule(std::chrono::milliseconds after);
    void due();

    const settings how_;
    boost::asio::steady_timer timer_;
    std::weak_ptr<void> owner_;
    std::uint64_t turn_ = 0;
    state state_ = state::resting;
};

} // namespace consortium::relay
