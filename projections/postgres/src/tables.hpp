#pragma once
#include "consortium/common/clock.hpp"
#include "consortium/log/event.hpp"
#include <array>
#include <optional>
#include <string>
#include <tuple>

/// The tables of the mirror: each is described once, by its struct below, and what handles tables walks all_tables. For
/// people: docs/mirror.md; as SQL: migrations/.
namespace consortium::postgres
{

/// What the client's base64 stands for, or the text itself where it is none: a bytea.
struct content
{
    explicit content(std::string_view text);
    bytes raw;
};
/// A timestamptz.
struct timestamp
{
    unix_millis value = 0;
};
/// A client's text as Postgres can hold it: there is no NUL in it.
std::string storable(std::string text);

/// Fields as a verification compares them: timestamptz in the form of iso_time(), boolean, bigint and int as Postgres
/// writes them out; of a bytea and a text, whose sizes clients choose, the SHA-256 in hex.
std::string text_of(const content& field);
std::string text_of(timestamp field);
std::string text_of(bool field);
std::string text_of(std::uint64_t field);
std::string text_of(std::int32_t field);
std::string text_of(const std::string& field);
template <class Tag>
std::string text_of(const uuid<Tag>& field)
{
    return to_string(field);
}
template <class Field>
std::optional<std::string> text_of(const std::optional<Field>& field)
{
    return field.transform([](const Field& held) { return text_of(held); });
}

/// A row in the order of its table's columns.
template <class... Field>
using maybe_row = std::optional<std::tuple<Field...>>;

// Each has its name, its columns, whose deletion erases its rows beside the account's (`about` and the column with that
// id), and `row`: the row that an event adds, if it does. An event whose body was shredded adds none: the deletion that
// shredded it comes later in the log.

struct accounts_table
{
    static constexpr std::string_view name = "consortium.accounts";
    static constexpr std::array columns{"account_id", "lsn", "created_at"};
    static constexpr auto about = log::event_subject::account;
    static constexpr std::string_view subject = "account_id";
    using row_type = maybe_row<account_id, std::uint64_t, timestamp>;
    static row_type row(const log::event& happened);
};

struct sessions_table
{
    static constexpr std::string_view name = "consortium.sessions";
    static constexpr std::array columns{"account_id",         "session_id", "creator", "lsn",       "seq",
                                        "created_at",         "updated_at", "active",  "active_at", "metadata_version",
                                        "agent_state_version"};
    static constexpr auto about = log::event_subject::session;
    static constexpr std::string_view subject = "session_id";
    using row_type = maybe_row<
        account_id, stream_id, device_id, std::uint64_t, std::uint64_t, timestamp, timestamp, bool, timestamp,
        std::uint64_t, std::uint64_t>;
    static row_type row(const log::event& happened);
};

struct messages_table
{
    static constexpr std::string_view name = "consortium.messages";
    static constexpr std::array columns{"lsn",      "account_id", "session_id", "seq",      "id",
                                        "local_id", "content",    "created_at", "revision", "size"};
    static constexpr auto about = log::event_subject::session;
    static constexpr std::string_view subject = "session_id";
    using row_type = maybe_row<
        std::uint64_t, account_id, stream_id, std::uint64_t, message_id, std::optional<std::string>, content, timestamp,
        std::uint64_t, std::int32_t>;
    static row_type row(const log::event& happened);
};

/// Every value that a field of a session had.
struct field_versions
{
    static constexpr std::array columns{"account_id", "session_id", "version", "lsn", "content", "created_at", "size"};
    static constexpr auto about = log::event_subject::session;
    static constexpr std::string_view subject = "session_id";
    using row_type =
        maybe_row<account_id, stream_id, std::uint64_t, std::uint64_t, std::optional<content>, timestamp, std::int32_t>;
};
struct metadata_versions_table : field_versions
{
    static constexpr std::string_view name = "consortium.metadata_versions";
    static row_type row(const log::event& happened);
};
struct agent_state_versions_table : field_versions
{
    static constexpr std::string_view name = "consortium.agent_state_versions";
    static row_type row(const log::event& happened);
};

struct machines_table
{
    static constexpr std::string_view name = "consortium.machines";
    static constexpr std::array columns{"account_id", "machine",          "machine_id",          "creator",
                                        "lsn",        "created_at",       "updated_at",          "active",
                                        "active_at",  "metadata_version", "daemon_state_version"};
    static constexpr auto about = log::event_subject::machine;
    static constexpr std::string_view subject = "machine";
    using row_type = maybe_row<
        account_id, stream_id, std::string, device_id, std::uint64_t, timestamp, timestamp, bool, timestamp,
        std::uint64_t, std::uint64_t>;
    static row_type row(const log::event& happened);
};

struct machine_events_table
{
    static constexpr std::string_view name = "consortium.machine_events";
    static constexpr std::array columns{"account_id", "machine",      "revision",   "lsn", "event",
                                        "metadata",   "daemon_state", "created_at", "size"};
    static constexpr auto about = log::event_subject::machine;
    static constexpr std::string_view subject = "machine";
    using row_type = maybe_row<
        account_id, stream_id, std::uint64_t, std::uint64_t, std::string, std::optional<content>,
        std::optional<content>, timestamp, std::int32_t>;
    static row_type row(const log::event& happened);
};

/// A device may be said twice (it was known before there were statements), so its row is no new one each time:
/// device_changes of changes.hpp writes it.
struct devices_table
{
    static constexpr std::string_view name = "consortium.devices";
    static constexpr auto about = log::event_subject::device;
    static constexpr std::string_view subject = "device_id";
};

template <class... Table>
struct table_list
{
    /// Calls `visit.operator()<Table>()` for each.
    static void each(auto&& visit) { (visit.template operator()<Table>(), ...); }
};
using all_tables = table_list<
    accounts_table, devices_table, sessions_table, messages_table, metadata_versions_table, agent_state_versions_table,
    machines_table, machine_events_table>;

} // namespace consortium::postgres
