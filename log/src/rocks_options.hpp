#pragma once
#include <memory>
#include <rocksdb/cache.h>
#include <rocksdb/options.h>
#include <string>
#include <string_view>

/// How RocksDB is set up: what the log asks of durability, memory and the time of a start.
namespace consortium::log
{

inline constexpr std::string_view tree_family_name = "tree";
inline constexpr std::string_view view_prefix = "view."; ///< of the names of view tables' column families

/// `env`: nullptr for the default one.
rocksdb::DBOptions database_options(rocksdb::Env* env);
/// Of the column family with this name; views have point lookups.
rocksdb::ColumnFamilyOptions family_options(const std::string& name, const std::shared_ptr<rocksdb::Cache>& cache);

} // namespace consortium::log
