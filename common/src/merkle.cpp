#include "consortium/common/merkle.hpp"
#include <bit>

namespace consortium::merkle
{
namespace
{

constexpr byte_array<1> leaf_prefix{0x00};
constexpr byte_array<1> node_prefix{0x01};

} // namespace

digest256 leaf_hash(byte_parts data)
{
    // The parts of a leaf are few and small: join them behind the prefix.
    bytes joined(leaf_prefix.begin(), leaf_prefix.end());
    for (const auto part : data)
        append(joined, part);
    return sha256({joined});
}

digest256 node_hash(const digest256& left, const digest256& right)
{
    return sha256({node_prefix, left, right});
}

digest256 frontier::root() const
{
    if (roots_.empty())
        return sha256({});
    auto root = roots_.back();
    for (auto left = roots_.rbegin() + 1; left != roots_.rend(); ++left)
        root = node_hash(*left, root);
    return root;
}

bytes frontier::serialize() const
{
    bytes out;
    consortium::append(out, big_endian<std::uint64_t>(size_));
    for (const auto& root : roots_)
        consortium::append(out, root);
    return out;
}

result<frontier> frontier::parse(byte_view data)
{
    frontier out;
    if (data.size() < sizeof(std::uint64_t))
        return fail(errc::corrupt, "tree frontier is too short");
    out.size_ = load_big_endian<std::uint64_t>(data);
    data = data.subspan(sizeof(std::uint64_t));
    if (data.size() != static_cast<std::size_t>(std::popcount(out.size_)) * sizeof(digest256))
        return fail(errc::corrupt, "tree frontier does not fit its size");
    for (; !data.empty(); data = data.subspan(sizeof(digest256)))
        out.roots_.push_back(to_array<32>(data));
    return out;
}

} // namespace consortium::merkle
