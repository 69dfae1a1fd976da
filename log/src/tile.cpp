#include "tile.hpp"
#include <algorithm>

namespace consortium::log
{
namespace
{

/// Levels that hold at least one hash in a tree over `size` leaves.
unsigned level_count(std::uint64_t size) noexcept
{
    unsigned out = 0;
    for (; size > 0; size >>= tile_height)
        ++out;
    return out;
}

} // namespace

byte_array<9> tile_key(unsigned level, std::uint64_t index) noexcept
{
    byte_array<9> out{static_cast<std::uint8_t>(level)};
    const auto place = big_endian(index);
    std::memcpy(out.data() + 1, place.data(), place.size());
    return out;
}

std::size_t tile_size(unsigned level, std::uint64_t index, std::uint64_t size) noexcept
{
    const auto hashes = level * tile_height < 64 ? size >> (level * tile_height) : 0;
    const auto first = index << tile_height;
    return hashes <= first ? 0 : std::min<std::uint64_t>(hashes - first, tile_hashes_max);
}

byte_view tile_bytes(const hash_list& hashes) noexcept
{
    static_assert(sizeof(digest256) == 32);
    return {reinterpret_cast<const std::uint8_t*>(hashes.data()), hashes.size() * sizeof(digest256)};
}

result<hash_list> parse_tile(unsigned level, std::uint64_t index, byte_view value, std::size_t count)
{
    if (value.size() != count * sizeof(digest256))
        return fail(
            errc::corrupt, "tile " + std::to_string(level) + "/" + std::to_string(index) + " holds " +
                               std::to_string(value.size()) + " bytes instead of " + std::to_string(count) + " hashes");
    hash_list out(count);
    if (count > 0)
        std::memcpy(out.data(), value.data(), value.size());
    return out;
}

tile::tile(hash_list hashes)
{
    heights_.push_back(std::move(hashes));
    while (heights_.back().size() >= 2)
    {
        const auto& below = heights_.back();
        hash_list above(below.size() / 2);
        for (std::size_t i = 0; i < above.size(); ++i)
            above[i] = merkle::node_hash(below[2 * i], below[2 * i + 1]);
        heights_.push_back(std::move(above));
    }
}

result<digest256> tile::node(unsigned height, std::uint64_t index) const
{
    const auto in_tile = index & ((tile_hashes_max >> height) - 1);
    if (height >= heights_.size() || in_tile >= heights_[height].size())
        return fail(errc::corrupt, "a tile of the tree is too short");
    return heights_[height][in_tile];
}

growing_tiles::growing_tiles(std::uint64_t size, std::vector<hash_list> levels)
{
    for (unsigned level = 0; level < levels.size(); ++level)
    {
        const auto index = (size >> (level * tile_height)) >> tile_height;
        CONSORTIUM_ASSERT(levels[level].size() == tile_size(level, index, size));
        levels_.push_back({.index = index, .hashes = std::move(levels[level]), .grown = false});
    }
}

void growing_tiles::append(merkle::frontier& tree, const digest256& leaf, const sink& write)
{
    tree.append(
        leaf,
        [&](unsigned height, std::uint64_t index, const digest256& hash)
        {
            if (height % tile_height != 0)
                return;
            const auto level = height / tile_height;
            if (level == levels_.size())
                levels_.emplace_back();
            auto& here = levels_[level];
            CONSORTIUM_ASSERT(index == (here.index << tile_height) + here.hashes.size());
            here.hashes.push_back(hash);
            here.grown = true;
            if (here.hashes.size() < tile_hashes_max)
                return;
            write(level, here.index, here.hashes);
            here.hashes.clear();
            here.grown = false;
            ++here.index;
        });
}

void growing_tiles::write_grown(const sink& write)
{
    for (unsigned level = 1; level < levels_.size(); ++level)
    {
        auto& here = levels_[level];
        if (here.grown)
            write(level, here.index, here.hashes);
        here.grown = false;
    }
}

const hash_list& growing_tiles::leaves() const noexcept
{
    static const hash_list none;
    return levels_.empty() ? none : levels_.front().hashes;
}

result<digest256> growing_tiles::root(std::uint64_t size) const
{
    if (levels_.size() < level_count(size))
        return fail(errc::corrupt, "the tree has too few tiles");
    std::vector<tile> tiles;
    for (const auto& level : levels_)
        tiles.emplace_back(level.hashes);
    // All perfect subtrees of the root's sum end at the right edge.
    return merkle::root(
        size, [&](unsigned height, std::uint64_t index)
        { return tiles[height / tile_height].node(height % tile_height, index); });
}

} // namespace consortium::log
