#pragma once
#include "consortium/common/clock.hpp"
#include "consortium/common/error.hpp"
#include "consortium/common/limits.hpp"
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

/// What the relay admits: rates, connections, bodies. What messages and files may have is in common/limits.hpp.
namespace consortium::limits
{

inline constexpr std::size_t connections_max = 16'000;               // (flag) and no more than descriptors allow
inline constexpr std::size_t connections_per_address_max = 256;      // (flag)
inline constexpr std::size_t strangers_per_address_max = 64;         // (flag) connections that have not signed in
inline constexpr std::size_t strangers_max = 4'096;                  ///< of all addresses: at 16 KiB each, 64 MiB
inline constexpr auto header_timeout = std::chrono::seconds(10);     // (flag)
inline constexpr std::size_t small_body_bytes_max = 16u << 10;       // (flag) of a login, and of all that needs little
inline constexpr std::size_t statements_body_bytes_max = 3u << 20;   // (flag)
inline constexpr std::size_t fields_body_bytes_max = 3u << 20;       // (flag) metadata, state and a key
inline constexpr std::size_t stranger_frame_bytes_max = 16u << 10;   // (flag) of a WebSocket before it has signed in
inline constexpr std::size_t guest_bytes_max = 64u << 20;            // (flag) of bodies without a token
inline constexpr std::size_t guest_bytes_per_address_max = 4u << 20; // (flag)
inline constexpr std::size_t account_body_bytes_max = 64u << 20;     // (flag) of bodies of one account
inline constexpr std::size_t stranger_output_bytes_max = 64u << 20;  // (flag) of answers without a token
inline constexpr std::size_t socket_untaken_bytes_max = 32u << 20;   ///< a socket that leaves more is dropped
inline constexpr std::size_t socket_full_bytes_max = 16u << 10;      ///< of an account that leaves twice its bound
inline constexpr std::size_t body_bytes_per_second_min = 4u << 10;   // (flag) over the last body_span
inline constexpr auto body_span = std::chrono::seconds(10);          // (flag)
inline constexpr std::size_t polling_sessions_max = 10'000;          // (flag)
inline constexpr std::size_t polling_sessions_per_address_max = 256; // (flag)
inline constexpr std::size_t polling_strangers_per_address_max = 64; // (flag) have not signed in
inline constexpr std::size_t pairings_per_address_max = 100;         // (flag)

static_assert(statements_per_chain_max * (statement_bytes_max * 4 / 3 + 8) < statements_body_bytes_max);
static_assert(2 * state_bytes_max + data_key_bytes_max + (64u << 10) < fields_body_bytes_max);
static_assert(statements_body_bytes_max < guest_bytes_per_address_max);
static_assert(http_body_bytes_max < account_body_bytes_max);

} // namespace consortium::limits

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

/// Logins, pairings and statements (flags). Argon2id is not in this path: a login costs two signature checks and one
/// commit.
inline constexpr rate_limiter::settings guest_rates{.each = {20, 400}, .all = {1000, 4000}};
/// How a pairing goes, which an agent asks once a second (flags).
inline constexpr rate_limiter::settings poller_rates{.each = {20, 100}, .all = {2000, 4000}};

} // namespace consortium::relay
