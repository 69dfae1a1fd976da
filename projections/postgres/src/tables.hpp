#pragma once
#include "consortium/log/event.hpp"
#include <array>
#include <optional>
#include <string>
#include <tuple>

/// The tables of the mirror: each is described once, by its struct below, and what handles tables walks all_tables. For
/// people: docs/mirror.md; as SQL: migrations/.
namespace consortium::postgres
{

/// What the client's base64 stands for, or the text itself where it is none, in Postgres' text form of a bytea.
struct content
{
    explicit content(const std::string& text);
    std::string hex;
    std::size_t size = 0;
};
/// A client's text as Postgres can hold it: there is no NUL in it.
std::string storable(std::string text);

using maybe_text = std::optional<std::string>;

/// A row in the order of its table's columns. Large fields first: libpqxx copies what stands behind a field once more
/// for each field before it.
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
    using row_type = maybe_row<std::string, std::uint64_t, std::string>;
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
        std::string, std::string, std::string, std::uint64_t, std::uint64_t, std::string, std::string, bool,
        std::string, std::uint64_t, std::uint64_t>;
    static row_type row(const log::event& happened);
};

struct messages_table
{
    static constexpr std::string_view name = "consortium.messages";
    static constexpr std::array columns{"content", "lsn",      "account_id", "session_id", "seq",
                                        "id",      "local_id", "created_at", "revision",   "size"};
    static constexpr auto about = log::event_subject::session;
    static constexpr std::string_view subject = "session_id";
    using row_type = maybe_row<
        std::string, std::uint64_t, std::string, std::string, std::uint64_t, std::string, maybe_text, std::string,
        std::uint64_t, std::size_t>;
    static row_type row(const log::event& happened);
};

/// A value of a field of a session, as metadata_versions and agent_state_versions hold it.
using version_row =
    maybe_row<maybe_text, std::string, std::string, std::uint64_t, std::uint64_t, std::string, std::size_t>;
inline constexpr std::array version_columns{"content", "account_id", "session_id", "version",
                                            "lsn",     "created_at", "size"};

struct metadata_versions_table
{
    static constexpr std::string_view name = "consortium.metadata_versions";
    static constexpr auto columns = version_columns;
    static constexpr auto about = log::event_subject::session;
    static constexpr std::string_view subject = "session_id";
    using row_type = version_row;
    static row_type row(const log::event& happened);
};

struct agent_state_versions_table
{
    static constexpr std::string_view name = "consortium.agent_state_versions";
    static constexpr auto columns = version_columns;
    static constexpr auto about = log::event_subject::session;
    static constexpr std::string_view subject = "session_id";
    using row_type = version_row;
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
        std::string, std::string, std::string, std::string, std::uint64_t, std::string, std::string, bool, std::string,
        std::uint64_t, std::uint64_t>;
    static row_type row(const log::event& happened);
};

struct machine_events_table
{
    static constexpr std::string_view name = "consortium.machine_events";
    static constexpr std::array columns{"metadata", "daemon_state", "account_id", "machine", "revision",
                                        "lsn",      "event",        "created_at", "size"};
    static constexpr auto about = log::event_subject::machine;
    static constexpr std::string_view subject = "machine";
    using row_type = maybe_row<
        maybe_text, maybe_text, std::string, std::string, std::uint64_t, std::uint64_t, std::string, std::string,
        std::size_t>;
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
