#include "rocks_store.hpp"
#include "rocks_options.hpp"
#include <algorithm>
#include <fstream>
#include <map>
#include <rocksdb/cache.h>
#include <rocksdb/env.h>
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
constexpr std::string_view view_prefix = "view.";
constexpr std::uint8_t head_version = 1;
constexpr std::string_view head_key = "head";
constexpr std::string_view tables_key = "tables";
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
    out->cache_ = rocksdb::NewLRUCache(64 << 20);
    std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
    for (const auto& name : *families)
        descriptors.emplace_back(name, family_options(name, out->cache_));

    auto watcher = std::make_unique<wal_watcher>();
    if (access == store_access::read_only)
        options.wal_filter = watcher.get();
    options.create_if_missing = access == store_access::create;
    options.create_missing_column_families = access == store_access::create;
    options.error_if_exists = access == store_access::create;

    rocksdb::DB* db = nullptr;
    const auto status =
        access == store_access::read_only
            ? rocksdb::DB::OpenForReadOnly(options, directory.string(), descriptors, &out->handles_, &db)
            : rocksdb::DB::Open(options, directory.string(), descriptors, &out->handles_, &db);
    if (!status.ok())
        return std::unexpected(to_error(status, "RocksDB refuses " + directory.string()));
    out->db_.reset(db);
    out->writable_ = access != store_access::read_only;
    if (access == store_access::read_only)
        out->wal_.torn_bytes = torn_bytes(*watcher);
    out->wal_watcher_ = std::move(watcher);

    const auto find = [&](const std::string& name)
    {
        const auto found =
            std::ranges::find_if(out->handles_, [&](const auto* handle) { return handle->GetName() == name; });
        return found == out->handles_.end() ? nullptr : *found;
    };
    for (const auto name : views)
        out->views_.push_back(find(family_name(name)));
    out->tree_ = find(std::string(tree_family_name));
    out->tables_made_ = views.size();
    out->tree_made_ = true;
    if (access != store_access::create)
    {
        auto good = out->check_tables(views);
        if (good)
            good = out->check_tree();
        if (!good)
            return std::unexpected(good.error());
    }
    return out;
}

/// A table that was made and is gone is damage; one that was never made is new.
result<void> rocks_store::check_tables(std::span<const std::string_view> views)
{
    rocksdb::PinnableSlice value;
    const auto status = db_->Get({}, meta(), slice(consortium::view(tables_key)), &value);
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
        if (views_[table] == nullptr)
            return fail(errc::corrupt, "column family '" + family_name(made[table]) + "' is missing");
    }
    tables_made_ = made.size();
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

/// Drops what there is of it first.
result<void> rocks_store::make_family(rocksdb::ColumnFamilyHandle*& family, const std::string& name)
{
    if (family != nullptr)
    {
        if (const auto status = db_->DropColumnFamily(family); !status.ok())
            return std::unexpected(to_error(status, "cannot make column family '" + name + "' anew"));
        std::erase(handles_, family);
        db_->DestroyColumnFamilyHandle(family);
        family = nullptr;
    }
    if (const auto status = db_->CreateColumnFamily(family_options(name, cache_), name, &family); !status.ok())
        return std::unexpected(to_error(status, "cannot make column family '" + name + "'"));
    handles_.push_back(family);
    return {};
}

result<void> rocks_store::make_view(table_id table, std::string_view name)
{
    return make_family(views_.at(table), family_name(name));
}

result<void> rocks_store::make_tree()
{
    return make_family(tree_, std::string(tree_family_name));
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

rocks_store::~rocks_store()
{
    if (!db_)
        return;
    for (auto* handle : handles_)
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
    if (const auto status = db_->Flush({}, handles_); !status.ok())
        spdlog::warn("cannot flush before closing: {}", status.ToString());
}

result<void> rocks_store::compact_keys(std::atomic<bool>& stop)
{
    // A WAL goes only when nothing in it is needed by any column family.
    if (const auto status = db_->Flush({}, handles_); !status.ok())
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
