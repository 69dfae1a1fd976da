#include "consortium/common/merkle.hpp"
#include <bit>

namespace consortium::merkle
{
namespace
{

/// Leaves [begin, end) of a tree: one side of a split of RFC 6962, so `begin` is a multiple of the power of two above.
struct span_of_leaves
{
    std::uint64_t begin = 0;
    std::uint64_t end = 0;

    std::uint64_t size() const noexcept { return end - begin; }
    /// The largest power of two below size(): where the tree over these leaves splits.
    std::uint64_t split() const noexcept { return begin + std::bit_floor(size() - 1); }
    span_of_leaves left() const noexcept { return {begin, split()}; }
    span_of_leaves right() const noexcept { return {split(), end}; }
};

result<digest256> root_of(span_of_leaves leaves, const node_source& nodes)
{
    if (std::has_single_bit(leaves.size()))
    {
        const auto level = static_cast<unsigned>(std::countr_zero(leaves.size()));
        return nodes(level, leaves.begin >> level);
    }
    const auto left = root_of(leaves.left(), nodes);
    if (!left)
        return left;
    const auto right = root_of(leaves.right(), nodes);
    if (!right)
        return right;
    return node_hash(*left, *right);
}

/// Appends the root over `leaves` to `out`.
result<void> add_root(proof& out, span_of_leaves leaves, const node_source& nodes)
{
    const auto root = root_of(leaves, nodes);
    if (!root)
        return std::unexpected(root.error());
    out.push_back(*root);
    return {};
}

/// PATH(m, D[n])
result<void> add_path(proof& out, std::uint64_t index, span_of_leaves leaves, const node_source& nodes)
{
    if (leaves.size() == 1)
        return {};
    const bool in_left = index < leaves.split();
    if (auto below = add_path(out, index, in_left ? leaves.left() : leaves.right(), nodes); !below)
        return below;
    return add_root(out, in_left ? leaves.right() : leaves.left(), nodes);
}

/// SUBPROOF(m, D[n], b); `known`: the verifier has the root over exactly these leaves.
result<void> add_subproof(proof& out, std::uint64_t before, span_of_leaves leaves, bool known, const node_source& nodes)
{
    if (before == leaves.end)
        return known ? result<void>() : add_root(out, leaves, nodes);
    const bool in_left = before <= leaves.split();
    auto below = in_left ? add_subproof(out, before, leaves.left(), known, nodes)
                         : add_subproof(out, before, leaves.right(), /*known=*/false, nodes);
    if (!below)
        return below;
    return add_root(out, in_left ? leaves.right() : leaves.left(), nodes);
}

} // namespace

result<digest256> root(std::uint64_t size, const node_source& nodes)
{
    if (size == 0)
        return sha256({});
    return root_of({0, size}, nodes);
}

result<proof> prove_inclusion(std::uint64_t index, std::uint64_t size, const node_source& nodes)
{
    if (index >= size)
        return fail(errc::bad_request, "the tree has no leaf with this index");
    proof out;
    if (auto made = add_path(out, index, {0, size}, nodes); !made)
        return std::unexpected(made.error());
    return out;
}

result<proof> prove_consistency(std::uint64_t before, std::uint64_t after, const node_source& nodes)
{
    if (before > after)
        return fail(errc::bad_request, "a tree is not the beginning of a smaller one");
    proof out;
    if (before == 0 || before == after)
        return out;
    if (auto made = add_subproof(out, before, {0, after}, /*known=*/true, nodes); !made)
        return std::unexpected(made.error());
    return out;
}

bool verify_inclusion(
    const digest256& leaf, std::uint64_t index, std::uint64_t size, std::span<const digest256> path,
    const digest256& root)
{
    if (index >= size)
        return false;
    auto node = index;
    auto last = size - 1;
    auto hash = leaf;
    for (const auto& sibling : path)
    {
        if (last == 0)
            return false;
        if ((node & 1) != 0 || node == last)
        {
            hash = node_hash(sibling, hash);
            // A node without a right sibling is its parent: go up to where it has a left one.
            while ((node & 1) == 0 && node != 0)
            {
                node >>= 1;
                last >>= 1;
            }
        }
        else
            hash = node_hash(hash, sibling);
        node >>= 1;
        last >>= 1;
    }
    return last == 0 && hash == root;
}

bool verify_consistency(
    std::uint64_t before, std::uint64_t after, const digest256& root_before, const digest256& root_after,
    std::span<const digest256> path)
{
    if (before > after)
        return false;
    if (before == 0)
        return path.empty() && root_before == sha256({});
    if (before == after)
        return path.empty() && root_before == root_after;
    if (path.empty())
        return false;

    auto node = before - 1;
    auto last = after - 1;
    while ((node & 1) != 0)
    {
        node >>= 1;
        last >>= 1;
    }
    // A whole number of perfect subtrees of this size: the verifier has the first hash already.
    const bool starts_known = node == 0;
    auto hash_before = starts_known ? root_before : path.front();
    auto hash_after = hash_before;
    for (const auto& sibling : path.subspan(starts_known ? 0 : 1))
    {
        if (last == 0)
            return false;
        if ((node & 1) != 0 || node == last)
        {
            hash_before = node_hash(sibling, hash_before);
            hash_after = node_hash(sibling, hash_after);
            while ((node & 1) == 0 && node != 0)
            {
                node >>= 1;
                last >>= 1;
            }
        }
        else
            hash_after = node_hash(hash_after, sibling);
        node >>= 1;
        last >>= 1;
    }
    return last == 0 && hash_before == root_before && hash_after == root_after;
}

} // namespace consortium::merkle
