#include "connect.hpp"
#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>
#include <utility>

namespace consortium::net
{
namespace
{
using boost::system::error_code;

/// Awaits what handlers say, but not for longer than `give_up_at`.
class verdict
{
public:
    verdict(asio::any_io_executor executor, time_point give_up_at) : timer_(std::move(executor), give_up_at) {}
    void reach()
    {
        reached_ = true;
        timer_.cancel();
    }
    asio::awaitable<void> wait()
    {
        if (!reached_)
            co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
    }

private:
    asio::steady_timer timer_;
    bool reached_ = false;
};

struct question
{
    question(asio::any_io_executor executor, time_point give_up_at) : resolver(executor), answered(executor, give_up_at)
    {
    }

    tcp::resolver resolver;
    verdict answered;
    std::optional<error_code> failed;
    std::vector<tcp::endpoint> found;
};

/// One connection too many to be made. Kept by what is under way.
class race : public std::enable_shared_from_this<race>
{
public:
    race(asio::any_io_executor executor, std::vector<tcp::endpoint> places, time_point give_up_at)
        : executor_(executor), places_(std::move(places)), delay_(executor), decided_(executor, give_up_at)
    {
    }

    void start_next();
    asio::awaitable<void> decided() { return decided_.wait(); }
    /// Ends every attempt that is under way.
    result<tcp::socket> finish();

private:
    using attempt = std::shared_ptr<tcp::socket>;
    void ended(const attempt& which, const error_code& failed);

    asio::any_io_executor executor_;
    std::vector<tcp::endpoint> places_;
    std::size_t next_ = 0;
    std::vector<attempt> running_;
    asio::steady_timer delay_;
    verdict decided_;
    attempt winner_;
    error_code last_failure_;
    bool over_ = false;
};

void race::start_next()
{
    const auto socket = std::make_shared<tcp::socket>(executor_);
    running_.push_back(socket);
    socket->async_connect(
        places_[next_++],
        [self = shared_from_this(), socket](const error_code& failed) { self->ended(socket, failed); });
    if (next_ == places_.size())
        return;
    delay_.expires_after(attempt_delay);
    delay_.async_wait(
        [self = shared_from_this()](const error_code& cancelled)
        {
            if (!cancelled && !self->over_)
                self->start_next();
        });
}

void race::ended(const attempt& which, const error_code& failed)
{
    if (over_)
        return;
    std::erase(running_, which);
    if (!failed)
    {
        winner_ = which;
        over_ = true;
        decided_.reach();
        return;
    }
    last_failure_ = failed;
    if (next_ < places_.size())
    {
        delay_.cancel();
        start_next();
    }
    else if (running_.empty())
    {
        over_ = true;
        decided_.reach();
    }
}

result<tcp::socket> race::finish()
{
    const bool in_time = std::exchange(over_, true);
    delay_.cancel();
    error_code ignored;
    for (const auto& each : running_)
        each->close(ignored);
    if (winner_)
        return std::move(*winner_);
    if (!in_time)
        return fail(errc::timeout, "no connection within the time allowed");
    return fail(errc::io, last_failure_.message());
}
} // namespace

asio::awaitable<result<std::vector<tcp::endpoint>>>
look_up(asio::any_io_executor executor, std::string host, std::uint16_t port, time_point give_up_at)
{
    const auto state = std::make_shared<question>(std::move(executor), give_up_at);
    state->resolver.async_resolve(
        host, std::to_string(port),
        [state](const error_code& failed, const tcp::resolver::results_type& places)
        {
            state->failed = failed;
            for (const auto& each : places)
                state->found.push_back(each.endpoint());
            state->answered.reach();
        });
    co_await state->answered.wait();
    if (!state->failed)
    {
        state->resolver.cancel();
        co_return fail(errc::timeout, "the address of " + host + " was not found within the time allowed");
    }
    if (*state->failed || state->found.empty())
        co_return fail(errc::io, "cannot find the address of " + host + ": " + state->failed->message());
    co_return std::move(state->found);
}

std::vector<tcp::endpoint> interleave(const std::vector<tcp::endpoint>& places)
{
    std::vector<tcp::endpoint> first;
    std::vector<tcp::endpoint> second;
    for (const auto& each : places)
        (each.protocol() == places.front().protocol() ? first : second).push_back(each);
    std::vector<tcp::endpoint> out;
    for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i)
        for (const auto* family : {&first, &second})
            if (i < family->size())
                out.push_back((*family)[i]);
    return out;
}

asio::awaitable<result<tcp::socket>>
connect_first(asio::any_io_executor executor, std::vector<tcp::endpoint> places, time_point give_up_at)
{
    const auto state = std::make_shared<race>(std::move(executor), std::move(places), give_up_at);
    state->start_next();
    co_await state->decided();
    auto winner = state->finish();
    if (winner)
    {
        error_code ignored;
        winner->set_option(tcp::no_delay(true), ignored);
        winner->set_option(asio::socket_base::keep_alive(true), ignored);
    }
    co_return winner;
}

asio::awaitable<result<tcp::socket>>
connect_to(asio::any_io_executor executor, std::string host, std::uint16_t port, time_point give_up_at)
{
    auto places = co_await look_up(executor, std::move(host), port, give_up_at);
    if (!places)
        co_return std::unexpected(places.error());
    auto ordered = interleave(*places);
    ordered.resize(std::min(ordered.size(), addresses_max));
    co_return co_await connect_first(std::move(executor), std::move(ordered), give_up_at);
}

} // namespace consortium::net
