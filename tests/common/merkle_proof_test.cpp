#include "consortium/common/base64.hpp"
#include "consortium/common/merkle.hpp"
#include <boost/json.hpp>
#include <fstream>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sstream>

using namespace consortium;
namespace json = boost::json;

namespace
{

/// Some tree and the hashes of its perfect subtrees, computed from the leaves each time: slow and obviously right.
class whole_tree
{
public:
    explicit whole_tree(std::uint64_t size)
    {
        for (std::uint64_t i = 0; i < size; ++i)
            leaves_.push_back(merkle::leaf_hash({big_endian(i)}));
    }
    const digest256& leaf(std::uint64_t index) const { return leaves_[index]; }
    digest256 root(std::uint64_t size) const
    {
        merkle::frontier tree;
        for (std::uint64_t i = 0; i < size; ++i)
            tree.append(leaves_[i]);
        return tree.root();
    }
    merkle::node_source nodes() const
    {
        return [this](unsigned level, std::uint64_t index) -> result<digest256>
        {
            const auto first = index << level;
            const auto count = std::uint64_t{1} << level;
            if (first + count > leaves_.size())
                return fail(errc::internal, "asked for a subtree that is not whole");
            merkle::frontier tree;
            for (auto i = first; i < first + count; ++i)
                tree.append(leaves_[i]);
            return tree.root();
        };
    }

private:
    std::vector<digest256> leaves_;
};

json::object vectors()
{
    std::ifstream file(CONSORTIUM_VECTORS "/merkle.json");
    std::stringstream content;
    content << file.rdbuf();
    return json::parse(content.str()).as_object();
}

digest256 digest_at(const json::value& hex)
{
    return to_array<32>(hex_decode(hex.as_string()).value());
}

merkle::proof proof_at(const json::object& entry)
{
    merkle::proof out;
    for (const auto& hash : entry.at("proof").as_array())
        out.push_back(digest_at(hash));
    return out;
}

std::uint64_t number(const json::object& entry, const char* name)
{
    return entry.at(name).to_number<std::uint64_t>();
}

} // namespace

TEST(merkle_proof, agrees_with_the_shared_vectors)
{
    const auto given = vectors();
    std::vector<digest256> leaves;
    for (const auto& leaf : given.at("leaves").as_array())
        leaves.push_back(merkle::leaf_hash({hex_decode(leaf.as_string()).value()}));
    std::vector<digest256> roots;
    for (const auto& root : given.at("roots").as_array())
        roots.push_back(digest_at(root));
    const merkle::node_source nodes = [&](unsigned level, std::uint64_t index) -> result<digest256>
    {
        merkle::frontier tree;
        for (auto i = index << level; i < (index + 1) << level; ++i)
            tree.append(leaves.at(i));
        return tree.root();
    };

    for (std::uint64_t size = 0; size <= leaves.size(); ++size)
        EXPECT_EQ(merkle::root(size, nodes).value(), roots[size]);
    for (const auto& value : given.at("inclusion").as_array())
    {
        const auto& entry = value.as_object();
        const auto index = number(entry, "index");
        const auto size = number(entry, "size");
        EXPECT_EQ(merkle::prove_inclusion(index, size, nodes).value(), proof_at(entry));
        EXPECT_TRUE(merkle::verify_inclusion(leaves[index], index, size, proof_at(entry), roots[size]));
    }
    for (const auto& value : given.at("consistency").as_array())
    {
        const auto& entry = value.as_object();
        const auto before = number(entry, "before");
        const auto after = number(entry, "after");
        EXPECT_EQ(merkle::prove_consistency(before, after, nodes).value(), proof_at(entry));
        EXPECT_TRUE(merkle::verify_consistency(before, after, roots[before], roots[after], proof_at(entry)));
    }
}

RC_GTEST_PROP(merkle_proof, any_leaf_of_any_tree_is_proved_and_no_other, ())
{
    const auto size = *rc::gen::inRange<std::uint64_t>(1, 200);
    const auto index = *rc::gen::inRange<std::uint64_t>(0, size);
    const whole_tree tree(size);
    const auto path = merkle::prove_inclusion(index, size, tree.nodes()).value();
    const auto root = tree.root(size);
    RC_ASSERT(merkle::verify_inclusion(tree.leaf(index), index, size, path, root));

    const auto other = *rc::gen::inRange<std::uint64_t>(0, size);
    if (other != index)
    {
        RC_ASSERT(!merkle::verify_inclusion(tree.leaf(other), index, size, path, root));
        RC_ASSERT(!merkle::verify_inclusion(tree.leaf(index), other, size, path, root));
    }
    auto longer = path;
    longer.push_back(root);
    RC_ASSERT(!merkle::verify_inclusion(tree.leaf(index), index, size, longer, root));
    if (!path.empty())
    {
        auto changed = path;
        changed[*rc::gen::inRange<std::size_t>(0, path.size())][*rc::gen::inRange<std::size_t>(0, 32)] ^= 1;
        RC_ASSERT(!merkle::verify_inclusion(tree.leaf(index), index, size, changed, root));
        RC_ASSERT(
            !merkle::verify_inclusion(tree.leaf(index), index, size, std::span(path).first(path.size() - 1), root));
    }
}

RC_GTEST_PROP(merkle_proof, any_prefix_of_any_tree_is_proved_and_no_other_history, ())
{
    const auto after = *rc::gen::inRange<std::uint64_t>(1, 200);
    const auto before = *rc::gen::inRange<std::uint64_t>(0, after + 1);
    const whole_tree tree(after);
    const auto path = merkle::prove_consistency(before, after, tree.nodes()).value();
    const auto root_before = tree.root(before);
    const auto root_after = tree.root(after);
    RC_ASSERT(merkle::verify_consistency(before, after, root_before, root_after, path));

    auto changed_root = root_before;
    changed_root[*rc::gen::inRange<std::size_t>(0, 32)] ^= 1;
    RC_ASSERT(!merkle::verify_consistency(before, after, changed_root, root_after, path));
    if (before != 0)
    {
        changed_root = root_after;
        changed_root[*rc::gen::inRange<std::size_t>(0, 32)] ^= 1;
        RC_ASSERT(!merkle::verify_consistency(before, after, root_before, changed_root, path));
    }
    auto longer = path;
    longer.push_back(root_after);
    RC_ASSERT(!merkle::verify_consistency(before, after, root_before, root_after, longer));
    if (!path.empty())
    {
        auto changed = path;
        changed[*rc::gen::inRange<std::size_t>(0, path.size())][*rc::gen::inRange<std::size_t>(0, 32)] ^= 1;
        RC_ASSERT(!merkle::verify_consistency(before, after, root_before, root_after, changed));
    }
}

TEST(merkle_proof, what_is_not_in_the_tree_cannot_be_asked_for)
{
    const whole_tree tree(3);
    EXPECT_EQ(merkle::prove_inclusion(3, 3, tree.nodes()).error(), errc::bad_request);
    EXPECT_EQ(merkle::prove_consistency(4, 3, tree.nodes()).error(), errc::bad_request);
    EXPECT_FALSE(merkle::verify_inclusion(tree.leaf(0), 0, 0, {}, tree.root(0)));
    EXPECT_FALSE(merkle::verify_consistency(4, 3, tree.root(3), tree.root(3), {}));
}
