#include "schema.hpp"
#include "consortium/common/printable.hpp"
#include "tables.hpp"
#include <array>
#include <pqxx/result>
#include <pqxx/transaction>
#include <stdexcept>

namespace consortium::postgres
{
namespace
{

constexpr char first[] = {
#embed "../migrations/001_first.sql"
    , 0};

/// In order; one that was released is never changed.
constexpr std::array migrations{
    migration{1, "001_first", first},
};

void check_encoding(pqxx::transaction_base& in)
{
    const auto encoding = in.exec1("SHOW server_encoding")[0].as<std::string>();
    if (encoding != "UTF8")
        throw std::runtime_error(
            "the database has the encoding " + printable(encoding) +
            ", which cannot hold every text: make one with ENCODING 'UTF8'");
}

bool exists(pqxx::transaction_base& in, std::string_view table)
{
    return !in.exec_params1("SELECT to_regclass($1)", std::string(table))[0].is_null();
}

void make_schema(pqxx::transaction_base& in)
{
    // IF NOT EXISTS asks for the right to make one even where there is one.
    if (!in.exec1("SELECT to_regnamespace('consortium')")[0].is_null())
        return;
    try
    {
        in.exec("CREATE SCHEMA consortium");
    }
    catch (const pqxx::insufficient_privilege&)
    {
        throw std::runtime_error(
            "there is no schema consortium, and the mirror may not make it: let an administrator of the database do "
            "CREATE SCHEMA consortium AUTHORIZATION the role of DATABASE_URL");
    }
}

/// Of a schema of which something is missing nothing can be kept.
void drop_unless_whole(pqxx::transaction_base& in, bool migrated)
{
    bool whole = migrated && exists(in, "consortium.position");
    all_tables::each([&]<class Table>() { whole = whole && exists(in, Table::name); });
    if (whole)
        return;
    all_tables::each([&]<class Table>() { in.exec("DROP TABLE IF EXISTS " + std::string(Table::name)); });
    in.exec("DROP TABLE IF EXISTS consortium.position");
    in.exec("DELETE FROM consortium.migrations");
}

} // namespace

void prepare_schema(pqxx::connection_base& connection)
{
    pqxx::work in(connection);
    check_encoding(in);
    in.exec("SELECT pg_advisory_xact_lock(" + std::to_string(schema_lock) + ")");
    make_schema(in);
    if (!exists(in, "consortium.migrations"))
        in.exec("CREATE TABLE consortium.migrations (number int PRIMARY KEY, name text NOT NULL, applied_at "
                "timestamptz NOT NULL DEFAULT now())");
    const auto newest = in.exec("SELECT number, name FROM consortium.migrations ORDER BY number DESC LIMIT 1");
    if (!newest.empty() && newest[0][0].as<int>() > migrations.back().number)
        throw std::runtime_error(
            "the schema consortium was made by a newer version: it has the migration " +
            printable(newest[0][1].as<std::string>()) + ", and this version knows them up to " +
            std::string(migrations.back().name));
    drop_unless_whole(in, !newest.empty());
    for (const auto& one : migrations)
    {
        const auto known = in.exec_params("SELECT 1 FROM consortium.migrations WHERE number = $1", one.number);
        if (!known.empty())
            continue;
        in.exec(std::string(one.sql));
        in.exec_params(
            "INSERT INTO consortium.migrations (number, name) VALUES ($1, $2)", one.number, std::string(one.name));
    }
    in.commit();
}

} // namespace consortium::postgres
