#pragma once
#include "consortium/common/clock.hpp"
#include "consortium/common/error.hpp"
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

/// Rates. Sizes are in common/limits.hpp.
namespace consortium::relay
{

/// A bucket that refills steadily: `burst` at once, `per_second` in the long run. Not thread-safe.
class token_bucket
{
public:
    struct rate
    {
        double per_second;
        double burst;
    };

    /// Empty: taken. Otherwise how long until one can be.
    std::optional<std::chrono::milliseconds> take(const rate& allowed, unix_millis now);
    bool is_full(const rate& allowed, unix_millis now) const;

private:
    void refill(const rate& allowed, unix_millis now);

    double level_ = -1; ///< negative: never used, full
    unix_millis at_ = 0;
};

/// One bucket for each address and one for all of them together. Thread-safe, bounded.
class rate_limiter
{
public:
    struct settings
    {
        token_bucket::rate each;
        token_bucket::rate all;
        std::size_t addresses_max = 65'536;
    };
    rate_limiter(const clock_source& clock, settings allowed) : clock_(clock), allowed_(allowed) {}

    /// errc::rate_limited (this address; none when it is empty), errc::overloaded (everybody together); both carry when
    /// to try again.
    result<void> take(std::string_view address);

private:
    void make_room(unix_millis now);

    const clock_source& clock_;
    const settings allowed_;
    std::mutex guard_;
    token_bucket all_;
    std::unordered_map<std::string, token_bucket> each_;
};

} // namespace consortium::relay
