#include "verify.hpp"
#include "changes.hpp"
#include "consortium/postgres/limits.hpp"
#include "consortium/projections/views.hpp"
#include "tables.hpp"
#include <algorithm>
#include <array>
#include <functional>
#include <pqxx/result>
#include <set>
#include <vector>

namespace consortium::postgres
{
namespace
{

using columns = std::vector<std::string_view>;
using maybe_text = std::optional<std::string>;
using row_text = std::vector<maybe_text>;
/// The row that there should be with the lsn of this event; the error of whoever was asked.
using expectation = std::function<result<std::optional<row_text>>(const log::event& happened)>;

/// Every row of one table, in the order of the log, against what is expected.
class table_check
{
public:
    table_check(pqxx::transaction_base& in, std::string_view table, columns names, expectation expected)
        : in_(in),
          table_(table),
          cursor_(std::string(table.substr(table.find('.') + 1)) + "_rows"),
          names_(std::move(names)),
          expected_(std::move(expected))
    {
        in_.exec(
            "DECLARE " + cursor_ + " NO SCROLL CURSOR FOR SELECT lsn" + selected() + " FROM " + table_ + " ORDER BY 1");
    }

    result<void> check(const log::event& happened, verify_report& to)
    {
        const auto expected = expected_(happened);
        if (!expected)
            return std::unexpected(expected.error());
        while (there() && next_lsn() < happened.number)
            surplus(to);
        const bool found = there() && next_lsn() == happened.number;
        if (!*expected)
            return {};
        ++to.rows;
        if (!found)
        {
            differs(to, happened.number, "is missing");
            return {};
        }
        if (const auto names = difference(**expected, rows_[next_]); !names.empty())
            differs(to, happened.number, "differs in " + names);
        ++next_;
        return {};
    }
    /// What is left should not be there.
    void finish(verify_report& to)
    {
        while (there())
            surplus(to);
        in_.exec("CLOSE " + cursor_);
    }

private:
    /// Columns so that Postgres' text of them is text_of() ours. None is large, whatever is in it.
    std::string selected() const
    {
        std::string out;
        for (const auto name : names_)
            out += ", " + selected(name);
        return out;
    }
    static std::string selected(std::string_view name)
    {
        static constexpr std::array<std::string_view, 3> bytea{"content", "metadata", "daemon_state"};
        static constexpr std::array<std::string_view, 4> text{"event", "kind", "local_id", "machine_id"};
        const std::string column(name);
        if (name.ends_with("_at"))
            return "to_char(" + column + R"(, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))";
        if (std::ranges::find(bytea, name) != bytea.end())
            return "encode(sha256(" + column + "), 'hex')";
        if (std::ranges::find(text, name) != text.end())
            return "encode(sha256(convert_to(" + column + ", 'UTF8')), 'hex')";
        return column + "::text";
    }
    /// The names of the columns that differ.
    std::string difference(const row_text& expected, const pqxx::row& found) const
    {
        std::string out;
        for (std::size_t i = 0; i < names_.size(); ++i)
        {
            const auto field = found[static_cast<pqxx::row::size_type>(i + 1)];
            const bool equal = expected[i]
                                   ? !field.is_null() && *expected[i] == std::string_view(field.c_str(), field.size())
                                   : field.is_null();
            if (!equal)
                out += (out.empty() ? "" : ", ") + std::string(names_[i]);
        }
        return out;
    }
    bool there()
    {
        if (next_ == rows_.size() && !ended_)
        {
            rows_ = in_.exec("FETCH " + std::to_string(limits::mirror_verify_rows_at_once) + " FROM " + cursor_);
            next_ = 0;
            ended_ = rows_.empty();
        }
        return next_ < rows_.size();
    }
    lsn next_lsn() const { return {static_cast<std::uint64_t>(rows_[next_][0].as<std::int64_t>())}; }
    void surplus(verify_report& to)
    {
        ++to.rows;
        differs(to, next_lsn(), "should not be there");
        ++next_;
    }
    void differs(verify_report& to, lsn which, const std::string& what) const
    {
        ++to.differences;
        if (to.findings.size() < limits::mirror_verify_findings_max)
            to.findings.push_back(table_ + ": the row of lsn " + std::to_string(which.value) + " " + what);
    }

    pqxx::transaction_base& in_;
    const std::string table_;
    const std::string cursor_;
    const columns names_;
    const expectation expected_;
    pqxx::result rows_;
    pqxx::result::size_type next_ = 0;
    bool ended_ = false;
};

template <class... Field>
row_text row_of(const Field&... field)
{
    return {maybe_text(text_of(field))...};
}

/// The rows of tables to which nothing but deletions happens: what the event itself says.
template <class Table>
table_check by_the_log(pqxx::transaction_base& in)
{
    return {
        in,
        Table::name,
        {Table::columns.begin(), Table::columns.end()},
        [](const log::event& happened) -> result<std::optional<row_text>>
        {
            return Table::row(happened).transform(
                [](const auto& row) { return std::apply([](const auto&... field) { return row_of(field...); }, row); });
        }};
}

/// What the views say of the thing that an event began, as a row. `find` is asked for it, and `row` writes it down.
template <log::event_subject About>
expectation by_the_views(auto&& find, auto&& row)
{
    return [=, seen = std::set<stream_id>()](const log::event& happened) mutable -> result<std::optional<row_text>>
    {
        const auto known = log::describe(happened.header.type);
        // A device may be said twice; its row is of the first time.
        if (known.about != About || known.step != log::event_step::begins || happened.shredded() ||
            !seen.insert(happened.header.stream).second)
            return std::nullopt;
        const auto found = find(happened);
        if (found)
            return row(*found);
        if (found.error() == errc::not_found)
            return std::nullopt;
        return std::unexpected(found.error());
    };
}

table_check check_accounts(pqxx::transaction_base& in, const log::snapshot& at)
{
    return {
        in,
        accounts_table::name,
        {"account_id", "created_at"},
        by_the_views<accounts_table::about>(
            [&at](const log::event& happened) { return projections::find_account(at, happened.header.account); },
            [](const projections::account_view& is) { return row_of(is.id, timestamp{is.created_at}); })};
}

table_check check_devices(pqxx::transaction_base& in, const log::snapshot& at)
{
    return {
        in,
        devices_table::name,
        {"account_id", "device_id", "kind", "created_at", "revoked_at"},
        by_the_views<devices_table::about>(
            [&at](const log::event& happened)
            { return projections::find_device(at, happened.header.account, happened.header.stream.as<device_id>()); },
            [](const projections::device_view& is)
            {
                return row_of(
                    is.account, is.id, std::string(name_of(is.kind)), timestamp{is.created_at},
                    is.revoked_at.transform([](unix_millis at) { return timestamp{at}; }));
            })};
}

table_check check_sessions(pqxx::transaction_base& in, const log::snapshot& at)
{
    return {
        in,
        sessions_table::name,
        {"session_id", "creator", "seq", "created_at", "updated_at", "active", "active_at", "metadata_version",
         "agent_state_version"},
        by_the_views<sessions_table::about>(
            [&at](const log::event& happened)
            { return projections::find_session(at, happened.header.account, happened.header.stream.as<session_id>()); },
            [](const projections::session_view& is)
            {
                return row_of(
                    is.id, is.creator, is.seq, timestamp{is.created_at}, timestamp{is.updated_at}, is.active,
                    timestamp{is.active_at}, is.metadata_version.value, is.agent_state_version.value);
            })};
}

table_check check_machines(pqxx::transaction_base& in, const log::snapshot& at)
{
    return {
        in,
        machines_table::name,
        {"machine", "machine_id", "creator", "created_at", "updated_at", "active", "active_at", "metadata_version",
         "daemon_state_version"},
        by_the_views<machines_table::about>(
            [&at](const log::event& happened)
            {
                return projections::find_machine(
                    at, happened.header.account, happened.as<log::machine_registered>()->machine_id);
            },
            [](const projections::machine_view& is)
            {
                return row_of(
                    is.row, storable(is.id), is.creator, timestamp{is.created_at}, timestamp{is.updated_at}, is.active,
                    timestamp{is.active_at}, is.metadata_version.value, is.daemon_state_version.value);
            })};
}

} // namespace

result<verify_report> verify_rows(pqxx::transaction_base& in, const log::snapshot& at)
{
    verify_report out{.position = at.head(), .rows = 0, .findings = {}, .differences = 0};
    std::array checks{
        check_accounts(in, at),
        check_devices(in, at),
        check_sessions(in, at),
        check_machines(in, at),
        by_the_log<messages_table>(in),
        by_the_log<metadata_versions_table>(in),
        by_the_log<agent_state_versions_table>(in),
        by_the_log<machine_events_table>(in),
    };
    for (lsn next{1}; next <= at.head();)
    {
        const auto events = at.read(next, limits::mirror_verify_rows_at_once, limits::mirror_verify_bytes_at_once);
        if (!events)
            return std::unexpected(events.error());
        for (const auto& happened : *events)
            for (auto& one : checks)
                if (auto checked = one.check(happened, out); !checked)
                    return std::unexpected(checked.error());
        next = {next.value + events->size()};
    }
    for (auto& one : checks)
        one.finish(out);
    return out;
}

} // namespace consortium::postgres
