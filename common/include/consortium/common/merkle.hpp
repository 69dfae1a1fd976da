#pragma once
#include "consortium/common/bytes.hpp"
#include "consortium/common/error.hpp"
#include "consortium/common/hash.hpp"
#include <cstdint>
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
    void append(const digest256& leaf);
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

} // namespace consortium::merkle
