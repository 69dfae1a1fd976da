#pragma once
#include "consortium/common/clock.hpp"
#include "consortium/common/error.hpp"
#include "consortium/e2ee/bundle.hpp"
#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>

namespace consortium::e2ee
{

/// The plaintext of a `message` bundle: who said it, as which of theirs, after which (docs/protocol.md 5.1).
struct envelope
{
    unix_millis at = 0;
    std::string from;              ///< 32 hex letters: one page or one agent process
    std::uint64_t n = 0;           ///< 1, 2, 3 … per session and from
    std::optional<bundle_id> prev; ///< id of the sender's bundle before; none for the first
    boost::json::value d;
};

std::string envelope_text(const envelope& value);
/// errc::corrupt for anything that is not of that form.
result<envelope> envelope_parse(byte_view plain);

/// The text of a prompt: an envelope that also says what its writer had seen, and how long it is good
/// (docs/protocol.md 5.4).
struct prompt_words
{
    envelope said;
    std::optional<bundle_id> seen; ///< the agent's newest message that the writer had
    unix_millis until = 0;
};
std::string prompt_text(const prompt_words& value);
result<prompt_words> prompt_parse(std::string_view text);
/// What a prompt that cannot be read says of its place in its sender's chain: an envelope without anything in it.
/// Empty when it does not say that either.
std::optional<envelope> place_in_chain(std::string_view text);

/// The text of a call: good once, for whoever gave out the challenge (docs/protocol.md 5.2).
struct call_words
{
    std::string challenge; ///< 32 hex letters
    boost::json::value d;
};
std::string call_text(const call_words& value);
result<call_words> call_parse(std::string_view text);

/// 16 random bytes as 32 hex letters: a `from`, a challenge, a nonce.
std::string make_random_name();

} // namespace consortium::e2ee
