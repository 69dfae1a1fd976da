#pragma once
#include <cstdint>
#include <pqxx/connection_base>
#include <string_view>

/// The schema `consortium`, as docs/mirror.md describes it and migrations/ make it.
namespace consortium::postgres
{

struct migration
{
    int number = 0; ///< from 1, without a gap
    std::string_view name;
    std::string_view sql;
};

/// Applies the migrations that are missing, in one transaction that holds an advisory lock. A schema of which something
/// is missing is made anew. Throws for one that is newer, which it names, for a database in another encoding than
/// UTF-8, when the schema may not be made, and what libpqxx does.
void prepare_schema(pqxx::connection_base& connection);

/// What the advisory locks of the mirror are taken on: one that writes, and whoever changes the schema.
inline constexpr std::int64_t writer_lock = 0x636f6e736f727401; // "consort" and a number
inline constexpr std::int64_t schema_lock = 0x636f6e736f727402;

} // namespace consortium::postgres
