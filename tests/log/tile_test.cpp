#include "consortium/common/base64.hpp"
#include "tile.hpp"
#include <gtest/gtest.h>
#include <map>

namespace consortium::log
{
namespace
{

digest256 leaf_of(std::uint64_t index)
{
    return merkle::leaf_hash({big_endian(index)});
}

using rows = std::map<std::pair<unsigned, std::uint64_t>, hash_list>;

/// A tree as the log keeps it: rows written after every batch, the last leaves nowhere but in the records.
struct stored_tree
{
    merkle::frontier tree;
    growing_tiles tiles;
    rows written;
    std::size_t writes = 0;

    growing_tiles::sink sink()
    {
        return [this](unsigned level, std::uint64_t index, const hash_list& hashes)
        {
            written[{level, index}] = hashes;
            ++writes;
        };
    }
    void grow(std::uint64_t count)
    {
        for (std::uint64_t i = 0; i < count; ++i)
            tiles.append(tree, leaf_of(tree.size()), sink());
        tiles.write_grown(sink());
    }
    merkle::node_source nodes() const
    {
        return [this](unsigned height, std::uint64_t index) -> result<digest256>
        {
            const auto level = height / tile_height;
            const auto in_tile = height % tile_height;
            const auto place = index >> (tile_height - in_tile);
            if (level == 0 && tile_size(0, place, tree.size()) < tile_hashes_max)
                return tile(tiles.leaves()).node(in_tile, index);
            const auto found = written.find({level, place});
            if (found == written.end())
                return fail(errc::corrupt, "no such row");
            return tile(found->second).node(in_tile, index);
        };
    }
    /// As if opened anew.
    growing_tiles reopened() const
    {
        const auto size = tree.size();
        std::vector<hash_list> levels;
        for (unsigned level = 0; level == 0 || size >> (level * tile_height) > 0; ++level)
        {
            const auto index = (size >> (level * tile_height)) >> tile_height;
            if (level == 0)
                levels.push_back(tiles.leaves());
            else if (tile_size(level, index, size) > 0)
                levels.push_back(written.at({level, index}));
            else
                levels.emplace_back();
        }
        return {size, std::move(levels)};
    }
};

/// All tiles over the leaves, computed level by level.
rows tiles_of(std::uint64_t size)
{
    hash_list hashes;
    for (std::uint64_t i = 0; i < size; ++i)
        hashes.push_back(leaf_of(i));
    rows out;
    for (unsigned level = 0; !hashes.empty(); ++level)
    {
        for (std::size_t i = 0; i < hashes.size(); ++i)
            out[{level, i / tile_hashes_max}].push_back(hashes[i]);
        for (unsigned height = 0; height < tile_height; ++height)
        {
            hash_list above(hashes.size() / 2);
            for (std::size_t i = 0; i < above.size(); ++i)
                above[i] = merkle::node_hash(hashes[2 * i], hashes[2 * i + 1]);
            hashes = std::move(above);
        }
    }
    // Of level 0 only full tiles are written.
    if (const auto last = std::pair{0u, size / tile_hashes_max}; out.contains(last))
        out.erase(last);
    return out;
}

TEST(tiles, rows_are_those_computed_from_the_leaves_at_every_size)
{
    stored_tree grown;
    for (const std::uint64_t size :
         {0u, 1u, 2u, 255u, 256u, 257u, 511u, 512u, 1000u, 65'535u, 65'536u, 65'537u, 66'000u})
    {
        grown.grow(size - grown.tree.size());
        EXPECT_EQ(grown.written, tiles_of(size)) << size;
        EXPECT_EQ(grown.tiles.root(size).value(), grown.tree.root()) << size;
        EXPECT_EQ(merkle::root(size, grown.nodes()).value(), grown.tree.root()) << size;
    }
}

// Goal: however the leaves were cut into batches and wherever the process was started anew, the rows are the same.
TEST(tiles, batches_and_restarts_leave_no_trace)
{
    const auto whole = tiles_of(3000);
    for (const std::uint64_t step : {1u, 7u, 255u, 256u, 257u, 512u, 1500u})
    {
        stored_tree grown;
        while (grown.tree.size() < 3000)
        {
            grown.grow(std::min(step, 3000 - grown.tree.size()));
            grown.tiles = grown.reopened();
        }
        EXPECT_EQ(grown.written, whole) << step;
    }
}

TEST(tiles, only_what_grew_is_written)
{
    stored_tree grown;
    grown.grow(255);
    EXPECT_EQ(grown.writes, 0u);
    grown.grow(1); // the leaves' tile, and its root above
    EXPECT_EQ(grown.writes, 2u);
    grown.grow(200);
    EXPECT_EQ(grown.writes, 2u);
    grown.grow(512); // two tiles of leaves, one row above
    EXPECT_EQ(grown.writes, 5u);
}

// Goal: proofs from tiles stand against the root of the tree, for any leaf and any beginning.
TEST(tiles, proofs_from_tiles_verify)
{
    stored_tree grown;
    std::map<std::uint64_t, digest256> roots;
    for (const std::uint64_t size : {1u, 2u, 3u, 100u, 255u, 256u, 257u, 300u, 512u, 700u, 1024u, 1100u})
    {
        grown.grow(size - grown.tree.size());
        roots[size] = grown.tree.root();
        for (std::uint64_t index = 0; index < size; index += 1 + index / 7)
        {
            const auto path = merkle::prove_inclusion(index, size, grown.nodes()).value();
            EXPECT_TRUE(merkle::verify_inclusion(leaf_of(index), index, size, path, roots[size])) << index << size;
        }
        for (const auto& [before, root] : roots)
        {
            const auto proof = merkle::prove_consistency(before, size, grown.nodes()).value();
            EXPECT_TRUE(merkle::verify_consistency(before, size, root, roots[size], proof)) << before << " " << size;
        }
    }
    // Trees that were there before, out of the tiles of the newest.
    for (const auto& [size, root] : roots)
        for (std::uint64_t index = 0; index < size; index += 1 + index / 5)
        {
            const auto path = merkle::prove_inclusion(index, size, grown.nodes()).value();
            EXPECT_TRUE(merkle::verify_inclusion(leaf_of(index), index, size, path, root)) << index << " " << size;
        }
}

TEST(tiles, a_row_of_another_size_is_refused)
{
    const hash_list two{leaf_of(0), leaf_of(1)};
    EXPECT_EQ(parse_tile(1, 5, tile_bytes(two), 2).value(), two);
    EXPECT_EQ(parse_tile(1, 5, tile_bytes(two), 3).error(), errc::corrupt);
    EXPECT_EQ(parse_tile(1, 5, tile_bytes(two).first(63), 2).error(), errc::corrupt);
    const tile short_one(two);
    EXPECT_EQ(short_one.node(1, 0).value(), merkle::node_hash(two[0], two[1]));
    EXPECT_EQ(short_one.node(0, 2).error(), errc::corrupt);
    EXPECT_EQ(short_one.node(2, 0).error(), errc::corrupt);
}

// Goal: what docs/log-format.md says of keys.
TEST(tiles, row_keys_are_level_and_index)
{
    EXPECT_EQ(hex_encode(tile_key(1, 0x0203)), "010000000000000203");
}

} // namespace
} // namespace consortium::log
