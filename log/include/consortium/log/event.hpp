#pragma once
#include "consortium/common/bytes.hpp"
#include "consortium/common/clock.hpp"
#include "consortium/common/device_kind.hpp"
#include "consortium/common/error.hpp"
#include "consortium/common/ids.hpp"
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
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
    addition_stated = 20,
    revocation_stated = 21,
    device_signed_out = 22,
    session_deletion_signed = 23,
    invitation_made = 24,
    invitation_used = 25,
    session_leased = 26,
};

/// The part of a record that outlives shredding.
struct event_header
{
    event_type type{};
    account_id account; ///< nil for events of no account
    /// The session, machine, device, account or invitation the event is about.
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
/// A link of the account's chain of devices, as it came and with its signature (common/device_chain.hpp). Its header's
/// stream is the device it is about.
struct device_stated
{
    bytes statement;
    friend bool operator==(const device_stated&, const device_stated&) = default;
};
/// Sealed under the account's key: whoever asks for the session later is told who wanted it deleted.
struct session_deletion_signed
{
    byte_array<32> device{}; ///< Ed25519
    byte_array<64> signature{};
    friend bool operator==(const session_deletion_signed&, const session_deletion_signed&) = default;
};
/// A new account may be made with a code that hashes to the header's stream (common/invitation.hpp).
struct invitation_made
{
    device_id creator; ///< nil: the relay itself
    unix_millis expires = 0;
    friend bool operator==(const invitation_made&, const invitation_made&) = default;
};
/// For the types that say everything in the header.
struct no_body
{
    friend bool operator==(const no_body&, const no_body&) = default;
};

/// An alternative is found by its type alone: the order says nothing.
using event_body = std::variant<
    no_body, account_created, device_added, device_renamed, pairing_approved, session_created, message_appended,
    session_metadata_changed, agent_state_changed, machine_registered, machine_metadata_changed, daemon_state_changed,
    machine_removed, device_stated, session_deletion_signed, invitation_made>;

/// What an event is about: whose id its stream is.
enum class event_subject
{
    account,
    device,
    session,
    machine,
    invitation,
};

/// What it is in the life of its subject.
enum class event_step
{
    begins, ///< makes the subject; of all but a device, its data key too
    changes,
    signs_out, ///< tokens that the device had are void
    ends,      ///< the subject is gone with it, and its data key
};

/// Whose data key seals the body.
enum class event_seal
{
    subject, ///< the session's, machine's or account's own
    account, ///< it is read when the subject is gone, or the subject has no key
};

/// What clients are told.
enum class event_update
{
    none, ///< that a revision passed
    new_session,
    new_message,
    update_session,
    session_activity,
    delete_session,
    new_machine,
    update_machine,
    machine_activity,
    delete_machine,
    device,
};

/// Whether fold() writes rows for it beyond those of every event (docs/view-tables.md).
enum class event_rows
{
    none,
    own,
};

/// All that is the same for every event of a type.
struct event_description
{
    std::string_view name; ///< empty: this version does not know the type
    std::size_t body = 0;  ///< index of its alternative in event_body
    event_subject about{};
    event_step step{};
    event_seal seal{};
    event_update update{};
    event_rows rows{};

    /// Tokens of the device, or of all devices of the account, are void and their sockets end.
    constexpr bool voids_tokens() const noexcept
    {
        return (step == event_step::signs_out || step == event_step::ends) &&
               (about == event_subject::device || about == event_subject::account);
    }
    /// Destroys a data key, its subject's.
    constexpr bool destroys_key() const noexcept { return step == event_step::ends && about != event_subject::device; }
    /// Allowed when there is no room for anything else: what makes room, and the way in for whoever wants to.
    constexpr bool needs_no_room() const noexcept
    {
        return step == event_step::ends || step == event_step::signs_out ||
               (step == event_step::begins && about == event_subject::device);
    }
};

namespace detail
{
template <class Body, std::size_t Index = 0>
consteval std::size_t body_index()
{
    if constexpr (std::is_same_v<std::variant_alternative_t<Index, event_body>, Body>)
        return Index;
    else
        return body_index<Body, Index + 1>();
}
template <class Body>
constexpr event_description
of(std::string_view name, event_subject about, event_step step, event_seal seal, event_update update, event_rows rows)
{
    return {name, body_index<Body>(), about, step, seal, update, rows};
}
} // namespace detail

/// The one place where a type is described; everything else about types follows from it (docs/development.md).
constexpr event_description describe(event_type type) noexcept
{
    using detail::of;
    using enum event_subject;
    using enum event_step;
    using seal = event_seal;
    using update = event_update;
    using rows = event_rows;
    switch (type)
    {
    case event_type::account_created:
        return of<account_created>("account_created", account, begins, seal::subject, update::none, rows::own);
    case event_type::account_deleted:
        return of<no_body>("account_deleted", account, ends, seal::subject, update::none, rows::own);

    case event_type::device_added:
        return of<device_added>("device_added", device, begins, seal::account, update::device, rows::own);
    case event_type::device_renamed:
        return of<device_renamed>("device_renamed", device, changes, seal::account, update::device, rows::own);
    case event_type::device_revoked:
        return of<no_body>("device_revoked", device, ends, seal::account, update::device, rows::own);
    case event_type::pairing_approved:
        return of<pairing_approved>("pairing_approved", device, changes, seal::account, update::none, rows::none);

    case event_type::addition_stated:
        return of<device_stated>("addition_stated", device, begins, seal::account, update::device, rows::own);
    case event_type::revocation_stated:
        return of<device_stated>("revocation_stated", device, ends, seal::account, update::device, rows::own);
    case event_type::device_signed_out:
        return of<no_body>("device_signed_out", device, signs_out, seal::account, update::none, rows::own);

    case event_type::session_created:
        return of<session_created>("session_created", session, begins, seal::subject, update::new_session, rows::own);
    case event_type::message_appended:
        return of<message_appended>(
            "message_appended", session, changes, seal::subject, update::new_message, rows::own);
    case event_type::session_metadata_changed:
        return of<session_metadata_changed>(
            "session_metadata_changed", session, changes, seal::subject, update::update_session, rows::own);
    case event_type::agent_state_changed:
        return of<agent_state_changed>(
            "agent_state_changed", session, changes, seal::subject, update::update_session, rows::own);
    case event_type::session_ended:
        return of<no_body>("session_ended", session, changes, seal::subject, update::session_activity, rows::own);
    case event_type::session_resumed:
        return of<no_body>("session_resumed", session, changes, seal::subject, update::session_activity, rows::own);
    // The lease's epoch is its revision: it rises by itself.
    case event_type::session_leased:
        return of<no_body>("session_leased", session, changes, seal::subject, update::update_session, rows::own);
    case event_type::session_deleted:
        return of<no_body>("session_deleted", session, ends, seal::account, update::delete_session, rows::own);
    case event_type::session_deletion_signed:
        return of<session_deletion_signed>(
            "session_deletion_signed", session, ends, seal::account, update::delete_session, rows::own);

    case event_type::machine_registered:
        return of<machine_registered>(
            "machine_registered", machine, begins, seal::subject, update::new_machine, rows::own);
    case event_type::machine_metadata_changed:
        return of<machine_metadata_changed>(
            "machine_metadata_changed", machine, changes, seal::subject, update::update_machine, rows::own);
    case event_type::daemon_state_changed:
        return of<daemon_state_changed>(
            "daemon_state_changed", machine, changes, seal::subject, update::update_machine, rows::own);
    case event_type::machine_online:
        return of<no_body>("machine_online", machine, changes, seal::subject, update::machine_activity, rows::own);
    case event_type::machine_offline:
        return of<no_body>("machine_offline", machine, changes, seal::subject, update::machine_activity, rows::own);
    case event_type::machine_removed:
        return of<machine_removed>("machine_removed", machine, ends, seal::account, update::delete_machine, rows::own);

    case event_type::invitation_made:
        return of<invitation_made>("invitation_made", invitation, begins, seal::subject, update::none, rows::own);
    // In the stream of the account that was made with it.
    case event_type::invitation_used:
        return of<no_body>("invitation_used", invitation, ends, seal::account, update::none, rows::own);
    }
    return {};
}

/// "message_appended"
constexpr std::string_view name(event_type type) noexcept
{
    return describe(type).name;
}
/// False for a number this version does not know: the record was written by a newer one.
constexpr bool is_known(event_type type) noexcept
{
    return !name(type).empty();
}
/// True if a body of this alternative belongs to events of this type.
constexpr bool body_fits(event_type type, const event_body& body) noexcept
{
    const auto known = describe(type);
    return !known.name.empty() && body.index() == known.body;
}

/// How many types there are: they are numbered from 1 without a gap.
inline constexpr std::uint16_t event_type_count = []
{
    std::uint16_t count = 0;
    while (is_known(static_cast<event_type>(count + 1)))
        ++count;
    return count;
}();
static_assert(
    []
    {
        for (std::uint16_t beyond = event_type_count + 1; beyond < 1024; ++beyond)
            if (is_known(static_cast<event_type>(beyond)))
                return false;
        return true;
    }());

/// A type as an argument to overload on, so that what handles types one by one does not compile while one is missing.
template <event_type Type>
using event_tag = std::integral_constant<event_type, Type>;

/// Calls `visit` with the event_tag of `type`, which must be known.
template <class Visit>
constexpr void with_tag(event_type type, Visit&& visit)
{
    [&]<std::size_t... Index>(std::index_sequence<Index...>)
    {
        (void)((type == static_cast<event_type>(Index + 1) &&
                (visit(event_tag<static_cast<event_type>(Index + 1)>()), true)) ||
               ...);
    }(std::make_index_sequence<event_type_count>());
}

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
