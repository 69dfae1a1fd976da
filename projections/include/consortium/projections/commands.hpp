#pragma once
#include "consortium/common/device_chain.hpp"
#include "consortium/common/limits.hpp"
#include "consortium/common/signed_deletion.hpp"
#include "consortium/log/domain.hpp"
#include <memory>
#include <optional>
#include <string>
#include <vector>

/// Everything that may be written, decided against the view rows. Inputs are set before submit(); the fields under
/// "Answer" may be read once the outcome has arrived.
namespace consortium::projections
{

/// Who asks, as its token says. An agent reaches only the sessions and machines it created: of others in its account it
/// hears errc::forbidden, of all else errc::not_found. Commands that create, delete or sign out also answer
/// errc::revoked when the device has been revoked meanwhile.
struct principal
{
    account_id account;
    device_id device;
    log::device_kind kind = log::device_kind::browser;
};

/// The value that an update with an expected version was held against: what the answer of a mismatch needs.
struct versioned_value
{
    revision version;
    /// The event that holds the value; 0: never written.
    lsn where;
};

/// Who may make an account.
struct registration
{
    enum class by
    {
        anybody,
        invitation,
        nobody,
    };
    by allowed = by::anybody;
    bool first_is_free = false; ///< while there is no account at all, the first needs no invitation
};

/// Signs in with the account's key (docs/protocol.md 2.1): a device of its chain, one that `statement` adds to the
/// chain, or the account's unnamed device. Makes the account if it is new and that is wanted. errc::conflict:
/// `shows_chain` says that the caller answers with the chain of `found_account` (that of a new account is empty), for
/// `statement` is missing or not the next; otherwise the chain has the device as another kind. errc::bad_request: the
/// statement breaks a rule, or does something else than add this very device. errc::revoked: the chain revoked the
/// device. errc::not_found: no account has this key and `create` is false, or the key does not open `expected`.
/// errc::invitation_required, errc::registration_closed: the account is new. The invitation is used with the account's
/// first event, and with no other.
class sign_in final : public log::command
{
public:
    struct named_device
    {
        ed25519_public key{};
        device_kind kind = device_kind::browser;
        bytes statement; ///< empty: none was given
    };
    ed25519_public account_key{};
    std::optional<named_device> device; ///< empty: the unnamed one, for which an account is made without `create`
    account_id new_account;             ///< the id that the account has if it is new
    device_id new_device;               ///< used if the device is new
    bool create = false;
    registration allowed;
    std::optional<invitation_id> invitation; ///< looked at if the account is new and needs one
    std::optional<account_id> expected;      ///< sign in to this account or not at all

    // Answer
    account_id found_account;
    device_id found_device;
    device_kind found_kind{};
    std::uint64_t sign_outs = 0; ///< `g` of its tokens
    bool shows_chain = false;

    account_id account() const override;
    std::size_t size() const override;
    result<log::decision> decide(const log::view_reader& rows, unix_millis now) override;

private:
    result<log::decision> decide_unnamed(const log::view_reader& rows, log::decision made);
    result<log::decision> decide_named(const log::view_reader& rows, log::decision made, bool is_new);
};

/// Appends statements to an account's chain of devices, all of them or none; those that the chain has already are
/// passed over. They prove themselves, whoever brings them. A revocation ends the device's tokens and sockets.
/// errc::not_found: no such account, or `account_key` is not its key. errc::conflict: one is sound but not the next;
/// the caller answers with the chain. errc::bad_request: the rule that one breaks. errc::too_large.
class append_statements final : public log::command
{
public:
    struct item
    {
        bytes statement;
        device_id new_device; ///< used if it adds a device that is new here
    };
    account_id of;
    ed25519_public account_key{}; ///< as find_account() says
    std::vector<item> items;

    account_id account() const override;
    std::size_t size() const override;
    result<log::decision> decide(const log::view_reader& rows, unix_millis now) override;
};

/// Of somebody who has signed in.
class members_command : public log::command
{
public:
    principal who;

    account_id account() const final { return who.account; }
};

/// Voids all tokens that the device had (`g`, docs/protocol.md 2.4) and ends its sockets; the chain names it still.
class sign_out final : public members_command
{
public:
    // Answer
    std::uint64_t sign_outs = 0;

    std::size_t size() const override;
    result<log::decision> decide(const log::view_reader& rows, unix_millis now) override;
};

/// Lets one more account be made. `who` with a nil account is the relay itself. errc::forbidden: only browsers invite.
/// errc::quota: so many invitations of the account are open already.
class invite final : public members_command
{
public:
    invitation_id invitation;
    std::chrono::milliseconds lifetime = limits::invitation_lifetime;

    // Answer
    unix_millis expires = 0;

    std::size_t size() const override;
    result<log::decision> decide(const log::view_reader& rows, unix_millis now) override;
};

/// Creates a session, or finds the one with this tag and reopens it if it had ended. errc::forbidden: the tag belongs
/// to a session that this agent did not create.
class create_session final : public members_command
{
public:
    session_id new_session;
    std::string tag;
    std::string metadata;
    std::optional<std::string> data_key;

    // Answer
    session_id session;
    bool created = false;

    std::size_t size() const override;
    result<log::decision> decide(const log::view_reader& rows, unix_millis now) override;
};

/// Takes the session's writer lease (docs/protocol.md 3.4), which only the device that made it may. On success the
/// epoch is the revision of the one event. errc::version_mismatch: `current` is not the one to be taken from.
class lease_session final : public members_command
{
public:
    session_id session;
    std::optional<revision> expected; ///< the epoch that it is taken from, 0: none yet; empty: whichever it is

    // Answer
    revision current; ///< the epoch until now

    std::size_t size() const override;
    result<log::decision> decide(const log::view_reader& rows, unix_millis now) override;
};

/// Appends messages in the given order; a localId seen before in the session (or before in the request) returns the
/// first message instead, whatever its content. errc::not_found, errc::forbidden (an agent in another's session),
/// errc::stale_epoch.
class append_messages final : public members_command
{
public:
    struct item
    {
        std::string content;
        std::optional<std::string> local_id;
        message_id new_id;
    };
    session_id session;
    std::optional<revision> epoch; ///< the lease that it is said under, if one is named
    std::vector<item> items;

    // Answer, one for each item
    struct receipt
    {
        std::uint64_t seq = 0;
        /// Index into the outcome's events; empty: stored before, at `where`.
        std::optional<std::size_t> event;
        lsn where;
    };
    std::vector<receipt> receipts;

    std::size_t size() const override;
    result<log::decision> decide(const log::view_reader& rows, unix_millis now) override;
};

/// errc::version_mismatch unless `expected` is the current version (0 and, from clients, -1: never written); `current`
/// then holds what is. On success the new version is the revision of the one event. errc::stale_epoch.
class change_session_metadata final : public members_command
{
public:
    session_id session;
    std::optional<revision> epoch;
    revision expected;
    std::string metadata;

    // Answer
    versioned_value current;

    std::size_t size() const override;
    result<log::decision> decide(const log::view_reader& rows, unix_millis now) override;
};

class change_agent_state final : public members_command
{
public:
    session_id session;
    std::optional<revision> epoch;
    revision expected;
    std::optional<std::string> state;

    // Answer
    versioned_value current;

    std::size_t size() const override;
    result<log::decision> decide(const log::view_reader& rows, unix_millis now) override;
};

/// Ends or resumes; nothing happens if it is so already. Also what the relay says by itself after a timeout, with the
/// account's id and no device.
class set_session_active final : public members_command
{
public:
    session_id session;
    bool active = false;

    std::size_t size() const override;
    result<log::decision> decide(const log::view_reader& rows, unix_millis now) override;
};

/// Destroys the session's key in the same commit. errc::bad_request: `proof` is not what it should be, a browser's word
/// that is good in the account's chain.
class delete_session final : public members_command
{
public:
    session_id session;
    std::optional<signed_deletion> proof; ///< empty: carried out all the same, but no agent destroys anything for it

    // Answer: what a receipt says of it
    revision created; ///< of the event that made the session
    revision deleted; ///< of the one that deletes it
    std::uint64_t messages = 0;

    std::size_t size() const override;
    result<log::decision> decide(const log::view_reader& rows, unix_millis now) override;
};

/// Registers a machine, or finds the account's machine with this id, untouched.
class register_machine final : public members_command
{
public:
    machine_row_id new_machine;
    std::string machine_id;
    std::string metadata;
    std::optional<std::string> daemon_state;
    std::optional<std::string> data_key;

    // Answer
    machine_row_id machine;
    bool created = false;

    std::size_t size() const override;
    result<log::decision> decide(const log::view_reader& rows, unix_millis now) override;
};

class change_machine_metadata final : public members_command
{
public:
    std::string machine_id;
    revision expected;
    std::string metadata;

    // Answer
    versioned_value current;

    std::size_t size() const override;
    result<log::decision> decide(const log::view_reader& rows, unix_millis now) override;
};

/// Also brings the machine online, in the same event.
class change_daemon_state final : public members_command
{
public:
    std::string machine_id;
    revision expected;
    std::string state;

    // Answer
    versioned_value current;

    std::size_t size() const override;
    result<log::decision> decide(const log::view_reader& rows, unix_millis now) override;
};

class set_machine_online final : public members_command
{
public:
    std::string machine_id;
    bool online = false;

    std::size_t size() const override;
    result<log::decision> decide(const log::view_reader& rows, unix_millis now) override;
};

/// Destroys the machine's key; its sessions stay.
class remove_machine final : public members_command
{
public:
    std::string machine_id;

    std::size_t size() const override;
    result<log::decision> decide(const log::view_reader& rows, unix_millis now) override;
};

/// Destroys every key of the account. errc::forbidden for agents.
class delete_account final : public members_command
{
public:
    // Answer: what a receipt says of it; the account's revisions begin at 1
    revision deleted; ///< of the event that deletes it
    std::uint64_t sessions = 0;
    std::uint64_t machines = 0;

    std::size_t size() const override;
    result<log::decision> decide(const log::view_reader& rows, unix_millis now) override;
};

} // namespace consortium::projections
