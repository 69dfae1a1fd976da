#pragma once
#include "consortium/common/bytes.hpp"
#include "consortium/common/error.hpp"
#include "consortium/common/hash.hpp"
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

/// The hash tree of RFC 6962 section 2.1 (SHA-256).
namespace consortium::merkle
{

/// SHA-256(0x00 ‖ data…)
digest256 leaf_hash(byte_parts data);
/// SHA-256(0x01 ‖ left ‖ right)
digest256 node_hash(const digest256& left, const digest256& right);

/// The right edge of a growing tree: the roots of its perfect subtrees, largest first. Enough to append and to know
/// the root, in O(log n) memory.
class frontier
{
public:
    void append(const digest256& leaf)
    {
        append(leaf, [](unsigned, std::uint64_t, const digest256&) {});
    }
    /// Calls `completed(level, index, hash)` for each perfect subtree that the leaf makes whole, itself (level 0)
    /// first: over the 2^level leaves from `index` · 2^level on.
    template <class Visitor>
    void append(const digest256& leaf, Visitor&& completed);
    std::uint64_t size() const noexcept { return size_; }
    /// SHA-256 of nothing for the empty tree.
    digest256 root() const;

    /// size u64be ‖ the subtree roots, largest first.
    bytes serialize() const;
    /// errc::corrupt unless the count of roots fits the size.
    static result<frontier> parse(byte_view data);

    friend bool operator==(const frontier&, const frontier&) = default;

private:
    std::uint64_t size_ = 0;
    std::vector<digest256> roots_;
};

template <class Visitor>
void frontier::append(const digest256& leaf, Visitor&& completed)
{
    auto root = leaf;
    unsigned level = 0;
    completed(level, size_, root);
    // Each trailing one bit of the old size is a perfect subtree as large as what we hold: merge.
    for (auto size = size_; (size & 1) != 0; size >>= 1)
    {
        root = node_hash(roots_.back(), root);
        roots_.pop_back();
        ++level;
        completed(level, size_ >> level, root);
    }
    roots_.push_back(root);
    ++size_;
}

/// Where proofs take hashes from: the root of the perfect subtree over the 2^level leaves from `index` · 2^level on.
/// Asked only for subtrees that lie whole in the tree.
using node_source = std::function<result<digest256>(unsigned level, std::uint64_t index)>;

/// A proof is a list of node hashes, in the order of RFC 6962.
using proof = std::vector<digest256>;

/// The root over the first `size` leaves. Errors: those of `nodes`, here and below.
result<digest256> root(std::uint64_t size, const node_source& nodes);

/// That leaf `index` is in the tree of `size` leaves (RFC 6962 section 2.1.1). errc::bad_request unless index < size.
result<proof> prove_inclusion(std::uint64_t index, std::uint64_t size, const node_source& nodes);
/// That the tree of `before` leaves is the beginning of the one of `after` (section 2.1.2). Empty when either is all of
/// the other or nothing. errc::bad_request unless before <= after.
result<proof> prove_consistency(std::uint64_t before, std::uint64_t after, const node_source& nodes);

/// RFC 9162 section 2.1.3.2. False for anything but exactly the right proof.
bool verify_inclusion(
    const digest256& leaf, std::uint64_t index, std::uint64_t size, std::span<const digest256> path,
    const digest256& root);
/// RFC 9162 section 2.1.4.2. The empty tree is the beginning of every tree, by the empty proof.
bool verify_consistency(
    std::uint64_t before, std::uint64_t after, const digest256& root_before, const digest256& root_after,
    std::span<const digest256> path);

} // namespace consortium::merkle
