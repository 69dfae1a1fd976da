#pragma once
#include "consortium/projections/reach.hpp"
#include "consortium/projections/views.hpp"
#include "rows.hpp"

/// What the files of one family each offer to domain.cpp and to one another.
namespace consortium::projections
{

// Fold: each takes the events of its family only. `account` is the account_part of the event's account: every prf
// costs as much as a row.
void fold_account(const log::event& happened, const byte_array<16>& account, log::view_writer& rows);
void fold_session(const log::event& happened, const byte_array<16>& account, log::view_writer& rows);
void fold_message(const log::event& happened, const byte_array<16>& account, log::view_writer& rows);
void fold_machine(const log::event& happened, const byte_array<16>& account, log::view_writer& rows);

/// The messages and local ids of the session with this session_part.
void erase_messages(log::view_writer& rows, const byte_array<16>& session);

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
std::optional<machine_row>
find_machine_row(const log::view_reader& rows, account_id account, std::string_view machine_id);

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
