#pragma once
#include "consortium/common/clock.hpp"
#include "consortium/common/error.hpp"
#include "refused.hpp"
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace consortium::relay
{

/// Says each kind of refusal once with a count, not in a line each: whoever is refused a thousand times must not fill
/// the log too. Thread-safe.
class refusal_log
{
public:
    using clock = std::chrono::steady_clock;
    using sink = std::function<void(const std::string&)>;
    struct settings
    {
        /// A kind is said so long after the first of its refusals.
        clock::duration window = std::chrono::minutes(1);
        /// Whether addresses may be named; by default they are counted only.
        std::function<bool()> names_addresses = {};
        /// Hears of each refusal. Empty: nobody counts them.
        std::function<void(refused, errc)> count = {};
    };

    /// Warnings in the log, addresses at level debug and below.
    explicit refusal_log(std::function<void(refused, errc)> count = {});
    refusal_log(settings how, sink say);

    /// One refusal, with why: "too many of one address", which is our own words, for kinds are few. `address` may be
    /// empty.
    void note(refused of, errc reason, std::string_view why, std::string_view address);

    /// Says what is due; with `everything` also what is not yet.
    void report(clock::time_point now, bool everything = false);

    /// Reports on `executor` until it is told to stop.
    void start(boost::asio::any_io_executor executor);
    /// Says the rest. The executor must have ended, or this must be called on it.
    void stop();

private:
    struct kind
    {
        clock::time_point since;
        std::size_t count = 0;
        /// How often each was refused; the first ones, and how many would not fit.
        std::map<std::string, std::size_t, std::less<>> addresses;
        bool more_addresses = false;
    };
    std::string sentence(refused of, std::string_view why, const kind& what, clock::time_point now) const;
    void tick();

    const settings how_;
    const sink say_;
    std::mutex guard_;
    std::map<std::pair<refused, std::string>, kind> kinds_;
    std::unique_ptr<boost::asio::steady_timer> timer_;
};

} // namespace consortium::relay
