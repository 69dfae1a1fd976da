#pragma once
#include "recent_events.hpp"
#include <cstdint>
#include <filesystem>
#include <functional>
#include <sys/types.h>

namespace rocksdb
{
class Env;
}

/// Where tests reach below the log: the disk under RocksDB, the witness file's system calls, the moments between two
/// durable steps, and how much is kept in memory. Production uses the defaults.
namespace consortium::log
{

class rocks_store;

/// docs/log-format.md, "Crash points".
enum class crash_point
{
    before_write,       ///< nothing of the batch is on disk
    after_wal_sync,     ///< the batch is on disk, the witness is not
    inside_witness,     ///< half of the witness slot is written
    after_witness_sync, ///< all is on disk, nobody was told
    checkpoint_stored,  ///< signed, over a head that callers were told of
    keys_wiped,         ///< destroyed keys are out of all files, and that is noted
    // While a new log is made, each after the step is durable.
    creation_begun,
    root_key_made,
    database_made,
    witness_made,
    // While the master secret is rotated.
    inside_new_slot,    ///< half of the free slot of root.key is written
    new_slot_written,   ///< both secrets open the log
    new_secret_written, ///< beside the secret's file
    secret_replaced,    ///< the file says the new secret
    inside_old_slot,    ///< half of the old slot is cleared
    old_slot_cleared,
    // While a log is adopted with losses, each after the step is durable.
    adoption_begun,
    adopted_head_written,
    adopted_witness_written,
    adopted_description_written,
};

struct seams
{
    /// RocksDB's view of the operating system; nullptr: the default one. Must outlive the log.
    rocksdb::Env* env = nullptr;
    std::function<void(crash_point)> reached = [](crash_point) {};
    std::function<ssize_t(int, const void*, std::size_t, off_t)> pwrite;
    std::function<int(int)> fdatasync;
    std::function<std::uint64_t(const std::filesystem::path&)> free_bytes;
    /// Sees the store once it is open for writing.
    std::function<void(rocks_store&)> opened = [](rocks_store&) {};
    /// How far behind a feed may be before it reads from disk.
    recent_events::bounds recent;

    seams();
};

} // namespace consortium::log
