#pragma once
#include "consortium/common/bytes.hpp"
#include "consortium/common/clock.hpp"
#include "consortium/common/device_kind.hpp"
#include "consortium/common/error.hpp"
#include "consortium/common/ids.hpp"
#include <optional>
#include <string>
#include <variant>
#include <vector>

/// What happened, in clear. How it is written to disk: docs/log-format.md; the schema of bodies: src/event.fbs.
namespace consortium::log
{

/// Numbered for ever; a number is never used again. Whatever a fold needs when the body is shredded is in the type
/// (so "ended" and "resumed" are two types, not one with a flag).
enum class event_type : std::uint16_t
{
    account_created = 1,
    device_added = 2,
    session_created = 3,
    message_appended = 4,
    session_metadata_changed = 5,
    agent_state_changed = 6,
    session_ended = 7,
    session_deleted = 8,
    machine_registered = 9,
    machine_metadata_changed = 10,
    daemon_state_changed = 11,
    machine_online = 12,
    machine_offline = 13,
    machine_removed = 14,
    device_renamed = 15,
    device_revoked = 16,
    pairing_approved = 17,
    account_deleted = 18,
    session_resumed = 19,
};

/// False for a number this version does not know: the record was written by a newer one.
bool is_known(event_type type) noexcept;
/// "message_appended"
std::string_view name(event_type type) noexcept;

/// The part of a record that outlives shredding.
struct event_header
{
    event_type type{};
    account_id account; ///< nil for events of no account
    /// The session, machine, device or account the event is about.
    stream_id stream;
    revision rev;          ///< in the account's stream
    std::uint64_t seq = 0; ///< of a message in its session, else 0
    unix_millis time = 0;
    std::uint32_t body_bytes = 0;

    friend bool operator==(const event_header&, const event_header&) = default;
};

using consortium::device_kind;

// The bodies. Texts are the clients' ciphertext and are returned to the letter.
struct account_created
{
    byte_array<32> public_key{}; ///< Ed25519, of the account
    friend bool operator==(const account_created&, const account_created&) = default;
};
struct device_added
{
    bytes public_key; ///< Ed25519; empty for device_kind::unnamed
    device_kind kind{};
    std::string sealed_name;
    friend bool operator==(const device_added&, const device_added&) = default;
};
struct device_renamed
{
    std::string sealed_name;
    friend bool operator==(const device_renamed&, const device_renamed&) = default;
};
struct pairing_approved
{
    byte_array<32> request_key{}; ///< X25519, of the agent that asked
    device_id device;             ///< the one that was added for it
    device_id approver;
    std::string response; ///< box bundle to request_key
    friend bool operator==(const pairing_approved&, const pairing_approved&) = default;
};
struct session_created
{
    device_id creator;
    std::string tag;
    std::string metadata;
    std::optional<std::string> data_key; ///< wrapped for the account's content key
    friend bool operator==(const session_created&, const session_created&) = default;
};
struct message_appended
{
    message_id id;
    std::optional<std::string> local_id;
    std::string content;
    friend bool operator==(const message_appended&, const message_appended&) = default;
};
struct session_metadata_changed
{
    std::string metadata;
    friend bool operator==(const session_metadata_changed&, const session_metadata_changed&) = default;
};
struct agent_state_changed
{
    std::optional<std::string> state;
    friend bool operator==(const agent_state_changed&, const agent_state_changed&) = default;
};
struct machine_registered
{
    device_id creator;
    std::string machine_id; ///< chosen by the client
    std::string metadata;
    std::optional<std::string> daemon_state;
    std::optional<std::string> data_key;
    friend bool operator==(const machine_registered&, const machine_registered&) = default;
};
struct machine_metadata_changed
{
    std::string metadata;
    friend bool operator==(const machine_metadata_changed&, const machine_metadata_changed&) = default;
};
struct daemon_state_changed
{
    std::string state;
    friend bool operator==(const daemon_state_changed&, const daemon_state_changed&) = default;
};
/// Sealed under the account's key: it outlives the machine's, so that who was away learns which machine it was.
struct machine_removed
{
    std::string machine_id;
    friend bool operator==(const machine_removed&, const machine_removed&) = default;
};
/// For the types that say everything in the header.
struct no_body
{
    friend bool operator==(const no_body&, const no_body&) = default;
};

using event_body = std::variant<
    no_body, account_created, device_added, device_renamed, pairing_approved, session_created, message_appended,
    session_metadata_changed, agent_state_changed, machine_registered, machine_metadata_changed, daemon_state_changed,
    machine_removed>;

/// An event of the log, opened.
struct event
{
    lsn number;
    event_header header;
    /// Empty when the body's key was destroyed: shredded.
    std::optional<event_body> body;

    bool shredded() const noexcept { return !body.has_value(); }
    /// The body as `Body`, or nullptr if it is shredded or of another type.
    template <class Body>
    const Body* as() const noexcept
    {
        return body ? std::get_if<Body>(&*body) : nullptr;
    }
    friend bool operator==(const event&, const event&) = default;
};

} // namespace consortium::log
