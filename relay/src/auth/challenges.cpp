#include "auth/challenges.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/limits.hpp"
#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace consortium::relay
{
namespace
{

constexpr std::string_view first_line = "consortium-login-1";

struct lines
{
    std::string_view head; ///< the first four lines with their ends
    std::string_view origin;
    std::string_view public_key;
    unix_millis expires_at = 0;
    std::string_view random;
};

/// The five lines of docs/protocol.md 2.1, or nothing.
std::optional<lines> take_apart(std::string_view text)
{
    std::array<std::string_view, 5> line;
    auto rest = text;
    for (std::size_t i = 0; i < 4; ++i)
    {
        const auto end = rest.find('\n');
        if (end == std::string_view::npos)
            return std::nullopt;
        line[i] = rest.substr(0, end);
        rest.remove_prefix(end + 1);
    }
    line[4] = rest;
    lines out;
    out.head = text.substr(0, text.size() - rest.size());
    out.origin = line[1];
    out.public_key = line[2];
    out.random = line[4];
    const auto expiry = line[3];
    const auto [end, ec] = std::from_chars(expiry.data(), expiry.data() + expiry.size(), out.expires_at);
    if (line[0] != first_line || ec != std::errc() || end != expiry.data() + expiry.size())
        return std::nullopt;
    return out;
}

} // namespace

challenge_book::challenge_book(const clock_source& clock) : clock_(clock), key_(key256::random()) {}

byte_array<16> challenge_book::mac(std::string_view head, byte_view nonce) const
{
    return to_array<16>(hmac_sha256(key_.view(), {view(head), nonce}));
}

challenge_book::issued challenge_book::make(std::string_view origin, const byte_array<32>& public_key)
{
    issued out;
    out.expires_at = clock_.now() + std::chrono::milliseconds(limits::challenge_lifetime).count();
    std::string text(first_line);
    text += '\n';
    text += origin;
    text += '\n';
    text += base64_encode(public_key);
    text += '\n';
    text += std::to_string(out.expires_at);
    text += '\n';
    const auto nonce = random_array<16>();
    bytes random = to_bytes(nonce);
    append(random, mac(text, nonce));
    text += base64_encode(random);
    out.text = to_bytes(view(text));
    return out;
}

challenge_book::issued challenge_book::renew(byte_view challenge)
{
    const auto parts = take_apart(text(challenge));
    CONSORTIUM_ASSERT(parts.has_value());
    const auto public_key = base64_decode(parts->public_key);
    CONSORTIUM_ASSERT(public_key && public_key->size() == 32);
    return make(parts->origin, to_array<32>(*public_key));
}

account_id challenge_book::account_of(byte_view challenge) const
{
    const auto parts = take_apart(text(challenge));
    CONSORTIUM_ASSERT(parts.has_value());
    // A UUID of version 7 (RFC 9562 5.7): the time of the challenge, and what only this process can derive from it.
    auto id = to_array<16>(hmac_sha256(key_.view(), {view("account"), challenge}));
    const auto time =
        static_cast<std::uint64_t>(parts->expires_at - std::chrono::milliseconds(limits::challenge_lifetime).count());
    std::ranges::copy(byte_view(big_endian(time)).last(6), id.begin());
    id[6] = static_cast<std::uint8_t>((id[6] & 0x0f) | 0x70);
    id[8] = static_cast<std::uint8_t>((id[8] & 0x3f) | 0x80);
    return account_id{id};
}

result<void> challenge_book::check(byte_view challenge, const byte_array<32>& public_key) const
{
    const auto unknown = []
    { return fail(errc::expired, "this challenge was not made by this relay, or before it was restarted"); };
    const auto parts = take_apart(text(challenge));
    if (!parts)
        return unknown();
    const auto random = base64_decode(parts->random);
    if (!random || random->size() != 32)
        return unknown();
    const byte_view all(*random);
    if (!equal_constant_time(mac(parts->head, all.first(16)), all.subspan(16)))
        return unknown();
    if (parts->public_key != base64_encode(public_key))
        return fail(errc::expired, "this challenge was made for another key");
    if (clock_.now() >= parts->expires_at)
        return fail(errc::expired, "this challenge has expired; ask for a new one");
    return {};
}

result<void> challenge_book::use(byte_view challenge)
{
    const auto parts = take_apart(text(challenge));
    if (!parts)
        return fail(errc::expired, "not a challenge");
    const std::string random(parts->random);
    const auto now = clock_.now();
    const std::lock_guard lock(guard_);
    for (auto oldest = by_expiry_.begin(); oldest != by_expiry_.end() && oldest->first <= now;
         oldest = by_expiry_.erase(oldest))
        used_.erase(oldest->second);
    if (parts->expires_at <= now)
        return fail(errc::expired, "this challenge has expired; ask for a new one");
    if (used_.size() >= limits::challenges_max)
        return fail(errc::overloaded, "too many logins at once", std::chrono::seconds(5));
    if (!used_.insert(random).second)
        return fail(errc::expired, "this challenge was used before; ask for a new one");
    by_expiry_.emplace(parts->expires_at, random);
    return {};
}

} // namespace consortium::relay
