#include "copy.hpp"
#include <libpq-fe.h>
#include <memory>
#include <pqxx/except>
#include <pqxx/result>

namespace consortium::postgres
{
namespace
{

using unique_result = std::unique_ptr<PGresult, decltype([](PGresult* of) { PQclear(of); })>;

constexpr std::string_view signature("PGCOPY\n\377\r\n\0", 11);
/// 2000-01-01, where Postgres' times begin.
constexpr unix_millis postgres_epoch = 946'684'800'000;

std::string query_for(std::string_view table, std::span<const char* const> columns)
{
    std::string names;
    for (const auto* name : columns)
        names += (names.empty() ? "" : ", ") + std::string(name);
    return "COPY " + std::string(table) + " (" + names + ") FROM STDIN (FORMAT binary)";
}

} // namespace

copy::copy(
    server_connection& connection, pqxx::transaction_base& in, std::string_view table,
    std::span<const char* const> columns)
    : to_(connection.handle()), query_(query_for(table, columns))
{
    in.exec(query_);
    append(held_, signature);
    put_size(0); // flags
    put_size(0); // bytes of an extension
}

void copy::put(timestamp field)
{
    put(byte_view(big_endian((field.value - postgres_epoch) * 1000)));
}

void copy::put(byte_view field)
{
    put_size(static_cast<std::int32_t>(field.size()));
    append(held_, field);
}

void copy::send()
{
    if (PQputCopyData(to_, reinterpret_cast<const char*>(held_.data()), static_cast<int>(held_.size())) != 1)
        throw pqxx::broken_connection(PQerrorMessage(to_));
    held_.clear();
}

void copy::complete()
{
    put_count(-1);
    send();
    if (PQputCopyEnd(to_, nullptr) != 1)
        throw pqxx::broken_connection(PQerrorMessage(to_));
    unique_result failed;
    while (unique_result one{PQgetResult(to_)})
        if (PQresultStatus(one.get()) != PGRES_COMMAND_OK)
        {
            failed = std::move(one);
            // A server that goes on asking for rows would be asked for ever.
            if (PQstatus(to_) == CONNECTION_BAD || PQresultStatus(failed.get()) == PGRES_COPY_IN)
                break;
        }
    if (!failed)
        return;
    const auto* state = PQresultErrorField(failed.get(), PG_DIAG_SQLSTATE);
    if (state == nullptr)
        throw pqxx::broken_connection(PQerrorMessage(to_));
    throw pqxx::sql_error(PQresultErrorMessage(failed.get()), query_, state);
}

} // namespace consortium::postgres
