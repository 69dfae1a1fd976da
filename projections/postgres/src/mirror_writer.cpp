#include "mirror_writer.hpp"
#include "changes.hpp"
#include "consortium/postgres/limits.hpp"
#include "copy.hpp"
#include "schema.hpp"
#include "tables.hpp"
#include <pqxx/nontransaction>
#include <pqxx/result>
#include <pqxx/transaction>
#include <vector>

namespace consortium::postgres
{
namespace
{

/// SQLSTATE
constexpr auto lock_not_available = "55P03";

/// Whether a deletion of one of `about` erases rows of the table.
template <class Table>
bool concerns(log::event_subject about)
{
    return about == log::event_subject::account || about == Table::about;
}

std::string condition(std::string_view subject, log::event_subject about)
{
    std::string out = " WHERE account_id = $1";
    if (about != log::event_subject::account)
        out += " AND " + std::string(subject) + " = $2";
    return out;
}

pqxx::result run(pqxx::transaction_base& in, const std::string& query, const erasure& what)
{
    if (what.about == log::event_subject::account)
        return in.exec_params(query, to_string(what.account));
    return in.exec_params(query, to_string(what.account), to_string(what.subject));
}

/// All but the last rows of what is erased, some at a time. That they are gone a little early nobody can tell from a
/// mirror that is a little further.
template <class Table>
void erase_most(pqxx::connection_base& connection, const erasure& what, auto&& watched)
{
    const auto rows = "SELECT ctid FROM " + std::string(Table::name) + condition(Table::subject, what.about) +
                      " LIMIT " + std::to_string(limits::mirror_rows_erased_at_once);
    const auto query = "DELETE FROM " + std::string(Table::name) + " WHERE ctid = ANY(ARRAY(" + rows + "))";
    for (;;)
    {
        const auto watch = watched();
        pqxx::work in(connection);
        const bool more =
            !run(in, rows + " OFFSET " + std::to_string(limits::mirror_rows_erased_at_once - 1), what).empty();
        if (more)
            run(in, query, what);
        in.commit();
        if (!more)
            return;
    }
}

template <class Table>
void erase_rows(pqxx::transaction_base& in, const erasure& what)
{
    run(in, "DELETE FROM " + std::string(Table::name) + condition(Table::subject, what.about), what);
}

/// Who has the lock; anybody may take it who may connect.
std::string holder(pqxx::transaction_base& in)
{
    const auto found = in.exec(
        "SELECT usename, pid FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted "
        "AND ((classid::bigint << 32) | objid::bigint) = " +
        std::to_string(writer_lock) +
        " AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = "
        "current_database())");
    if (found.empty())
        return "nobody any more";
    return "the role " + found[0][0].as<std::string>("") + ", process " + found[0][1].as<std::string>("");
}

/// Of the connection before this one, if it was lost a moment ago, Postgres may not have heard yet.
void be_the_only_one(pqxx::transaction_base& in)
{
    in.exec("SET lock_timeout TO '10s'");
    try
    {
        in.exec("SELECT pg_advisory_lock(" + std::to_string(writer_lock) + ")");
    }
    catch (const pqxx::sql_error& failed)
    {
        if (failed.sqlstate() != lock_not_available)
            throw;
        throw std::runtime_error(
            "another relay writes to this database, where each needs one of its own: its lock is held by " +
            holder(in));
    }
    in.exec("SET lock_timeout TO 0");
}

template <class Table>
void copy_rows(server_connection& connection, pqxx::transaction_base& in, std::span<const log::event* const> happened)
{
    std::optional<copy> rows;
    for (const auto* one : happened)
        if (const auto row = Table::row(*one))
        {
            if (!rows)
                rows.emplace(connection, in, Table::name, Table::columns);
            *rows << *row;
        }
    if (rows)
        rows->complete();
}

} // namespace

std::string fingerprint(const log::event& happened)
{
    const auto& header = happened.header;
    return std::string(log::name(header.type)) + " " + to_string(header.account) + " " + to_string(header.stream) +
           " " + std::to_string(header.rev.value) + " " + std::to_string(header.time);
}

mirror_writer::mirror_writer(const database_url& where, const patience& how, watchdog& by)
    : patience_(how), by_(by), connection_(std::make_unique<server_connection>(where.value(), how.connecting, by))
{
    const auto watch = watched();
    {
        pqxx::nontransaction in(*connection_);
        const auto set = [&](const std::string& name, const std::string& value)
        { in.exec("SET " + name + " TO '" + value + "'"); };
        const auto milliseconds = std::to_string(how.working.count());
        set("client_encoding", "UTF8");
        set("timezone", "UTC");
        set("search_path", "pg_catalog");
        set("statement_timeout", milliseconds);
        set("idle_in_transaction_session_timeout", milliseconds);
        // A row that Postgres loses in a crash it loses together with the position, and gets it again.
        set("synchronous_commit", "off");
        set("application_name", "consortium mirror");
        // Of a connection that only this side knows to be lost the lock must not stay.
        set("tcp_keepalives_idle", "15");
        set("tcp_keepalives_interval", "5");
        set("tcp_keepalives_count", "3");
        if (connection_->server_version() >= 140'000)
            set("idle_session_timeout", milliseconds);
        be_the_only_one(in);
    }
    prepare_schema(*connection_);
}

std::optional<mirror_writer::reached> mirror_writer::position()
{
    const auto watch = watched();
    pqxx::work in(*connection_);
    const auto found = in.exec("SELECT log_id, lsn, last_event FROM consortium.position");
    if (found.empty())
        return std::nullopt;
    const auto id = parse_uuid<log_id>(found[0][0].as<std::string>());
    const auto at = found[0][1].as<std::int64_t>();
    if (!id || at < 0)
        throw std::runtime_error("the position in consortium.position is none");
    return reached{*id, {static_cast<std::uint64_t>(at)}, found[0][2].as<std::string>()};
}

void mirror_writer::start_over(log_id id)
{
    const auto watch = watched();
    pqxx::work in(*connection_);
    std::string names = "consortium.position";
    all_tables::each([&]<class Table>() { names += ", " + std::string(Table::name); });
    in.exec("TRUNCATE " + names);
    in.exec_params(
        "INSERT INTO consortium.position (log_id, lsn, last_event, updated_at) VALUES ($1, 0, '', "
        "clock_timestamp())",
        to_string(id));
    in.commit();
}

void mirror_writer::write(const reached& after, std::span<const std::shared_ptr<const log::event>> happened)
{
    if (happened.empty())
        return;
    changes changed;
    for (const auto& one : happened)
        changed.add(*one);
    std::vector<const log::event*> kept;
    kept.reserve(happened.size());
    for (const auto& one : happened)
        if (!changed.erases(*one))
            kept.push_back(one.get());

    for (const auto& what : changed.erased())
        all_tables::each(
            [&]<class Table>()
            {
                if (concerns<Table>(what.about))
                    erase_most<Table>(*connection_, what, [this] { return watched(); });
            });

    const auto watch = watched();
    pqxx::work in(*connection_);
    const auto moved = in.exec_params(
        "UPDATE consortium.position SET lsn = $3, last_event = $4, updated_at = clock_timestamp() WHERE log_id = $1 "
        "AND lsn = $2",
        to_string(after.log), after.at.value, happened.back()->number.value, fingerprint(*happened.back()));
    if (moved.affected_rows() != 1)
        throw position_moved();
    for (const auto& what : changed.erased())
        all_tables::each(
            [&]<class Table>()
            {
                if (concerns<Table>(what.about))
                    erase_rows<Table>(in, what);
            });
    all_tables::each(
        [&]<class Table>()
        {
            if constexpr (requires { typename Table::row_type; })
                copy_rows<Table>(*connection_, in, kept);
        });
    changed.apply(in);
    in.commit();
}

} // namespace consortium::postgres
