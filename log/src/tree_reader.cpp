#include "tree_reader.hpp"
#include "consortium/common/limits.hpp"
#include "key_compactor.hpp"
#include "record_codec.hpp"
#include <spdlog/spdlog.h>

namespace consortium::log
{
namespace
{

constexpr std::size_t kept_tiles_max = 64; // 16 KiB each

std::unexpected<error> missing_record(std::uint64_t number)
{
    return fail(errc::corrupt, "lsn " + std::to_string(number) + " is missing");
}

} // namespace

tree_reader::tree_reader(
    const rocks_store& store, rocksdb::ReadOptions options, std::uint64_t size, loose_leaves leaves)
    : store_(store), options_(options), size_(size), leaves_(std::move(leaves))
{
}

result<digest256> tree_reader::node(unsigned height, std::uint64_t index) const
{
    const auto in_tile = height % tile_height;
    const auto found = load(height / tile_height, index >> (tile_height - in_tile));
    if (!found)
        return std::unexpected(found.error());
    return (*found)->node(in_tile, index);
}

merkle::node_source tree_reader::nodes() const
{
    return [this](unsigned height, std::uint64_t index) { return node(height, index); };
}

result<std::shared_ptr<const tile>> tree_reader::load(unsigned level, std::uint64_t index) const
{
    const std::pair place(level, index);
    {
        const std::lock_guard lock(mutex_);
        if (const auto found = kept_.find(place); found != kept_.end())
            return found->second;
    }
    if (!store_.tree_made())
        return fail(
            errc::unavailable,
            "the log has no tiles yet, an older version wrote it: start the relay once to make them");
    const auto count = tile_size(level, index, size_);
    hash_list hashes;
    if (level == 0 && count < tile_hashes_max)
    {
        if (!leaves_ || leaves_->size() != count)
            return fail(errc::corrupt, "the leaves of the newest records are not at hand");
        hashes = *leaves_;
    }
    else
    {
        rocksdb::PinnableSlice value;
        if (!get_row(store_, options_, store_.tree(), tile_key(level, index), value))
            return fail(errc::corrupt, "tile " + std::to_string(level) + "/" + std::to_string(index) + " is missing");
        auto parsed = parse_tile(level, index, view(value), count);
        if (!parsed)
            return std::unexpected(parsed.error());
        hashes = std::move(*parsed);
    }
    auto made = std::make_shared<const tile>(std::move(hashes));
    const std::lock_guard lock(mutex_);
    if (kept_.size() >= kept_tiles_max)
        kept_.clear();
    kept_.insert_or_assign(place, made);
    return made;
}

result<void>
read_leaves(const rocks_store& store, lsn first, lsn last, const std::function<void(const digest256&)>& visit)
{
    rocksdb::ReadOptions options;
    options.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> records(store.db().NewIterator(options, store.log()));
    records->Seek(slice(big_endian(first.value)));
    for (auto number = first; number <= last; number = number.next(), records->Next())
    {
        if (!records->status().ok())
            return std::unexpected(to_error(records->status(), "cannot read the log"));
        if (!records->Valid() || text(view(records->key())) != text(big_endian(number.value)))
            return missing_record(number.value);
        const auto record = parse_record(view(records->value()));
        if (!record)
            return fail(record.error().code, "lsn " + std::to_string(number.value) + ": " + record.error().detail);
        visit(record->leaf());
    }
    return {};
}

result<growing_tiles> recover_tiles(const rocks_store& store, const merkle::frontier& tree)
try
{
    const auto size = tree.size();
    std::vector<hash_list> levels;
    for (unsigned level = 0; level == 0 || size >> (level * tile_height) > 0; ++level)
    {
        const auto index = (size >> (level * tile_height)) >> tile_height;
        const auto count = tile_size(level, index, size);
        hash_list hashes;
        if (level == 0)
        {
            hashes.reserve(tile_hashes_max);
            auto read =
                read_leaves(store, {size - count + 1}, {size}, [&](const digest256& leaf) { hashes.push_back(leaf); });
            if (!read)
                return std::unexpected(read.error());
        }
        else if (count > 0)
        {
            rocksdb::PinnableSlice value;
            if (!get_row(store, {}, store.tree(), tile_key(level, index), value))
                return fail(
                    errc::corrupt, "tile " + std::to_string(level) + "/" + std::to_string(index) + " is missing");
            auto parsed = parse_tile(level, index, view(value), count);
            if (!parsed)
                return std::unexpected(parsed.error());
            hashes = std::move(*parsed);
        }
        levels.push_back(std::move(hashes));
    }
    growing_tiles out(size, std::move(levels));
    const auto root = out.root(size);
    if (!root)
        return std::unexpected(root.error());
    if (*root != tree.root())
        return fail(errc::corrupt, "the tiles of the tree do not fit the log's head");
    return out;
}
catch (const log_failure& failure)
{
    return std::unexpected(failure.reason);
}

result<growing_tiles> build_tiles(rocks_store& store, const merkle::frontier& tree)
{
    spdlog::info("making the tiles of the tree over {} records", tree.size());
    if (auto made = store.make_tree(); !made)
        return std::unexpected(made.error());
    growing_tiles out;
    merkle::frontier built;
    rocksdb::WriteBatch batch;
    rocksdb::Status status;
    const auto write = tile_writer(batch, store);
    auto read = read_leaves(
        store, {1}, {tree.size()},
        [&](const digest256& leaf)
        {
            out.append(built, leaf, write);
            if (batch.GetDataSize() < limits::batch_bytes_max || !status.ok())
                return;
            status = store.db().Write({}, &batch);
            batch.Clear();
        });
    if (!read)
        return std::unexpected(read.error());
    if (built != tree)
        return fail(errc::corrupt, "the records do not add up to the tree of the log's head");
    out.write_grown(write);
    // Nobody noted then which keys were destroyed: they are wiped once.
    write_destroyed(batch, store, {tree.size()});
    if (!status.ok())
        return std::unexpected(to_error(status, "cannot write the tiles of the tree"));
    if (auto done = store.finish_tree(batch); !done)
        return std::unexpected(done.error());
    return out;
}

growing_tiles::sink tile_writer(rocksdb::WriteBatch& batch, const rocks_store& store)
{
    return [&batch, family = store.tree()](unsigned level, std::uint64_t index, const hash_list& hashes)
    { batch.Put(family, slice(tile_key(level, index)), slice(tile_bytes(hashes))); };
}

} // namespace consortium::log
