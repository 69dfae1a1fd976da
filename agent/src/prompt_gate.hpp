#pragma once
#include "consortium/e2ee/bundle.hpp"
#include "session_folder.hpp"
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace consortium::agent
{

/// Something a person asked for.
struct prompt
{
    std::string id;   ///< base64 of the bundle's id: what the dashboard knows it by
    std::string uuid; ///< what Claude knows it by; follows from the id, so a repetition is recognised there too
    std::string text;
    boost::json::value content; ///< for Claude
    std::string mode;           ///< empty: as it is
    std::string model;
};

struct prompt_refusal
{
    std::string id;     ///< may be empty: nothing authentic about it
    std::string reason; ///< gap, replay, bad chain, unauthentic, malformed, storage
};

/// A sender's bundle does not follow what was seen of it.
struct history_break
{
    std::string from;
    std::string expected; ///< number, or id of the bundle before
    std::string got;
};

struct gate_outcome
{
    std::vector<prompt> accepted;
    std::optional<prompt_refusal> refused;
    std::optional<history_break> broken;
};

/// The one place that lets prompts in (docs/protocol.md 5): authentic, of this session, each once, in its sender's
/// order. What is accepted is on disk before it is returned.
class prompt_gate
{
public:
    prompt_gate(session_folder& folder, const key256& key, std::string account, std::string session);

    /// `seq`: of the message in the session. Messages that are not prompts, our own among them, give nothing.
    gate_outcome look_at(const std::string& bundle, std::int64_t seq);
    std::int64_t last_seq() const noexcept { return folder_.prompts().last_seq; }

    /// Claude is done with it: it need not be handed over again after a crash.
    void done(const std::string& uuid);
    /// Accepted before a crash and perhaps never run. Handing over what did run is harmless: Claude knows the uuids.
    std::vector<prompt> left_in_hand();

private:
    struct held
    {
        e2ee::envelope words;
        e2ee::bundle_id id;
        std::string bundle;
    };
    bool accept(const held& said, gate_outcome& outcome);
    gate_outcome refuse(std::string id, std::string reason);

    session_folder& folder_;
    key256 key_;
    e2ee::bundle_place prompt_place_;
    e2ee::bundle_place message_place_;
    std::map<std::pair<std::string, std::uint64_t>, held> waiting_; ///< after a gap, by sender and number
    std::map<std::string, std::string> in_hand_;                    ///< uuid to bundle
};

/// `d` of a prompt: `{role:"user", content:{type:"text", text}, meta?}`. Empty when it is something else.
std::optional<prompt> read_prompt(const boost::json::value& d, const e2ee::bundle_id& id);

} // namespace consortium::agent
