#include "rocks_options.hpp"
#include "consortium/log/descriptors.hpp"
#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

namespace consortium::log
{
namespace
{

/// RocksDB's own messages: only what an operator must see, and never a file in the data directory.
class quiet_logger final : public rocksdb::Logger
{
public:
    quiet_logger() : Logger(rocksdb::InfoLogLevel::ERROR_LEVEL) {}
    using rocksdb::Logger::Logv;
    void Logv(const char* format, va_list arguments) override
    {
        std::array<char, 1024> line;
        std::vsnprintf(line.data(), line.size(), format, arguments);
        spdlog::error("RocksDB: {}", line.data());
    }
};

/// A write that fails ends the log, and a compaction that fails is tried again, all by themselves. What RocksDB calls
/// recovery from a full disk adds nothing to that, and its end can be missed by a database that is being closed, which
/// then waits for it for ever (RocksDB 7.8; facebook/rocksdb issue 11440).
class no_recovery final : public rocksdb::EventListener
{
public:
    void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status, bool* wanted) override
    {
        *wanted = false;
    }
};

rocksdb::ColumnFamilyOptions log_family(const std::shared_ptr<rocksdb::Cache>& cache)
{
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = cache;
    table.block_size = 16 << 10;
    table.cache_index_and_filter_blocks = true;
    rocksdb::ColumnFamilyOptions options;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    // Ciphertext does not compress. Keys only ascend, so level compaction moves files without rewriting them.
    options.compression = rocksdb::kNoCompression;
    options.bottommost_compression = rocksdb::kNoCompression;
    options.write_buffer_size = 64 << 20;
    // Each record goes behind the last: the memtable remembers the place instead of looking for it.
    options.memtable_insert_with_hint_prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(sizeof(std::uint32_t)));
    return options;
}

rocksdb::ColumnFamilyOptions point_family(const std::shared_ptr<rocksdb::Cache>& cache)
{
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = cache;
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    table.cache_index_and_filter_blocks = true;
    // In parts: the filter of a file of a million rows is larger than what a shard of the cache holds, and would be
    // read from the disk, whole, by every lookup.
    table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
    table.partition_filters = true;
    table.metadata_block_size = 16 << 10;
    table.pin_top_level_index_and_filter = true;
    rocksdb::ColumnFamilyOptions options;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    options.compression = rocksdb::kNoCompression;
    options.bottommost_compression = rocksdb::kNoCompression;
    options.write_buffer_size = 16 << 20;
    // Most lookups are for what is not there, such as the local id of a new message. A full memtable of those has a
    // hundred thousand rows, 13 bits of filter each; every table's filter is made, and takes its memory, at the start.
    options.memtable_whole_key_filtering = true;
    options.memtable_prefix_bloom_size_ratio = 0.01;
    return options;
}

/// A view table that cannot be written out is dropped; until then it must not hold up the writes of all others, which
/// RocksDB does for whoever has more full memtables than this. In a sound store the log's own records, which take more
/// room, bound them.
constexpr int view_memtables_max = 1024;

rocksdb::ColumnFamilyOptions view_family(const std::shared_ptr<rocksdb::Cache>& cache)
{
    auto options = point_family(cache);
    options.max_write_buffer_number = view_memtables_max;
    return options;
}

/// Tiles: written once or, near the right edge, some times over; never asked for in vain.
rocksdb::ColumnFamilyOptions tree_family(const std::shared_ptr<rocksdb::Cache>& cache)
{
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = cache;
    table.block_size = 8 << 10; // a full tile
    table.cache_index_and_filter_blocks = true;
    rocksdb::ColumnFamilyOptions options;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    options.compression = rocksdb::kNoCompression; // hashes
    options.bottommost_compression = rocksdb::kNoCompression;
    options.write_buffer_size = 4 << 20;
    return options;
}

} // namespace

namespace
{
/// The database's write-ahead logs, its manifest, what a compaction writes; the witness, the lock, directories.
constexpr std::size_t other_files = 64;

std::size_t table_files_max()
{
    rlimit limit{};
    const std::size_t allowed = ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 1024;
    return std::clamp<std::size_t>(allowed / 4, 32, 512);
}
} // namespace

std::size_t descriptors_reserved()
{
    return table_files_max() + other_files;
}

rocksdb::ColumnFamilyOptions family_options(const std::string& name, const std::shared_ptr<rocksdb::Cache>& cache)
{
    if (name == "log")
        return log_family(cache);
    if (name.starts_with(view_prefix))
        return view_family(cache);
    return name == tree_family_name ? tree_family(cache) : point_family(cache);
}

rocksdb::DBOptions database_options(rocksdb::Env* env)
{
    rocksdb::DBOptions options;
    if (env != nullptr)
        options.env = env;
    options.info_log = std::make_shared<quiet_logger>();
    options.info_log_level = rocksdb::InfoLogLevel::ERROR_LEVEL;
    options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
    // Off, RocksDB serves a database whose older WAL was deleted as if nothing were missing (measured).
    options.track_and_verify_wals_in_manifest = true;
    options.paranoid_checks = true;
    options.listeners.push_back(std::make_shared<no_recovery>());
    options.max_bgerror_resume_count = 0;
    options.max_total_wal_size = 32 << 20; // bounds the time of a restart
    options.max_background_jobs = 2;
    options.bytes_per_sync = 1 << 20;
    options.wal_bytes_per_sync = 1 << 20;
    // Opening must not depend on how long the log is.
    options.max_open_files = static_cast<int>(table_files_max());
    options.skip_stats_update_on_db_open = true;
    options.stats_dump_period_sec = 0;
    options.stats_persist_period_sec = 0;
    return options;
}

} // namespace consortium::log
