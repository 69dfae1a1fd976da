#include "consortium/common/base64.hpp"
#include "consortium/common/merkle.hpp"
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

using namespace consortium;

namespace
{

/// RFC 6962 section 2.1, word for word: slow and obviously right.
digest256 reference_root(std::span<const digest256> leaves)
{
    if (leaves.empty())
        return sha256({});
    if (leaves.size() == 1)
        return leaves[0];
    const auto split = std::bit_floor(leaves.size() - 1);
    return merkle::node_hash(reference_root(leaves.first(split)), reference_root(leaves.subspan(split)));
}

} // namespace

TEST(merkle, agrees_with_the_vectors_of_certificate_transparency)
{
    // The eight leaves of the reference implementation of RFC 6962.
    const bytes leaves[] = {{}, {0x00}, {0x10}, {0x20, 0x21}, {0x30, 0x31}, {0x40, 0x41, 0x42, 0x43}};
    merkle::frontier tree;
    EXPECT_EQ(hex_encode(tree.root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (const auto& leaf : leaves)
        tree.append(merkle::leaf_hash({leaf}));
    EXPECT_EQ(hex_encode(tree.root()), "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef");
}

RC_GTEST_PROP(merkle, the_frontier_of_any_history_has_the_root_of_the_definition, ())
{
    const auto count = *rc::gen::inRange(0, 300);
    std::vector<digest256> leaves;
    merkle::frontier tree;
    for (int i = 0; i < count; ++i)
    {
        leaves.push_back(merkle::leaf_hash({big_endian<std::uint32_t>(static_cast<std::uint32_t>(i))}));
        tree.append(leaves.back());
    }
    RC_ASSERT(tree.size() == leaves.size());
    RC_ASSERT(tree.root() == reference_root(leaves));
    RC_ASSERT(merkle::frontier::parse(tree.serialize()).value() == tree);
}

TEST(merkle, a_frontier_of_the_wrong_length_is_refused)
{
    merkle::frontier tree;
    for (int i = 0; i < 5; ++i)
        tree.append(merkle::leaf_hash({}));
    const auto good = tree.serialize();
    for (std::size_t size = 0; size < good.size(); ++size)
        EXPECT_FALSE(merkle::frontier::parse(byte_view(good).first(size)));
}
