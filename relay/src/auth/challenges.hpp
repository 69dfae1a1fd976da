#pragma once
#include "consortium/common/clock.hpp"
#include "consortium/common/error.hpp"
#include "consortium/common/hash.hpp"
#include "consortium/common/ids.hpp"
#include "consortium/common/secret.hpp"
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>

/// Login challenges (docs/protocol.md, "Login"): made here, good once, for a minute, until this process ends.
namespace consortium::relay
{

/// Keeps nothing for a challenge that is never answered: its random part carries a MAC of this process, and only
/// answered ones are remembered until they would have expired anyway. Thread-safe.
class challenge_book
{
public:
    explicit challenge_book(const clock_source& clock);

    struct issued
    {
        bytes text;
        unix_millis expires_at = 0;
    };
    issued make(std::string_view origin, const byte_array<32>& public_key);
    /// Another one for the same origin and key. `challenge` passed check().
    issued renew(byte_view challenge);
    /// The id that an account made with this challenge has: nobody else can know it, or choose another.
    account_id account_of(byte_view challenge) const;

    /// Refuses what make() did not make for this key, and what has expired: errc::expired.
    /// `challenge` is the whole text.
    result<void> check(byte_view challenge, const byte_array<32>& public_key) const;

    /// Uses it up, once: errc::expired the second time. Call after the signatures were verified.
    result<void> use(byte_view challenge);

private:
    byte_array<16> mac(std::string_view head, byte_view nonce) const;

    const clock_source& clock_;
    key256 key_;
    mutable std::mutex guard_;
    std::multimap<unix_millis, std::string> by_expiry_;
    std::unordered_set<std::string> used_;
};

} // namespace consortium::relay
