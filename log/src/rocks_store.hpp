#pragma once
#include "consortium/common/ids.hpp"
#include "consortium/common/merkle.hpp"
#include "files.hpp"
#include "live_readers.hpp"
#include "row_codec.hpp"
#include "seams.hpp"
#include "view_family.hpp"
#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
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

class view_guard;

class rocks_store
{
public:
    /// `views`: names of the view tables. errc::corrupt (also: a column family of the log's own is missing),
    /// errc::newer_version (a table this version does not know), errc::io. A view table that is new in this version, is
    /// missing or cannot be opened is no error: see tables_to_make(). One that cannot be opened is dropped if the
    /// access is `read_write`: so look read-only first.
    static result<std::unique_ptr<rocks_store>> open(
        const std::filesystem::path& directory, store_access access, std::span<const std::string_view> views,
        rocksdb::Env* env);
    ~rocks_store();

    /// Keeps the directory locked until the database is closed, which is when its last user is gone: a snapshot may
    /// outlive the log.
    void hold(unique_fd lock) noexcept { lock_ = std::move(lock); }

    rocksdb::DB& db() const noexcept { return *db_; }
    rocksdb::ColumnFamilyHandle* log() const noexcept { return log_; }
    rocksdb::ColumnFamilyHandle* keys() const noexcept { return keys_; }
    rocksdb::ColumnFamilyHandle* meta() const noexcept { return meta_; }
    /// Tiles; nullptr in a directory of a version that had none.
    rocksdb::ColumnFamilyHandle* tree() const noexcept { return tree_; }
    /// The view tables where they lie now. Whoever reads beside the writer pins them.
    std::shared_ptr<const view_set> views() const;
    rocksdb::ColumnFamilyHandle* view(table_id table) const { return views()->at(table)->handle(); }
    view_alarm& alarm() noexcept { return alarm_; }
    bool writable() const noexcept { return writable_; }
    const wal_report& wal() const noexcept { return wal_; }

    /// How many of the tables were ever made; the others, at the end of the list, are new in this version.
    std::size_t tables_made() const noexcept { return tables_made_; }
    /// Reads what a scan must not be the first to meet: RocksDB before 8.7 loses the error when the first block of a
    /// file below level 0 cannot be read and the scan comes to it from the file before; the rows of that file are then
    /// missing unsaid, for a compaction too (its pull request 11782). A view table with such a file breaks; the error
    /// is that of another family. Not of the log's own records: whoever reads these counts them.
    result<void> read_file_starts();
    /// Those that are new, and those that cannot be believed as they were opened.
    std::vector<table_id> tables_to_make() const;
    /// Whatever there is of a broken table goes, and with it all that RocksDB would do with it: writing it out,
    /// compacting it. Rows that are written to it from then on are ignored. The next opening takes it for damaged,
    /// unless it was noted durably that it is being made (write_making()).
    result<void> drop_view(table_id table);
    /// An empty column family for a table, which counts once it is installed. Whatever there is of it is dropped: that
    /// it is being made must have been noted durably (write_making()), unless it is new.
    result<std::shared_ptr<view_family>> begin_view(table_id table);
    /// On the thread for which view() is.
    void install_views(std::span<const std::shared_ptr<view_family>> made);
    /// Records that the tables are there.
    static void
    write_tables(rocksdb::WriteBatch& batch, const rocks_store& store, std::span<const std::string_view> views);
    /// Records which tables are being made anew: until none is, whatever is in them counts for nothing.
    void write_making(rocksdb::WriteBatch& batch, std::span<const table_id> tables) const;

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
    result<void> check_making();
    result<void> check_tree();
    result<void> drop_family(const std::string& name);
    result<rocksdb::ColumnFamilyHandle*> renew_family(const std::string& name);
    rocksdb::Status flush() const;

    view_alarm alarm_;
    std::shared_ptr<view_guard> guard_;
    rocksdb::ColumnFamilyHandle* log_ = nullptr;
    rocksdb::ColumnFamilyHandle* keys_ = nullptr;
    rocksdb::ColumnFamilyHandle* meta_ = nullptr;
    mutable std::mutex handles_mutex_;
    std::vector<rocksdb::ColumnFamilyHandle*> handles_; ///< all that are open and not dropped
    std::vector<rocksdb::ColumnFamilyHandle*> dropped_; ///< which somebody may still read
    mutable std::mutex views_mutex_;
    std::shared_ptr<const view_set> views_;
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
