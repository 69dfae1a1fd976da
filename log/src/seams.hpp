#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <sys/types.h>

namespace rocksdb
{
class Env;
}

/// Where tests reach below the log: the disk under RocksDB, the witness file's system calls, and the moments between
/// two durable steps. Production uses the defaults.
namespace consortium::log
{

/// docs/log-format.md, "Crash points".
enum class crash_point
{
    before_write,       ///< nothing of the batch is on disk
    after_wal_sync,     ///< the batch is on disk, the witness is not
    inside_witness,     ///< half of the witness slot is written
    after_witness_sync, ///< all is on disk, nobody was told
};

struct seams
{
    /// RocksDB's view of the operating system; nullptr: the default one. Must outlive the log.
    rocksdb::Env* env = nullptr;
    std::function<void(crash_point)> reached = [](crash_point) {};
    std::function<ssize_t(int, const void*, std::size_t, off_t)> pwrite;
    std::function<int(int)> fdatasync;
    std::function<std::uint64_t(const std::filesystem::path&)> free_bytes;

    seams();
};

} // namespace consortium::log
