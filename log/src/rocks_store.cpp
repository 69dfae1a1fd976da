#include "rocks_store.hpp"
#include "rocks_options.hpp"
#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/listener.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/transaction_log.h>
#include <rocksdb/wal_filter.h>
#include <rocksdb/write_batch.h>
#include <spdlog/spdlog.h>
#include <sstream>

namespace consortium::log
{
namespace
{

/// WALs of less are read back in some ten milliseconds.
constexpr std::uint64_t quick_wal_bytes = 8 << 20;
constexpr std::uint8_t head_version = 1;
constexpr std::string_view head_key = "head";
constexpr std::string_view tables_key = "tables";
constexpr std::string_view making_key = "making";
constexpr std::string_view tree_key = "tree";
constexpr std::uint8_t tree_version = 1;

/// Watches the batches that RocksDB finds intact in its WALs, to know how many bytes after the last one it drops.
class wal_watcher final : public rocksdb::WalFilter
{
public:
    WalProcessingOption LogRecordFound(
        unsigned long long, const std::string& file, const rocksdb::WriteBatch& batch, rocksdb::WriteBatch*,
        bool*) override
    {
        advance(ends_[file], batch.GetDataSize());
        return WalProcessingOption::kContinueProcessing;
    }
    const char* Name() const override { return "consortium.wal_watcher"; }

    const std::map<std::string, std::uint64_t>& ends() const noexcept { return ends_; }

private:
    /// Where a batch of `size` bytes ends in a WAL: blocks of 32 KiB hold fragments, each behind 7 bytes of its own
    /// (RocksDB wiki, "Write Ahead Log File Format").
    static void advance(std::uint64_t& end, std::uint64_t size)
    {
        constexpr std::uint64_t block = 32768;
        constexpr std::uint64_t fragment_header = 7;
        do
        {
            if (block - end % block < fragment_header)
                end += block - end % block;
            const auto fragment = std::min(size, block - end % block - fragment_header);
            end += fragment_header + fragment;
            size -= fragment;
        } while (size > 0);
    }

    std::map<std::string, std::uint64_t> ends_;
};

std::string family_name(std::string_view view)
{
    return std::string(view_prefix) + std::string(view);
}

bool is_view(std::string_view family)
{
    return family.starts_with(view_prefix);
}

/// What to open: first the log's own column families, then those of view tables.
result<std::vector<std::string>> families_to_open(
    const std::filesystem::path& directory, store_access access, std::span<const std::string_view> views,
    const rocksdb::DBOptions& options)
{
    const std::vector<std::string> own{rocksdb::kDefaultColumnFamilyName, "log", "keys", "meta"};
    auto out = own;
    if (access == store_access::create)
    {
        out.emplace_back(tree_family_name);
        for (const auto name : views)
            out.push_back(family_name(name));
        return out;
    }

    std::vector<std::string> present;
    const auto status = rocksdb::DB::ListColumnFamilies(options, directory.string(), &present);
    if (!status.ok())
        return std::unexpected(to_error(status, "cannot read the list of column families"));
    const auto in = [](const std::vector<std::string>& list, const std::string& name)
    { return std::ranges::find(list, name) != list.end(); };
    for (const auto& name : own)
        if (!in(present, name))
            return fail(errc::corrupt, "column family '" + name + "' is missing");
    if (in(present, std::string(tree_family_name)))
        out.emplace_back(tree_family_name);
    for (const auto name : views)
        if (in(present, family_name(name)))
            out.push_back(family_name(name));
    for (const auto& name : present)
        if (!in(out, name))
            return fail(
                errc::newer_version,
                "column family '" + name + "' is unknown: a newer version of this program wrote here");
    return out;
}

/// Column families and the database they are open in.
class open_families
{
public:
    open_families(std::span<const std::string> names, std::shared_ptr<rocksdb::Cache> cache) : cache_(std::move(cache))
    {
        for (const auto& name : names)
            descriptors_.emplace_back(name, family_options(name, cache_));
    }
    ~open_families() { close(); }
    open_families(const open_families&) = delete;

    rocksdb::Status open(const std::filesystem::path& directory, const rocksdb::DBOptions& options, bool read_only)
    {
        close();
        rocksdb::DB* db = nullptr;
        const auto status = read_only
                                ? rocksdb::DB::OpenForReadOnly(options, directory.string(), descriptors_, &handles, &db)
                                : rocksdb::DB::Open(options, directory.string(), descriptors_, &handles, &db);
        database.reset(status.ok() ? db : nullptr);
        if (!database)
            handles.clear();
        return status;
    }
    void close()
    {
        if (!database)
            return;
        for (auto* handle : std::exchange(handles, {}))
            database->DestroyColumnFamilyHandle(handle);
        database->Close();
        database.reset();
    }

    std::unique_ptr<rocksdb::DB> database;
    std::vector<rocksdb::ColumnFamilyHandle*> handles;

private:
    std::shared_ptr<rocksdb::Cache> cache_;
    std::vector<rocksdb::ColumnFamilyDescriptor> descriptors_;
};

/// The view tables without which the rest opens; none if that is not so. Changes nothing.
std::vector<std::string> find_unopenable_views(
    const std::filesystem::path& directory, const rocksdb::DBOptions& options, std::span<const std::string> families,
    const std::shared_ptr<rocksdb::Cache>& cache)
{
    std::vector<std::string> own;
    std::vector<std::string> views;
    for (const auto& name : families)
        (is_view(name) ? views : own).push_back(name);
    const auto opens = [&](std::span<const std::string> names)
    { return open_families(names, cache).open(directory, options, /*read_only=*/true).ok(); };
    if (!opens(own))
        return {};
    std::erase_if(
        views,
        [&](const std::string& view)
        {
            auto with = own;
            with.push_back(view);
            return opens(with);
        });
    return views;
}

/// Column families that cannot be opened can be dropped all the same, by a database that does not insist on seeing
/// their files. It would not insist on whole write-ahead logs either: so only if it finds in them what one finds that
/// does.
rocksdb::Status drop_unopenable(
    const std::filesystem::path& directory, rocksdb::DBOptions options, std::span<const std::string> families,
    std::span<const std::string> doomed, const std::shared_ptr<rocksdb::Cache>& cache)
{
    std::vector<std::string> own;
    for (const auto& name : families)
        if (!is_view(name))
            own.push_back(name);
    std::array<std::uint64_t, 2> ends{};
    for (const bool strict : {true, false})
    {
        options.paranoid_checks = strict;
        open_families all(own, cache);
        if (auto status = all.open(directory, options, /*read_only=*/true); !status.ok())
            return status;
        ends[strict ? 1 : 0] = all.database->GetLatestSequenceNumber();
    }
    if (ends[0] != ends[1])
        return rocksdb::Status::Corruption("a write-ahead log is damaged as well");
    options.paranoid_checks = false;
    open_families all(families, cache);
    auto status = all.open(directory, options, /*read_only=*/false);
    for (auto* handle : all.handles)
        if (status.ok() && std::ranges::find(doomed, handle->GetName()) != doomed.end())
            status = all.database->DropColumnFamily(handle);
    return status;
}

/// Zeros are room that was never written; anything else after the last batch is part of another one.
std::uint64_t torn_bytes(const wal_watcher& watcher)
{
    std::uint64_t torn = 0;
    for (const auto& [path, end] : watcher.ends())
    {
        std::ifstream file(path, std::ios::binary);
        file.seekg(static_cast<std::streamoff>(end));
        std::uint64_t at = 0;
        std::uint64_t last = 0;
        for (char byte = 0; file.get(byte);)
        {
            ++at;
            if (byte != 0)
                last = at;
        }
        torn += last;
    }
    return torn;
}

} // namespace

/// What fails about a file of a view table alone, when its rows are written out or compacted, breaks that table and
/// ends nothing: without this RocksDB would take no more writes at all. That the disk is full is nobody's damage, and
/// what is written for all, the write-ahead logs, the manifest and the directory, is the log's own: both stay with
/// RocksDB.
class view_guard final : public rocksdb::EventListener
{
public:
    /// Until then what failed is only tried again; a compaction is, every second.
    void watch(const rocks_store& store)
    {
        const std::lock_guard lock(mutex_);
        store_ = &store;
    }
    /// From then on nobody would make the table anew, and whoever waits until its rows are written out would wait for
    /// ever: everything that fails stays with RocksDB.
    void stop()
    {
        const std::lock_guard lock(mutex_);
        stopped_ = true;
    }

    void OnTableFileCreated(const rocksdb::TableFileCreationInfo& file) override
    {
        if (file.reason == rocksdb::TableFileCreationReason::kFlush)
            look(file.cf_name, file.status);
    }
    void OnCompactionCompleted(rocksdb::DB*, const rocksdb::CompactionJobInfo& done) override
    {
        look(done.cf_name, done.status);
    }
    /// Comes right after, on the same thread. What failed for another reason says so in other words.
    void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* why) override
    {
        using enum rocksdb::BackgroundErrorReason;
        const auto failed = std::exchange(failed_here_, {});
        // RocksDB says that there is no write-ahead log where the one that there is holds nothing yet.
        const bool flush = reason == kFlush || reason == kFlushNoWAL;
        if ((!flush && reason != kCompaction) || failed.family.empty() || failed.why != why->ToString())
            return;
        const std::lock_guard lock(mutex_);
        if (stopped_)
            return;
        if (store_ != nullptr)
            for (const auto& table : *store_->views())
                if (family_name(table->name()) == failed.family)
                    table->mark_broken(
                        to_error(*why, flush ? "cannot write view rows out" : "cannot compact view rows"));
        *why = rocksdb::Status::OK();
    }

private:
    struct failure
    {
        std::string family; ///< empty: none, or not of a view table alone
        std::string why;
    };

    static void look(const std::string& family, const rocksdb::Status& status)
    {
        const bool damage =
            status.IsCorruption() || status.IsPathNotFound() || (status.IsIOError() && !status.IsNoSpace());
        failed_here_ = damage && is_view(family) ? failure{family, status.ToString()} : failure{};
    }

    static thread_local failure failed_here_;
    std::mutex mutex_;
    const rocks_store* store_ = nullptr;
    bool stopped_ = false;
};
thread_local view_guard::failure view_guard::failed_here_;

error to_error(const rocksdb::Status& status, std::string_view what)
{
    auto code = errc::io;
    if (status.IsCorruption() || status.IsPathNotFound()) // a file that should be there
        code = errc::corrupt;
    else if (status.IsNotFound())
        code = errc::not_found;
    else if (status.IsInvalidArgument() || status.IsNotSupported())
        code = errc::corrupt;
    return {.code = code, .detail = std::string(what) + ": " + status.ToString(), .retry = {}};
}

bytes head_state::serialize() const
{
    bytes out{head_version};
    append(out, id.view());
    append(out, big_endian(time));
    append(out, tree.serialize());
    append(out, previous.serialize());
    return out;
}

result<head_state> head_state::parse(byte_view data)
{
    constexpr std::size_t trees_at = 1 + 16 + 8;
    if (data.empty() || data[0] > head_version)
        return fail(data.empty() ? errc::corrupt : errc::newer_version, "the log's head is of an unknown version");
    if (data[0] != head_version || data.size() < trees_at + 16)
        return fail(errc::corrupt, "the log's head is damaged");
    head_state out{
        .id = {to_array<16>(data.subspan(1))},
        .time = load_big_endian<std::int64_t>(data.subspan(17)),
        .tree = {},
        .previous = {}};
    data = data.subspan(trees_at);
    // The first frontier's size says where the second begins.
    const auto roots = static_cast<std::size_t>(std::popcount(load_big_endian<std::uint64_t>(data)));
    const auto first_bytes = 8 + roots * 32;
    if (data.size() < first_bytes)
        return fail(errc::corrupt, "the log's head is damaged");
    auto tree = merkle::frontier::parse(data.first(first_bytes));
    auto previous = merkle::frontier::parse(data.subspan(first_bytes));
    if (!tree || !previous)
        return fail(errc::corrupt, "the log's head is damaged");
    out.tree = std::move(*tree);
    out.previous = std::move(*previous);
    return out;
}

result<std::unique_ptr<rocks_store>> rocks_store::open(
    const std::filesystem::path& directory, store_access access, std::span<const std::string_view> views,
    rocksdb::Env* env)
{
    auto options = database_options(env);
    const auto families = families_to_open(directory, access, views, options);
    if (!families)
        return std::unexpected(families.error());

    std::unique_ptr<rocks_store> out(new rocks_store);
    const bool read_only = access == store_access::read_only;
    out->cache_ = rocksdb::NewLRUCache(64 << 20);
    out->guard_ = std::make_shared<view_guard>();
    options.listeners.push_back(out->guard_);
    options.create_if_missing = access == store_access::create;
    options.create_missing_column_families = access == store_access::create;
    options.error_if_exists = access == store_access::create;

    auto names = *families;
    std::optional<open_families> all;
    const auto open_all = [&]
    {
        auto watcher = std::make_unique<wal_watcher>();
        if (read_only)
            options.wal_filter = watcher.get();
        auto status = all.emplace(names, out->cache_).open(directory, options, read_only);
        if (status.ok() && read_only)
            out->wal_.torn_bytes = torn_bytes(*watcher);
        options.wal_filter = nullptr;
        out->wal_watcher_ = std::move(watcher);
        return status;
    };
    auto status = open_all();
    const auto damage = to_error(status, "cannot be opened");
    std::vector<std::string> unopenable;
    if (!status.ok() && access != store_access::create)
        unopenable = find_unopenable_views(directory, options, names, out->cache_);
    if (!unopenable.empty())
    {
        const auto dropped =
            read_only ? rocksdb::Status() : drop_unopenable(directory, options, names, unopenable, out->cache_);
        std::erase_if(names, [&](const auto& name) { return std::ranges::find(unopenable, name) != unopenable.end(); });
        if (dropped.ok())
            status = open_all();
    }
    if (!status.ok())
        return std::unexpected(to_error(status, "RocksDB refuses " + directory.string()));
    out->db_ = std::move(all->database);
    out->handles_ = std::move(all->handles);
    out->writable_ = !read_only;

    const auto find = [&](const std::string& name)
    {
        const auto found =
            std::ranges::find_if(out->handles_, [&](const auto* handle) { return handle->GetName() == name; });
        return found == out->handles_.end() ? nullptr : *found;
    };
    out->log_ = find("log");
    out->keys_ = find("keys");
    out->meta_ = find("meta");
    view_set tables;
    for (const auto name : views)
    {
        auto& table = *tables.emplace_back(std::make_shared<view_family>(
            tables.size(), std::string(name), find(family_name(name)),
            read_only ? view_family::broken_means::corrupt : view_family::broken_means::unavailable, out->alarm_));
        if (std::ranges::find(unopenable, family_name(name)) != unopenable.end())
            table.mark_broken(damage);
    }
    out->views_ = std::make_shared<const view_set>(std::move(tables));
    out->tree_ = find(std::string(tree_family_name));
    out->tables_made_ = views.size();
    out->tree_made_ = true;
    if (access != store_access::create)
    {
        auto good = out->check_making();
        if (good)
            good = out->check_tables(views);
        if (good)
            good = out->check_tree();
        if (!good)
            return std::unexpected(good.error());
    }
    // What was dropped is gone at the next start too: it must not be taken for another failure then.
    if (!unopenable.empty() && !read_only)
    {
        rocksdb::WriteBatch batch;
        out->write_making(batch, out->tables_to_make());
        rocksdb::WriteOptions durable;
        durable.sync = true;
        if (const auto noted = out->db_->Write(durable, &batch); !noted.ok())
            return std::unexpected(to_error(noted, "cannot note which view tables are made anew"));
    }
    // What is only being made has nobody who would make a part of it anew.
    if (access == store_access::create)
        out->guard_->stop();
    else
        out->guard_->watch(*out);
    return out;
}

result<void> rocks_store::read_file_starts()
{
    std::vector<rocksdb::LiveFileMetaData> files;
    db_->GetLiveFilesMetaData(&files);
    // Each file by itself: no other one can hide its error, not even one that begins with another version of its key.
    const auto read_start = [&](rocksdb::ColumnFamilyHandle* family, const rocksdb::LiveFileMetaData& file)
    {
        rocksdb::SstFileReader reader(db_->GetOptions(family));
        if (auto status = reader.Open(file.db_path + file.name); !status.ok())
            return status;
        const std::unique_ptr<rocksdb::Iterator> rows(reader.NewIterator({}));
        rows->SeekToFirst();
        return rows->status();
    };
    for (const auto& file : files)
    {
        if (file.level == 0)
            continue;
        for (auto* family : {keys_, meta_, tree_})
            if (family != nullptr && family->GetName() == file.column_family_name)
                if (const auto status = read_start(family, file); !status.ok())
                    return std::unexpected(to_error(status, "cannot read column family '" + family->GetName() + "'"));
        for (const auto& table : *views())
            if (!table->broken() && family_name(table->name()) == file.column_family_name)
                if (const auto status = read_start(table->handle(), file); !status.ok())
                    table->mark_broken(to_error(status, "cannot read view rows"));
    }
    return {};
}

/// A table that was made and is gone is damage; one that was never made is new.
result<void> rocks_store::check_tables(std::span<const std::string_view> views)
{
    rocksdb::PinnableSlice value;
    const auto status = db_->Get({}, meta(), slice(consortium::view(tables_key)), &value);
    if (status.IsNotFound())
        return fail(errc::corrupt, "the list of view tables is missing");
    if (!status.ok())
        return std::unexpected(to_error(status, "cannot read the list of view tables"));
    std::vector<std::string> made;
    std::stringstream lines(value.ToString());
    for (std::string line; std::getline(lines, line);)
        made.push_back(line);
    for (table_id table = 0; table < made.size(); ++table)
    {
        if (table >= views.size() || made[table] != views[table])
            return fail(
                errc::newer_version,
                "view table '" + made[table] + "' is unknown: a newer version of this program wrote here");
        if (view(table) == nullptr)
            (*views_)[table]->mark_broken(
                {errc::corrupt, "column family '" + family_name(made[table]) + "' is missing", {}});
    }
    tables_made_ = made.size();
    for (table_id table = made.size(); table < views.size(); ++table)
        (*views_)[table]->mark_broken({errc::unavailable, "it is new in this version", {}});
    return {};
}

/// What the end of the process left half made is no damage.
result<void> rocks_store::check_making()
{
    rocksdb::PinnableSlice value;
    const auto status = db_->Get({}, meta(), slice(consortium::view(making_key)), &value);
    if (!status.ok() && !status.IsNotFound())
        return std::unexpected(to_error(status, "cannot read which view tables are being made"));
    std::stringstream lines(value.ToString());
    for (std::string line; std::getline(lines, line);)
        for (const auto& table : *views_)
            if (table->name() == line)
                table->mark_broken({errc::unavailable, "making it anew did not come to its end", {}});
    return {};
}

/// Tiles that were made and are gone are damage; that they were never made is not.
result<void> rocks_store::check_tree()
{
    rocksdb::PinnableSlice value;
    const auto status = db_->Get({}, meta(), slice(consortium::view(tree_key)), &value);
    if (!status.ok() && !status.IsNotFound())
        return std::unexpected(to_error(status, "cannot read whether there are tiles"));
    tree_made_ = status.ok();
    if (!tree_made_)
        return {};
    const auto version = log::view(value);
    if (version.size() != 1 || version[0] != tree_version)
        return fail(
            !version.empty() && version[0] > tree_version ? errc::newer_version : errc::corrupt,
            "the tiles of the tree are of an unknown form");
    if (tree_ == nullptr)
        return fail(errc::corrupt, "column family '" + std::string(tree_family_name) + "' is missing");
    return {};
}

/// Nothing, if it is not there. Who reads it keeps it.
result<void> rocks_store::drop_family(const std::string& name)
{
    const std::lock_guard lock(handles_mutex_);
    const auto found = std::ranges::find_if(handles_, [&](const auto* handle) { return handle->GetName() == name; });
    if (found == handles_.end())
        return {};
    if (const auto status = db_->DropColumnFamily(*found); !status.ok())
        return std::unexpected(to_error(status, "cannot drop column family '" + name + "'"));
    dropped_.push_back(*found);
    handles_.erase(found);
    return {};
}

/// Drops what there is of it first.
result<rocksdb::ColumnFamilyHandle*> rocks_store::renew_family(const std::string& name)
{
    if (auto dropped = drop_family(name); !dropped)
        return std::unexpected(dropped.error());
    const std::lock_guard lock(handles_mutex_);
    rocksdb::ColumnFamilyHandle* made = nullptr;
    if (const auto status = db_->CreateColumnFamily(family_options(name, cache_), name, &made); !status.ok())
        return std::unexpected(to_error(status, "cannot make column family '" + name + "'"));
    handles_.push_back(made);
    return made;
}

std::shared_ptr<const view_set> rocks_store::views() const
{
    const std::lock_guard lock(views_mutex_);
    return views_;
}

std::vector<table_id> rocks_store::tables_to_make() const
{
    std::vector<table_id> out;
    for (const auto& table : *views())
        if (table->broken())
            out.push_back(table->table());
    return out;
}

result<void> rocks_store::drop_view(table_id table)
{
    return drop_family(family_name(views()->at(table)->name()));
}

result<std::shared_ptr<view_family>> rocks_store::begin_view(table_id table)
{
    const auto name = views()->at(table)->name();
    const auto made = renew_family(family_name(name));
    if (!made)
        return std::unexpected(made.error());
    return std::make_shared<view_family>(table, name, *made, view_family::broken_means::unavailable, alarm_);
}

void rocks_store::install_views(std::span<const std::shared_ptr<view_family>> made)
{
    auto all = *views();
    for (const auto& table : made)
        all.at(table->table()) = table;
    const std::lock_guard lock(views_mutex_);
    views_ = std::make_shared<const view_set>(std::move(all));
}

result<void> rocks_store::make_tree()
{
    const auto made = renew_family(std::string(tree_family_name));
    if (!made)
        return std::unexpected(made.error());
    tree_ = *made;
    return {};
}

result<void> rocks_store::finish_tree(rocksdb::WriteBatch& last)
{
    write_tree_made(last, *this);
    rocksdb::WriteOptions durable;
    durable.sync = true;
    if (const auto status = db_->Write(durable, &last); !status.ok())
        return std::unexpected(to_error(status, "cannot write the tiles of the tree"));
    tree_made_ = true;
    return {};
}

void rocks_store::write_tree_made(rocksdb::WriteBatch& batch, const rocks_store& store)
{
    batch.Put(store.meta(), slice(consortium::view(tree_key)), slice(byte_array<1>{tree_version}));
}

void rocks_store::write_tables(
    rocksdb::WriteBatch& batch, const rocks_store& store, std::span<const std::string_view> views)
{
    std::string lines;
    for (const auto name : views)
        lines.append(name).append("\n");
    batch.Put(store.meta(), slice(consortium::view(tables_key)), lines);
}

void rocks_store::write_making(rocksdb::WriteBatch& batch, std::span<const table_id> tables) const
{
    std::string lines;
    const auto all = views();
    for (const auto table : tables)
        lines.append(all->at(table)->name()).append("\n");
    if (lines.empty())
        batch.Delete(meta(), slice(consortium::view(making_key)));
    else
        batch.Put(meta(), slice(consortium::view(making_key)), lines);
}

rocks_store::~rocks_store()
{
    if (!db_)
        return;
    guard_->stop();
    for (const auto* all : {&handles_, &dropped_})
        for (auto* handle : *all)
            db_->DestroyColumnFamilyHandle(handle);
    db_->Close();
}

void rocks_store::prepare_to_close() noexcept
{
    rocksdb::VectorLogPtr wals;
    std::uint64_t size = 0;
    if (db_->GetSortedWalFiles(wals).ok())
        for (const auto& wal : wals)
            size += wal->Type() == rocksdb::kAliveLogFile ? wal->SizeFileBytes() : 0;
    if (size < quick_wal_bytes)
        return;
    // Nothing is lost if it fails: the WALs are still there.
    guard_->stop();
    if (const auto status = flush(); !status.ok())
        spdlog::warn("cannot flush before closing: {}", status.ToString());
}

/// All that is in memory. Waits for view tables that cannot be written out until they are dropped, so others must be
/// able to do that meanwhile.
rocksdb::Status rocks_store::flush() const
{
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    {
        const std::lock_guard lock(handles_mutex_);
        handles = handles_;
    }
    for (auto* handle : handles)
        if (auto status = db_->Flush({}, handle); !status.ok() && !status.IsColumnFamilyDropped())
            return status;
    return {};
}

result<void> rocks_store::compact_keys(std::atomic<bool>& stop)
{
    // A WAL goes only when nothing in it is needed by any column family.
    if (const auto status = flush(); !status.ok())
        return std::unexpected(to_error(status, "cannot flush"));
    rocksdb::CompactRangeOptions options;
    // Otherwise files of the last level, where the key may lie, are left as they are.
    options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
    options.exclusive_manual_compaction = false;
    options.canceled = &stop;
    if (const auto status = db_->CompactRange(options, keys(), nullptr, nullptr); !status.ok())
    {
        if (status.IsIncomplete() && stop)
            return fail(errc::closed, "the log is closing");
        return std::unexpected(to_error(status, "cannot compact the key ring"));
    }
    // Files that were replaced may still wait for their removal: allowing removals again looks for all of them.
    auto status = db_->DisableFileDeletions();
    if (status.ok())
        status = db_->EnableFileDeletions(/*force=*/false);
    if (!status.ok())
        return std::unexpected(to_error(status, "cannot remove replaced files"));
    return {};
}

result<head_state> rocks_store::head() const
{
    rocksdb::PinnableSlice value;
    const auto status = db_->Get({}, meta(), slice(consortium::view(head_key)), &value);
    if (!status.ok())
        return fail(
            errc::corrupt, status.IsNotFound() ? "the log's head is missing" : to_error(status, "log head").detail);
    auto head = head_state::parse(log::view(value));
    if (!head)
        return head;

    const std::unique_ptr<rocksdb::Iterator> last(db_->NewIterator({}, log()));
    last->SeekToLast();
    const auto found =
        last->Valid() && last->key().size() == 8 ? load_big_endian<std::uint64_t>(log::view(last->key())) : 0;
    if (!last->status().ok())
        return std::unexpected(to_error(last->status(), "cannot read the end of the log"));
    if (found != head->tree.size())
        return fail(
            errc::corrupt, "the log ends at lsn " + std::to_string(found) + ", but its head says " +
                               std::to_string(head->tree.size()));
    return head;
}

void write_head(rocksdb::WriteBatch& batch, const rocks_store& store, const head_state& head)
{
    batch.Put(store.meta(), slice(view(head_key)), slice(head.serialize()));
}

bool get_row(
    const rocks_store& store, const rocksdb::ReadOptions& options, rocksdb::ColumnFamilyHandle* family, byte_view key,
    rocksdb::PinnableSlice& value)
{
    const auto status = store.db().Get(options, family, slice(key), &value);
    if (status.IsNotFound())
        return false;
    if (!status.ok())
        throw log_failure(to_error(status, "cannot read the log's store"));
    return true;
}

} // namespace consortium::log
