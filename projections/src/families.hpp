#pragma once
#include "consortium/projections/reach.hpp"
#include "consortium/projections/views.hpp"
#include "rows.hpp"

/// What the files of one family each offer to domain.cpp and to one another.
namespace consortium::projections
{

// Fold: each takes the events about its subjects only. `account` is the account_part of the event's account: every prf
// costs as much as a row.
void fold_account(const log::event& happened, const byte_array<16>& account, log::view_writer& rows);
void fold_session(const log::event& happened, const byte_array<16>& account, log::view_writer& rows);
void fold_machine(const log::event& happened, const byte_array<16>& account, log::view_writer& rows);
void fold_invitation(const log::event& happened, const byte_array<16>& account, log::view_writer& rows);

/// message_appended. `session` is the key of its session's rows.
void fold_message(const log::event& happened, const row_key& session, log::view_writer& rows);

template <log::event_type Type>
using on = log::event_tag<Type>;

/// Calls the overload of `fold` for the event's type. A type about one of `Subject` that has rows of its own and no
/// overload here does not compile.
template <log::event_subject... Subject>
void apply(const log::event& happened, auto&& fold)
{
    log::with_tag(
        happened.header.type,
        [&]<log::event_type Type>(on<Type> tag)
        {
            constexpr auto known = log::describe(Type);
            if constexpr (known.rows == log::event_rows::own && ((known.about == Subject) || ...))
                fold(tag);
        });
}

/// A draft as its type is described, of an event about `stream`: under which key it is sealed, which it makes or
/// destroys.
log::draft draft_of(log::event_type type, account_id account, stream_id stream, log::event_body body = log::no_body{});

/// The account's stream, history.cpp. `account` is its account_part.
void put_revision(log::view_writer& rows, const byte_array<16>& account, revision rev, lsn number);
/// Empty: above the last.
std::optional<lsn> lsn_of(const log::view_reader& rows, const byte_array<16>& account, revision wanted);
/// The revision of an event of the account.
revision revision_of(const log::view_reader& rows, const byte_array<16>& account, lsn number);

/// reach() for commands: with the row that was read for it, and a log_failure stays one. reach.cpp.
result<session_hot_row>
reach_session(const log::view_reader& rows, const principal& who, const row_key& session, intent how);
result<machine_row>
reach_machine(const log::view_reader& rows, const principal& who, std::string_view machine_id, intent how);
result<void> reach_account(const log::view_reader& rows, const principal& who, account_target what, intent how);
/// A session that `who` writes to under the lease `epoch`: reach_session(), and errc::stale_epoch. sessions.cpp.
result<session_hot_row> reach_written(
    const log::view_reader& rows, const principal& who, const row_key& session, const std::optional<revision>& epoch);
std::optional<machine_row>
find_machine_row(const log::view_reader& rows, account_id account, std::string_view machine_id);

struct known_device
{
    device_id id;
    device_row row;
    device_standing_row standing;
};
std::optional<known_device> device_of_id(const log::view_reader& rows, account_id account, device_id device);
/// The newest that had this key.
std::optional<known_device> device_of_key(const log::view_reader& rows, account_id account, byte_view public_key);
/// What the account's chain says of a key.
std::optional<stated_device> find_stated(const log::view_reader& rows, account_id account, const ed25519_public& key);

/// What the registration of `account` is committed with: nothing, or that its invitation is used. invitations.cpp.
/// errc::invitation_required, errc::registration_closed.
result<std::optional<log::draft>> admit_registration(
    const log::view_reader& rows, account_id account, const registration& allowed,
    const std::optional<invitation_id>& with, unix_millis now);

result<void> check_text(std::string_view what, std::size_t size, std::size_t size_min, std::size_t size_max);

/// The events of a query: errc::not_found when it was shredded since (the snapshot is older than the deletion).
result<log::event> read_event(const log::snapshot& at, lsn number);
/// The same; errc::corrupt if its body is not a `Body`.
template <class Body>
result<log::event> read_event_of(const log::snapshot& at, lsn number)
{
    auto found = read_event(at, number);
    if (found && found->template as<Body>() == nullptr)
        return fail(errc::corrupt, "record " + std::to_string(number.value) + " is not what its view row says");
    return found;
}

/// Runs a query; a log_failure becomes its error.
template <class Query>
auto guarded(Query&& query) -> decltype(query())
{
    try
    {
        return query();
    }
    catch (const log::log_failure& failure)
    {
        return std::unexpected(failure.reason);
    }
}

} // namespace consortium::projections
