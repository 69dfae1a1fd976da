#include "scratch_views.hpp"
#include "overlay.hpp"
#include "prf_memo.hpp"
#include "rocks_store.hpp"
#include <algorithm>
#include <future>
#include <rocksdb/sst_file_writer.h>

namespace consortium::log
{
namespace
{

/// As many rows of a table are worth a file of their own: sorting them and writing them in order costs a third of what
/// the memtable takes for them.
constexpr std::size_t rows_for_file = 1024;

void check(const rocksdb::Status& status)
{
    if (!status.ok())
        throw log_failure(to_error(status, "cannot write rebuilt views"));
}

/// Rows since the last commit lie over those of the commit before, which another thread seals and writes, and these
/// over a store of their own, which no crash needs to survive.
class scratch_rows final : public view_writer
{
public:
    scratch_rows(std::filesystem::path directory, rocks_store& store, const row_codec& codec, std::size_t table_count)
        : directory_(std::move(directory)),
          store_(store),
          codec_(codec),
          names_(codec),
          newer_(table_count),
          in_flight_(std::make_unique<row_overlay>(table_count))
    {
    }

    std::optional<bytes> get(table_id table, byte_view key) const override
    {
        for (const auto* rows : {&newer_, static_cast<const row_overlay*>(in_flight_.get())})
            if (const auto* row = rows->find(table, key))
                return *row;
        rocksdb::PinnableSlice sealed;
        if (!get_row(store_, {}, store_.view(table), key, sealed))
            return std::nullopt;
        return open(table, key, view(sealed));
    }
    void scan(table_id table, byte_view prefix, byte_view from, const visitor& visit) const override
    {
        run(table, {.prefix = prefix, .from = from, .down = false, .open = {}}, visit);
    }
    void scan_down(table_id table, byte_view prefix, byte_view from, const visitor& visit) const override
    {
        run(table, {.prefix = prefix, .from = from, .down = true, .open = {}}, visit);
    }
    byte_array<16> prf(byte_parts parts) const override { return names_(parts); }
    void put(table_id table, byte_view key, bytes value) override { newer_.set(table, key, std::move(value)); }
    void erase(table_id table, byte_view key) override { newer_.set(table, key, std::nullopt); }
    void erase_prefix(table_id table, byte_view prefix) override { newer_.erase_prefix(table, prefix); }

    void commit()
    {
        finish();
        std::swap(newer_, *in_flight_);
        newer_.clear();
        writing_ = std::async(std::launch::async, [this] { write(*in_flight_); });
    }
    /// Waits until what was committed is in the store.
    void finish() const
    {
        if (writing_.valid())
            writing_.get();
    }
    /// Waits, whatever became of it.
    void stop() noexcept { writing_ = {}; }

private:
    bytes open(table_id table, byte_view key, byte_view sealed) const
    {
        auto value = codec_.open(table, key, sealed);
        if (!value)
            throw log_failure(value.error());
        return std::move(*value);
    }
    void run(table_id table, merged_scan scan, const visitor& visit) const
    {
        finish();
        row_overlay::ordered newer;
        newer_.collect(table, scan.prefix, newer);
        scan.open = [&](byte_view key, byte_view sealed) { return open(table, key, sealed); };
        const std::unique_ptr<rocksdb::Iterator> stored(store_.db().NewIterator({}, store_.view(table)));
        if (const auto status = scan.run(*stored, newer, visit); !status.ok())
            throw log_failure(to_error(status, "cannot read rebuilt views"));
    }

    void write(const row_overlay& rows)
    {
        rocksdb::WriteBatch few;
        for (table_id table = 0; table < rows.tables().size(); ++table)
            if (rows.tables()[table].rows.size() < rows_for_file)
                rows.write(few, table, store_, codec_);
            else
                rows.write_erased(few, table, store_);
        rocksdb::WriteOptions volatile_write;
        volatile_write.disableWAL = true;
        check(store_.db().Write(volatile_write, &few));
        for (table_id table = 0; table < rows.tables().size(); ++table)
            if (rows.tables()[table].rows.size() >= rows_for_file)
                write_file(rows.tables()[table], table);
    }

    /// The file's rows are newer than all that is in the store, whatever of it is still in memory there.
    void write_file(const row_overlay::table& rows, table_id table)
    {
        using entry = decltype(rows.rows)::value_type;
        std::vector<const entry*> sorted;
        sorted.reserve(rows.rows.size());
        for (const auto& row : rows.rows)
            sorted.push_back(&row);
        std::ranges::sort(sorted, bytes_less{}, [](const entry* row) -> const bytes& { return row->first; });

        auto* family = store_.view(table);
        rocksdb::SstFileWriter file(rocksdb::EnvOptions(), store_.db().GetOptions(family), family);
        const auto path = (directory_ / ("rows-" + std::to_string(table) + ".sst")).string();
        check(file.Open(path));
        bytes sealed;
        for (const auto* row : sorted)
        {
            const auto& [key, value] = *row;
            if (!value)
                check(file.Delete(slice(key)));
            else
            {
                codec_.seal(sealed, table, key, *value);
                check(file.Put(slice(key), slice(sealed)));
            }
        }
        check(file.Finish());
        rocksdb::IngestExternalFileOptions how;
        how.move_files = true;
        how.snapshot_consistency = false;
        check(store_.db().IngestExternalFile(family, {path}, how));
    }

    std::filesystem::path directory_;
    rocks_store& store_;
    const row_codec& codec_;
    mutable prf_memo names_;
    row_overlay newer_;
    std::unique_ptr<row_overlay> in_flight_; ///< committed; stays readable here until the next commit
    mutable std::future<void> writing_;
};

class rocks_scratch_views final : public scratch_views
{
public:
    rocks_scratch_views(
        std::filesystem::path directory, std::unique_ptr<rocks_store> store, const row_codec& codec,
        std::size_t table_count)
        : directory_(std::move(directory)), store_(std::move(store)), rows_(directory_, *store_, codec, table_count)
    {
    }
    ~rocks_scratch_views() override
    {
        rows_.stop();
        store_.reset();
        std::error_code ignored;
        std::filesystem::remove_all(directory_, ignored);
    }

    view_writer& rows() override { return rows_; }
    void commit() override { rows_.commit(); }
    void finish() override
    {
        rows_.commit();
        rows_.finish();
    }

private:
    std::filesystem::path directory_;
    std::unique_ptr<rocks_store> store_;
    scratch_rows rows_;
};

} // namespace

result<std::unique_ptr<scratch_views>>
make_scratch_views(const std::filesystem::path& directory, const row_codec& codec, const domain& rules)
{
    std::error_code bad;
    if (std::filesystem::exists(directory, bad) || bad)
        return fail(errc::conflict, directory.string() + " exists already; name a directory that does not");
    if (!std::filesystem::create_directories(directory, bad))
        return fail(errc::io, "cannot create " + directory.string() + ": " + bad.message());
    auto store = rocks_store::open(directory, store_access::create, rules.tables(), nullptr);
    if (!store)
        return std::unexpected(store.error());
    // Every commit adds files. Merging them early costs more than it saves whoever reads them once at the end.
    for (table_id table = 0; table < rules.tables().size(); ++table)
        if (const auto status = (*store)->db().SetOptions(
                (*store)->view(table), {{"level0_file_num_compaction_trigger", "64"},
                                        {"level0_slowdown_writes_trigger", "1024"},
                                        {"level0_stop_writes_trigger", "1024"}});
            !status.ok())
            return std::unexpected(to_error(status, "cannot set up a place to rebuild the views"));
    return std::make_unique<rocks_scratch_views>(directory, std::move(*store), codec, rules.tables().size());
}

} // namespace consortium::log
