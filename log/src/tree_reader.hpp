#pragma once
#include "rocks_store.hpp"
#include "tile.hpp"
#include <functional>
#include <map>
#include <mutex>

namespace consortium::log
{

/// The leaves of the last tile of level 0 while it is not full: they lie in the records only.
using loose_leaves = std::shared_ptr<const hash_list>;

/// Nodes of the tree over the first `size` records, out of their tiles. Thread-safe; keeps what it read, so that many
/// proofs at one moment are cheap.
class tree_reader
{
public:
    /// `store` must outlive it, and so must the snapshot of `options`.
    tree_reader(const rocks_store& store, rocksdb::ReadOptions options, std::uint64_t size, loose_leaves leaves);

    /// As merkle::node_source wants it. errc::corrupt names the tile; errc::unavailable while there are none at all.
    /// Throws log_failure.
    result<digest256> node(unsigned height, std::uint64_t index) const;
    merkle::node_source nodes() const;

    std::uint64_t size() const noexcept { return size_; }

private:
    result<std::shared_ptr<const tile>> load(unsigned level, std::uint64_t index) const;

    const rocks_store& store_;
    rocksdb::ReadOptions options_;
    std::uint64_t size_;
    loose_leaves leaves_;
    mutable std::mutex mutex_;
    mutable std::map<std::pair<unsigned, std::uint64_t>, std::shared_ptr<const tile>> kept_;
};

/// Calls `visit(leaf)` for the records from `first` to `last`. errc::corrupt names the first that is not there.
result<void>
read_leaves(const rocks_store& store, lsn first, lsn last, const std::function<void(const digest256&)>& visit);

/// The right edge as the store holds it, level 0 from the last records, the others from their rows. errc::corrupt
/// unless their root is that of `tree`. Reads at most 255 records however long the log is.
result<growing_tiles> recover_tiles(const rocks_store& store, const merkle::frontier& tree);

/// Makes the tiles over everything in the log, in an empty column family, and then records that they are there.
/// errc::corrupt if the leaves do not add up to `tree`.
result<growing_tiles> build_tiles(rocks_store& store, const merkle::frontier& tree);

/// Writes tiles into a batch.
growing_tiles::sink tile_writer(rocksdb::WriteBatch& batch, const rocks_store& store);

} // namespace consortium::log
