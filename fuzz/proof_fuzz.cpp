#include "consortium/common/merkle.hpp"
#include <algorithm>

// Proofs as a relay hands them to its clients: over trees of any size they are taken apart safely, and over a small
// tree exactly the right one is believed.
namespace
{

using namespace consortium;

/// A tree of 64 leaves, and every perfect subtree in it.
const merkle::node_source& small_tree()
{
    static const auto nodes = []
    {
        std::vector<std::vector<digest256>> levels(1);
        for (std::uint8_t leaf = 0; leaf < 64; ++leaf)
            levels[0].push_back(merkle::leaf_hash({byte_view(&leaf, 1)}));
        while (levels.back().size() > 1)
        {
            std::vector<digest256> above;
            for (std::size_t i = 0; i + 1 < levels.back().size(); i += 2)
                above.push_back(merkle::node_hash(levels.back()[i], levels.back()[i + 1]));
            levels.push_back(std::move(above));
        }
        return levels;
    }();
    static const merkle::node_source source = [](unsigned level, std::uint64_t index) -> result<digest256>
    { return nodes.at(level).at(index); };
    return source;
}

/// `right`, altered as the input says: each byte of it changes one byte of a hash, or the number of hashes.
merkle::proof altered(merkle::proof right, byte_view by)
{
    while (by.size() >= 3)
    {
        const auto what = by[0];
        if (what % 4 == 0)
            right.push_back(digest256{by[1]});
        else if (what % 4 == 1 && !right.empty())
            right.erase(right.begin() + by[1] % static_cast<std::ptrdiff_t>(right.size()));
        else if (what % 4 == 2 && !right.empty())
            std::ranges::rotate(right, right.begin() + by[1] % static_cast<std::ptrdiff_t>(right.size()));
        else if (!right.empty())
            right[by[1] % right.size()][by[2] % 32] ^= what;
        by = by.subspan(3);
    }
    return right;
}

void believe_only_the_right_one(byte_view input)
{
    const std::uint64_t size = 1 + input[0] % 64;
    const std::uint64_t index = input[1] % size;
    const auto& nodes = small_tree();
    const auto root = merkle::root(size, nodes).value();
    const auto leaf = nodes(0, index).value();
    const auto path = merkle::prove_inclusion(index, size, nodes).value();
    const auto given = altered(path, input.subspan(2));
    CONSORTIUM_ASSERT(merkle::verify_inclusion(leaf, index, size, path, root));
    CONSORTIUM_ASSERT(merkle::verify_inclusion(leaf, index, size, given, root) == (given == path));
    // The right path, said to be of another place.
    const auto other = input[2] % size;
    CONSORTIUM_ASSERT(merkle::verify_inclusion(leaf, other, size, path, root) == (other == index));

    const auto before = merkle::root(index, nodes).value();
    const auto consistency = merkle::prove_consistency(index, size, nodes).value();
    const auto told = altered(consistency, input.subspan(2));
    CONSORTIUM_ASSERT(merkle::verify_consistency(index, size, before, root, consistency));
    CONSORTIUM_ASSERT(merkle::verify_consistency(index, size, before, root, told) == (told == consistency));
    CONSORTIUM_ASSERT(merkle::verify_consistency(other, size, before, root, consistency) == (other == index));
}

} // namespace

// Input: two numbers u64le, two hashes and a list of hashes; and the same bytes as changes of right proofs.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const byte_view input(data, size);
    if (size < 16)
        return 0;
    believe_only_the_right_one(input);
    if (size < 80)
        return 0;
    const auto first = load_little_endian<std::uint64_t>(input);
    const auto second = load_little_endian<std::uint64_t>(input.subspan(8));
    const auto one = to_array<32>(input.subspan(16));
    const auto other = to_array<32>(input.subspan(48));
    merkle::proof given;
    for (auto rest = input.subspan(80); rest.size() >= 32; rest = rest.subspan(32))
        given.push_back(to_array<32>(rest));
    static_cast<void>(merkle::verify_inclusion(one, first, second, given, other));
    static_cast<void>(merkle::verify_consistency(first, second, one, other, given));

    // Making proofs asks only for subtrees that lie whole in the tree, however large it is.
    const merkle::node_source any = [&](unsigned level, std::uint64_t index) -> result<digest256>
    {
        CONSORTIUM_ASSERT(level < 64 && index < second >> level);
        return digest256{static_cast<std::uint8_t>(level), static_cast<std::uint8_t>(index)};
    };
    if (const auto path = merkle::prove_inclusion(first, second, any))
        CONSORTIUM_ASSERT(path->size() <= 64);
    if (const auto path = merkle::prove_consistency(first, second, any))
        CONSORTIUM_ASSERT(path->size() <= 65);
    return 0;
}
