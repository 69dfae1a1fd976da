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

/// The plaintext of a `message` or `prompt` bundle: who said it, as which of theirs, after which (docs/protocol.md
/// 5).
struct envelope
{
    unix_millis at = 0;
    std::string from;              ///< 32 hex letters: one page or one agent process
    std::uint64_t n = 0;           ///< 1, 2, 3 … per session and from
    std::optional<bundle_id> prev; ///< id of the sender's bundle before; none for the first
    std::optional<std::string> to;
    boost::json::value d;
};

std::string envelope_text(const envelope& value);
/// errc::corrupt for anything that is not of that form.
result<envelope> envelope_parse(byte_view plain);

/// The plaintext of an RPC request or approval: it is for one process of the agent and soon.
struct directed
{
    unix_millis at = 0;
    std::string to; ///< 32 hex letters: the agent process
    boost::json::value d;
};
std::string directed_text(const directed& value);
result<directed> directed_parse(byte_view plain);

/// 16 random bytes as 32 hex letters: a `from` or an instance.
std::string make_instance_id();

} // namespace consortium::e2ee
