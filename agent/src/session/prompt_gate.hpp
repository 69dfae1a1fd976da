#pragma once
#include "consortium/e2ee/act.hpp"
#include "consortium/e2ee/bundle.hpp"
#include "consortium/e2ee/envelope.hpp"
#include "identity/device_directory.hpp"
#include "session/given_prompts.hpp"
#include "storage/session_folder.hpp"
#include <boost/json/array.hpp>
#include <optional>
#include <set>
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
    std::string mode; ///< empty: as it is
    std::string model;
    std::string unheeded_mode; ///< what it asked for, where a person let it run late
};

struct prompt_refusal
{
    std::string id;     ///< may be empty: nothing authentic about it
    std::string reason; ///< a word of docs/protocol.md 5.1
};

struct prompt_hold
{
    std::string id;
    std::string from;
    std::uint64_t n = 0;
    hold_reason why = hold_reason::device;
};

/// A sender's bundle does not follow what was seen of it.
struct history_break
{
    std::string from;
    std::string expected; ///< number, or id of the bundle before
    std::string got;
};

/// What the person must be told. What may run is asked for with first_to_run().
struct gate_news
{
    std::vector<prompt_refusal> refused;
    std::vector<prompt_hold> held;
    std::optional<history_break> broken;
};

/// The one place that lets prompts in (docs/protocol.md 5.4): signed by a browser of the account, for this session,
/// each once, in its sender's order, and not behind the back of who wrote it. Every outcome is on disk before it is
/// known outside; where that fails nothing has happened. Not thread-safe.
class prompt_gate
{
public:
    /// `folder` and the rest must outlive it. The session's id is read from the folder whenever it is needed.
    prompt_gate(
        session_folder& folder, account_id account, const device_directory& devices, const clock_source& clock,
        const boot_clock& spans);

    /// Takes note of a message of the session, `seq` of the relay's log; judges nothing. Messages that are not
    /// prompts, our own among them, give nothing.
    gate_news look_at(const std::string& bundle, std::int64_t seq);
    std::int64_t last_seq() const noexcept { return folder_.prompts().last_seq; }
    /// Something came of a device that nobody has named: the chain is to be read before it is judged.
    bool met_stranger() const;
    /// Judges what came. Only once the chain of devices was read.
    gate_news judge();

    /// Accepted, and Claude does not have it.
    std::optional<prompt> first_to_run() const;
    /// Which ones Claude has. What is typed at the machine goes there past the gate.
    given_prompts& given() noexcept { return given_; }
    /// Claude gets it now. False: it was stopped or taken back meanwhile.
    bool hand_over(const std::string& uuid);
    /// Claude is done with it: it need not be handed over again after a crash.
    void done(const std::string& uuid);

    /// What a person decides. errc::not_found: it is not held; errc::io: it could not be written down.
    result<gate_news> decide(const std::string& id, bool run);
    /// errc::conflict: Claude has it, or it is over; errc::overloaded: too many that never came.
    result<void> take_back(const std::string& id, const std::string& from, std::uint64_t n);

    struct stopped
    {
        std::optional<e2ee::bundle_id> end; ///< of the turn that is being stopped, or the last one
        gate_news news;
    };
    /// Stop: what Claude has not begun is held, and what it has begun is not given to it again; with a turn running
    /// its end is known from now on, whatever happens. Errors: errc::io.
    result<stopped> stop(bool running);
    /// Claude had begun it after all: it is not held.
    void was_begun(const std::string& uuid);

    /// The id of the bundle that is to say that the turn has ended.
    e2ee::bundle_id end_turn();
    /// It was said.
    void end_said();
    const std::optional<turn_end>& last_end() const noexcept { return folder_.prompts().end; }

    /// The relay's log is that one. True: another than before; all messages must be read again.
    bool reads_log(const std::string& log);
    /// The relay shows this as its message `seq`. False: there was another message, or none, when it was looked at.
    bool remembers(const std::string& bundle, std::int64_t seq) const;
    /// The log has another history than it had, that of a backup perhaps: all messages must be read again.
    void reads_anew();
    void has_read_all();

    /// As it stands in the state.
    boost::json::array held_to_json() const;

private:
    struct opened_prompt
    {
        e2ee::bundle_id id{};
        ed25519_public device{};
        e2ee::prompt_words words;
    };
    result<opened_prompt> open(const std::string& bundle) const;
    prompt read(const kept_prompt& kept) const;
    e2ee::bundle_place place(std::string kind) const;
    arrival now() const { return {clock_.now(), spans_.now()}; }
    prompt_writer writer_of(const ed25519_public& device) const;
    bool saw_end(const std::optional<e2ee::bundle_id>& seen) const;
    bool waits(const prompt_progress& progress, const std::string& from) const;
    gate_news take(opened_prompt said, const std::string& bundle, std::int64_t seq);
    void take_what_follows(prompt_progress& progress, const std::string& from) const;
    void let_others_go(prompt_progress& progress, const held_prompt& decided) const;
    bool save(prompt_progress changed);
    gate_news refuse(std::string id, std::string reason) const;

    session_folder& folder_;
    account_id account_;
    const device_directory& devices_;
    const clock_source& clock_;
    const boot_clock& spans_;
    given_prompts given_;
};

/// `d` of a prompt: `{role:"user", content:{type:"text", text}, meta?}`. Empty when it is something else.
std::optional<prompt> read_prompt(const boost::json::value& d, const e2ee::bundle_id& id);
/// What Claude may know already after a crash.
std::set<std::string> uuids_in_hand(const session_folder& folder);

} // namespace consortium::agent
