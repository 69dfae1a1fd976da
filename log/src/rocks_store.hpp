#pragma once
#include "consortium/common/ids.hpp"
#include "consortium/common/merkle.hpp"
#include "files.hpp"
#include "live_readers.hpp"
#include "row_codec.hpp"
#include "seams.hpp"
#include <atomic>
#include <filesystem>
#include <memory>
#include <rocksdb/db.h>
#include <rocksdb/wal_filter.h>
#include <rocksdb/write_batch.h>
#include <span>
#include <string_view>
#include <vector>

/// RocksDB under the log: column families, options, and the translation of its errors.
namespace consortium::log
{

error to_error(const rocksdb::Status& status, std::string_view what);

inline rocksdb::Slice slice(byte_view data) noexcept
{
    return {reinterpret_cast<const char*>(data.data()), data.size()};
}
inline byte_view view(const rocksdb::Slice& data) noexcept
{
    return {reinterpret_cast<const std::uint8_t*>(data.data()), data.size()};
}

/// What the newest batch left behind, in column family `meta`.
struct head_state
{
    log_id id;
    unix_millis time = 0; ///< of the newest record
    merkle::frontier tree;
    /// Before the newest batch: what the witness most often says if the process ended between the two syncs.
    merkle::frontier previous;

    lsn number() const noexcept { return {tree.size()}; }
    bytes serialize() const;
    static result<head_state> parse(byte_view data);
};

enum class store_access
{
    create,
    read_only, ///< changes nothing on disk, not even RocksDB's own log
    read_write
};

/// What a WAL held when it was read at opening.
struct wal_report
{
    /// Of a batch that was not written to its end: RocksDB drops them.
    std::uint64_t torn_bytes = 0;
};

class rocks_store
{
public:
    /// `views`: names of the view tables. errc::corrupt (also: a column family is missing), errc::newer_version (a
    /// table this version does not know), errc::io. A table that is new in this version is no error: see tables_made().
    static result<std::unique_ptr<rocks_store>> open(
        const std::filesystem::path& directory, store_access access, std::span<const std::string_view> views,
        rocksdb::Env* env);
    ~rocks_store();

    /// Keeps the directory locked until the database is closed, which is when its last user is gone: a snapshot may
    /// outlive the log.
    void hold(unique_fd lock) noexcept { lock_ = std::move(lock); }

    rocksdb::DB& db() const noexcept { return *db_; }
    rocksdb::ColumnFamilyHandle* log() const noexcept { return handles_[1]; }
    rocksdb::ColumnFamilyHandle* keys() const noexcept { return handles_[2]; }
    rocksdb::ColumnFamilyHandle* meta() const noexcept { return handles_[3]; }
    /// Tiles; nullptr in a directory of a version that had none.
    rocksdb::ColumnFamilyHandle* tree() const noexcept { return tree_; }
    rocksdb::ColumnFamilyHandle* view(table_id table) const { return views_.at(table); }
    bool writable() const noexcept { return writable_; }
    const wal_report& wal() const noexcept { return wal_; }

    /// How many of the tables are there; the others, at the end of the list, are of this version and must be made
    /// before anything is served.
    std::size_t tables_made() const noexcept { return tables_made_; }
    /// An empty column family for a new table, whatever an interrupted attempt left of it.
    result<void> make_view(table_id table, std::string_view name);
    /// Records that the tables are there.
    static void
    write_tables(rocksdb::WriteBatch& batch, const rocks_store& store, std::span<const std::string_view> views);

    /// False in a directory of a version that had no tiles, or when making them did not come to its end.
    bool tree_made() const noexcept { return tree_made_; }
    /// An empty column family for the tiles, whatever an interrupted attempt left of it.
    result<void> make_tree();
    /// Writes the last of them and records, durably, that they are there.
    result<void> finish_tree(rocksdb::WriteBatch& last);
    /// The record alone, for a new log.
    static void write_tree_made(rocksdb::WriteBatch& batch, const rocks_store& store);

    /// Writes memtables out if reading them back from the WALs would make the next opening slow.
    void prepare_to_close() noexcept;

    /// Removes overwritten values of `keys` from every file: a destroyed key stays in WALs until all that they hold was
    /// flushed, and in table files until they are rewritten. Nobody must read what was before (see readers()). Slow;
    /// any thread; errc::closed once `stop` is set.
    result<void> compact_keys(std::atomic<bool>& stop);
    live_readers& readers() noexcept { return readers_; }

    /// Also checks that the log ends where the head says.
    result<head_state> head() const;

private:
    rocks_store() = default;

    unique_fd lock_;
    /// RocksDB keeps a pointer to it.
    std::unique_ptr<rocksdb::WalFilter> wal_watcher_;
    std::unique_ptr<rocksdb::DB> db_;
    result<void> check_tables(std::span<const std::string_view> views);
    result<void> check_tree();
    result<void> make_family(rocksdb::ColumnFamilyHandle*& family, const std::string& name);

    std::vector<rocksdb::ColumnFamilyHandle*> handles_; ///< all that are open
    std::vector<rocksdb::ColumnFamilyHandle*> views_;   ///< by table; nullptr: new in this version
    std::size_t tables_made_ = 0;
    rocksdb::ColumnFamilyHandle* tree_ = nullptr;
    bool tree_made_ = false;
    std::shared_ptr<rocksdb::Cache> cache_;
    wal_report wal_;
    live_readers readers_;
    bool writable_ = false;
};

void write_head(rocksdb::WriteBatch& batch, const rocks_store& store, const head_state& head);

/// Reads a row of any column family; throws log_failure when the disk cannot be read. False: no such row.
bool get_row(
    const rocks_store& store, const rocksdb::ReadOptions& options, rocksdb::ColumnFamilyHandle* family, byte_view key,
    rocksdb::PinnableSlice& value);

} // namespace consortium::log
