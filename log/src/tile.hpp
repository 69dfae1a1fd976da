#pragma once
#include "consortium/common/merkle.hpp"
#include <functional>
#include <vector>

/// The tree's nodes in tiles, cut as C2SP tlog-tiles does: docs/log-format.md, "Tree". Pure.
namespace consortium::log
{

inline constexpr unsigned tile_height = 8;
inline constexpr std::size_t tile_hashes_max = std::size_t{1} << tile_height;

using hash_list = std::vector<digest256>;

/// Row key: level u8 ‖ index u64be.
byte_array<9> tile_key(unsigned level, std::uint64_t index) noexcept;
/// How many hashes the tile holds in a tree over `size` leaves.
std::size_t tile_size(unsigned level, std::uint64_t index, std::uint64_t size) noexcept;
/// Row value: the hashes, one after the other.
byte_view tile_bytes(const hash_list& hashes) noexcept;
/// errc::corrupt unless these are exactly `count` hashes.
result<hash_list> parse_tile(unsigned level, std::uint64_t index, byte_view value, std::size_t count);

/// A tile with the roots of all perfect subtrees over its hashes.
class tile
{
public:
    explicit tile(hash_list hashes);
    /// The root over the 2^height hashes from `index` · 2^height on (`index` may count from the tree's left edge).
    /// errc::corrupt unless they are all in the tile.
    result<digest256> node(unsigned height, std::uint64_t index) const;

private:
    std::vector<hash_list> heights_;
};

/// The tiles at the right edge of a growing tree.
class growing_tiles
{
public:
    growing_tiles() = default;
    /// Of a tree over `size` leaves, each level from its hashes; there must be as many as tile_size() says.
    growing_tiles(std::uint64_t size, std::vector<hash_list> levels);

    /// Gets a tile that is to be written.
    using sink = std::function<void(unsigned level, std::uint64_t index, const hash_list& hashes)>;

    /// Appends to the tree as well. Gives out each tile that becomes full.
    void append(merkle::frontier& tree, const digest256& leaf, const sink& write);
    /// Gives out the others that grew since; of level 0 none, the records hold their leaves.
    void write_grown(const sink& write);

    /// Leaves that are not in a full tile yet.
    const hash_list& leaves() const noexcept;
    /// The root over `size` leaves, from these tiles alone.
    result<digest256> root(std::uint64_t size) const;

private:
    struct growing
    {
        std::uint64_t index = 0;
        hash_list hashes;
        bool grown = false;
    };
    std::vector<growing> levels_;
};

} // namespace consortium::log
