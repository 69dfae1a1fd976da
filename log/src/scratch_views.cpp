#include "scratch_views.hpp"
#include "overlay.hpp"
#include "rocks_store.hpp"

namespace consortium::log
{
namespace
{

/// Rows folded since the last commit lie over those in a store of their own, which no crash needs to survive.
class rocks_scratch_views final : public scratch_views
{
public:
    rocks_scratch_views(
        std::filesystem::path directory, std::unique_ptr<rocks_store> store, const row_codec& codec,
        std::size_t table_count)
        : directory_(std::move(directory)), store_(std::move(store)), rows_(*store_, codec, table_count)
    {
    }
    ~rocks_scratch_views() override
    {
        store_.reset();
        std::error_code ignored;
        std::filesystem::remove_all(directory_, ignored);
    }

    view_writer& rows() override { return rows_; }
    void commit() override { rows_.commit(); }

private:
    class scratch_rows final : public view_writer
    {
    public:
        scratch_rows(rocks_store& store, const row_codec& codec, std::size_t table_count)
            : store_(store), codec_(codec), newer_(table_count)
        {
        }

        std::optional<bytes> get(table_id table, byte_view key) const override
        {
            if (const auto* row = newer_.find(table, key))
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
        byte_array<16> prf(byte_parts parts) const override { return codec_.prf(parts); }
        void put(table_id table, byte_view key, bytes value) override { newer_.set(table, key, std::move(value)); }
        void erase(table_id table, byte_view key) override { newer_.set(table, key, std::nullopt); }
        void erase_prefix(table_id table, byte_view prefix) override { newer_.erase_prefix(table, prefix); }

        void commit()
        {
            rocksdb::WriteBatch batch;
            newer_.write(batch, store_, codec_);
            rocksdb::WriteOptions volatile_write;
            volatile_write.disableWAL = true;
            if (const auto status = store_.db().Write(volatile_write, &batch); !status.ok())
                throw log_failure(to_error(status, "cannot write rebuilt views"));
            newer_.clear();
        }

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
            row_overlay::ordered newer;
            newer_.collect(table, scan.prefix, newer);
            scan.open = [&](byte_view key, byte_view sealed) { return open(table, key, sealed); };
            const std::unique_ptr<rocksdb::Iterator> stored(store_.db().NewIterator({}, store_.view(table)));
            scan.run(*stored, newer, visit);
        }

        rocks_store& store_;
        const row_codec& codec_;
        row_overlay newer_;
    };

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
    return std::make_unique<rocks_scratch_views>(directory, std::move(*store), codec, rules.tables().size());
}

} // namespace consortium::log
