#pragma once
#include "consortium/log/event_log.hpp"
#include "consortium/projections/commands.hpp"
#include <optional>
#include <string>
#include <vector>

/// The queries behind the /v1 API. Each takes one snapshot, so what it returns and the revision that travels with it
/// belong together. Errors: errc::not_found for the unknown and for what belongs to another account (never told
/// apart); errc::unavailable (carries when to retry) while a view table that it reads is made anew from the log;
/// errc::corrupt, errc::io from the log. None throws.
namespace consortium::projections
{

/// The rules the log calls: decide lives in commands.hpp, fold and the tables here. Stateless; lives for ever. No
/// account is refused anything for what it has already.
const log::domain& rules();

/// What one account may have at once. Beyond it errc::quota, with a time to try again, because a deletion makes room;
/// what needs no room (log::event_description) is never refused. What was written stays counted: the log forgets no
/// record.
struct quotas
{
    std::uint64_t bytes =
        limits::account_bytes_max; ///< of the bodies, and limits::record_bytes_counted for each record
    std::uint64_t sessions = limits::account_sessions_max;
    std::uint64_t machines = limits::account_machines_max;
    std::uint64_t devices = limits::account_devices_max; ///< those that were revoked do not count
};
/// The same rules, with quotas.
std::unique_ptr<const log::domain> make_rules(const quotas& allowed);

struct account_view
{
    account_id id;
    byte_array<32> public_key{};
    revision last;
    unix_millis created_at = 0;
};
result<account_view> find_account(const log::snapshot& at, account_id account);

struct device_view
{
    device_id id;
    account_id account;
    bytes public_key;
    log::device_kind kind{};
    unix_millis created_at = 0;
    std::optional<unix_millis> revoked_at;
    bool stated = false;         ///< the account's chain names it
    std::uint64_t sign_outs = 0; ///< `g` of its tokens; lower ones are void
};
result<device_view> find_device(const log::snapshot& at, account_id account, device_id device);
/// Oldest first.
result<std::vector<device_view>> list_devices(const log::snapshot& at, account_id account);

/// What judging a token needs: no body is read.
struct device_brief
{
    device_kind kind{};
    bool revoked = false;
    bool stated = false;
    std::uint64_t sign_outs = 0;

    /// A device that no statement names does not exist for clients; the unnamed one, for those who do not name theirs,
    /// does. What an older version paired without a statement keeps its sessions and signs in again or is paired anew.
    bool exists() const noexcept { return stated || kind == device_kind::unnamed; }
};
result<device_brief> find_device_brief(const log::snapshot& at, account_id account, device_id device);
/// The device of a key that the account's chain names, revoked or not.
result<device_view> find_stated_device(const log::snapshot& at, account_id account, const ed25519_public& key);

/// The statements of the account's chain from the `first` on, which counts from 1, to the last.
result<std::vector<bytes>> list_statements(const log::snapshot& at, account_id account, std::uint64_t first = 1);

struct session_view
{
    session_id id;
    device_id creator;
    std::uint64_t seq = 0;
    unix_millis created_at = 0;
    unix_millis updated_at = 0;
    bool active = false;
    unix_millis active_at = 0;
    std::string metadata;
    revision metadata_version;
    std::optional<std::string> agent_state;
    revision agent_state_version;
    std::optional<std::string> data_key;
};
result<session_view> find_session(const log::snapshot& at, account_id account, session_id session);
/// Some of the account's sessions. It ends after the one with which it reaches limits::list_bytes_max.
struct session_page
{
    std::vector<session_view> sessions;
    bool has_more = false;
};
/// The last updated: by updated_at, then id, newest first.
result<session_page> list_sessions(const log::snapshot& at, account_id account, std::size_t count_max);
/// By id, newest first: those made before `before`, or all, that were updated at `changed_since` or later.
result<session_page> sessions_before(
    const log::snapshot& at, account_id account, std::optional<session_id> before, unix_millis changed_since,
    std::size_t count_max);

/// What authorising and routing need of a session: no payload is read.
struct session_brief
{
    device_id creator;
    bool active = false;
    unix_millis active_at = 0;
    std::uint64_t seq = 0;
};
result<session_brief> find_session_brief(const log::snapshot& at, account_id account, session_id session);

/// Whose word deleted it. errc::not_found also when nobody signed, or it was not deleted.
result<signed_deletion> find_deletion(const log::snapshot& at, account_id account, session_id session);

struct message_view
{
    message_id id;
    std::uint64_t seq = 0;
    revision rev;
    std::optional<std::string> local_id;
    std::string content;
    unix_millis created_at = 0;
};
struct message_page
{
    std::vector<message_view> messages;
    bool has_more = false;
};
/// seq > after, ascending. Ends after the one with which it has `bytes_max`.
result<message_page> messages_after(
    const log::snapshot& at, account_id account, session_id session, std::uint64_t after, std::size_t count_max,
    std::size_t bytes_max = limits::page_bytes_max);
/// seq < before, descending. The same.
result<message_page> messages_before(
    const log::snapshot& at, account_id account, session_id session, std::uint64_t before, std::size_t count_max,
    std::size_t bytes_max = limits::page_bytes_max);

struct machine_view
{
    machine_row_id row;
    std::string id;
    device_id creator;
    std::string metadata;
    revision metadata_version;
    std::optional<std::string> daemon_state;
    revision daemon_state_version;
    std::optional<std::string> data_key;
    bool active = false;
    unix_millis active_at = 0;
    unix_millis created_at = 0;
    unix_millis updated_at = 0;
};
result<machine_view> find_machine(const log::snapshot& at, account_id account, std::string_view machine_id);
/// By active_at, newest first; ends after the one that reaches limits::list_bytes_max.
result<std::vector<machine_view>> list_machines(const log::snapshot& at, account_id account);

/// Sessions and machines that are active, of all accounts: what presence starts from after a restart.
struct active_thing
{
    account_id account;
    session_id session;     ///< nil for a machine
    std::string machine_id; ///< empty for a session
    unix_millis active_at = 0;
};
result<std::vector<active_thing>> list_active(const log::snapshot& at);

/// 0 for an account that does not exist.
result<revision> last_revision(const log::snapshot& at, account_id account);

/// The accounts there are, and the sum of the last revisions of all streams, the relay's own too. Reads a row for each.
struct stream_totals
{
    std::uint64_t accounts = 0;
    std::uint64_t revisions = 0;
};
result<stream_totals> count_streams(const log::snapshot& at);

/// Whether the relay itself has made an invitation that is still good at `now`.
result<bool> has_own_invitation(const log::snapshot& at, unix_millis now);

/// The account's events with revision > `since`, in order; empty: caught up. Ends after the event that reaches
/// `bytes_max` bytes of bodies, so that what a reader holds is bounded.
result<std::vector<log::event>> changes(
    const log::snapshot& at, account_id account, revision since, std::size_t count_max,
    std::size_t bytes_max = std::size_t(-1));

/// Where a revision of the account is in the log. errc::not_found: above the last, or the account was deleted.
result<lsn> find_revision(const log::snapshot& at, account_id account, revision wanted);
/// The same for a device: an agent finds only what is about sessions and machines that it created and that still
/// exist; all else is errc::not_found.
result<lsn> find_revision(const log::snapshot& at, const principal& who, revision wanted);

/// A registration of a machine may hold both.
enum class field
{
    metadata,
    state, ///< a session's agent state or a machine's daemon state
};
/// The value that the event at `where` gave to a field of a session or machine (its creation too). Empty: `where` is 0
/// or the field was set to null. errc::not_found: deleted since.
result<std::optional<std::string>> value_at(const log::snapshot& at, lsn where, field which);

} // namespace consortium::projections
