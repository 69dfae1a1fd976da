#pragma once
#include "consortium/common/error.hpp"
#include "consortium/e2ee/chain.hpp"
#include "storage/prompt_rules.hpp"
#include <boost/json/object.hpp>
#include <deque>
#include <optional>
#include <string>

namespace consortium::agent
{

/// A sealed prompt as it came. The rest is what its bundle says, and is read from there again.
struct kept_prompt
{
    std::string id; ///< base64 of the bundle's
    std::string from;
    std::uint64_t n = 0;
    std::string bundle; ///< base64
    arrival came;
};

struct held_prompt
{
    kept_prompt prompt;
    hold_reason why = hold_reason::device;
};

struct accepted_prompt
{
    kept_prompt prompt;
    bool late = false; ///< a person let it run: it changes no mode and no model
};

/// Never to run, whether it came or not.
struct taken_back_prompt
{
    std::string id;
    std::string from;
    std::uint64_t n = 0;
};

/// How far prompts were taken, and what became of each: on disk before it is acted on. A prompt is in one of the lists.
struct prompt_progress
{
    std::string log;                     ///< the relay's log that `last_seq` belongs to
    std::int64_t last_seq = 0;           ///< of the session's messages, looked at
    std::string last_hash;               ///< base64 of SHA-256, of the bundle there; empty: not known
    bool reading_anew = false;           ///< another log, or another history: what is known is met again
    e2ee::chain_reader senders;          ///< whose numbers count as come
    std::deque<kept_prompt> early;       ///< behind a gap
    std::deque<kept_prompt> come;        ///< to be judged, or waiting behind one of their sender that is held
    std::deque<held_prompt> held;        ///< until a person decides
    std::deque<accepted_prompt> in_hand; ///< to be run, and not seen to be done
    std::deque<taken_back_prompt> taken_back;
    std::optional<turn_end> end; ///< of the last turn

    /// How much of the disk all this takes, about.
    std::size_t kept_bytes() const noexcept;
};

boost::json::object write_prompts(const prompt_progress& prompts);
/// errc::corrupt: never taken for "nothing".
result<prompt_progress> read_prompts(const boost::json::object& object);

} // namespace consortium::agent
