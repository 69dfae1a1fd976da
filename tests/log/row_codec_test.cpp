#include "row_codec.hpp"
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace consortium::log
{
namespace
{

const row_codec codec(key256(byte_array<32>{1, 2, 3}));

bytes sealed(table_id table, byte_view key, byte_view value)
{
    bytes out;
    codec.seal(out, table, key, value);
    return out;
}

RC_GTEST_PROP(row_codec, rows_open_in_their_place_only, (const bytes& key, const bytes& value))
{
    const auto row = sealed(3, key, value);
    RC_ASSERT(row.size() == value.size() + row_tag_bytes);
    RC_ASSERT(codec.open(3, key, row).value() == value);
    RC_ASSERT(!codec.open(4, key, row));
    auto other = key;
    other.push_back(0);
    RC_ASSERT(!codec.open(3, other, row));
    const row_codec stranger(key256(byte_array<32>{9}));
    RC_ASSERT(!stranger.open(3, key, row));
}

RC_GTEST_PROP(row_codec, every_truncation_and_flipped_bit_is_found, (const bytes& value))
{
    const bytes key{1, 2, 3};
    auto row = sealed(0, key, value);
    for (std::size_t size = 0; size < row.size(); ++size)
        RC_ASSERT(codec.open(0, key, byte_view(row).first(size)).error() == errc::corrupt);
    for (std::size_t bit = 0; bit < row.size() * 8; ++bit)
    {
        row[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
        RC_ASSERT(!codec.open(0, key, row));
        row[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    }
}

// Goal: bytes cannot wander between key and value, or a row could be read as another.
TEST(row_codec, key_and_value_do_not_run_together)
{
    const bytes first{1, 2};
    const bytes second{3};
    const auto row = sealed(0, first, second);
    const auto other = sealed(0, bytes{1}, bytes{2, 3});
    EXPECT_NE(to_array<16>(row), to_array<16>(other));
}

TEST(row_codec, the_keyed_hash_joins_its_parts)
{
    EXPECT_EQ(codec.prf({view("ab"), view("c")}), codec.prf({view("abc")}));
    EXPECT_NE(codec.prf({view("abc")}), codec.prf({view("abd")}));
}

} // namespace
} // namespace consortium::log
