#include "log/small_domain.hpp"
#include "witness.hpp"
#include <gtest/gtest.h>

namespace consortium::log
{
namespace
{

using testing::temporary_directory;

digest256 root_of(std::uint8_t number)
{
    digest256 out;
    out.fill(number);
    return out;
}

class witness_test : public ::testing::Test
{
protected:
    void SetUp() override
    {
        first = {.id = {make_uuid_v4()}, .generation = 1, .head = {}, .root = root_of(0)};
        ASSERT_TRUE(witness_file::create(path, first));
        auto file = witness_file::open(path, first, {}).value();
        for (std::uint8_t i = 1; i <= 4; ++i)
            ASSERT_TRUE(file.advance({i * 10u}, root_of(i)));
        content = read_file(path, 1 << 20).value();
    }
    result<witness_state> read_altered(const bytes& altered)
    {
        EXPECT_TRUE(write_file(path, altered));
        return read_witness(path);
    }

    temporary_directory place;
    std::filesystem::path path = place.path() / "witness";
    witness_state first;
    bytes content;
};

TEST_F(witness_test, the_newest_slot_counts)
{
    EXPECT_EQ(content.size(), 8192u);
    const auto state = read_witness(path).value();
    EXPECT_EQ(state.id, first.id);
    EXPECT_EQ(state.generation, 5u);
    EXPECT_EQ(state.head.value, 40u);
    EXPECT_EQ(state.root, root_of(4));
}

// Goal: whatever byte of the newest slot is damaged, the one before it counts.
TEST_F(witness_test, a_torn_newest_slot_leaves_the_one_before)
{
    for (std::size_t at = 0; at < 80; ++at)
    {
        auto altered = content;
        altered[4096 + at] ^= 0x20;
        const auto state = read_altered(altered);
        ASSERT_TRUE(state) << at;
        EXPECT_EQ(state->head.value, 30u) << at;
    }
}

// Goal: a slot half of which is new and half old is no slot.
TEST_F(witness_test, a_slot_written_in_part_does_not_count)
{
    auto file = witness_file::open(path, read_witness(path).value(), {}).value();
    ASSERT_TRUE(file.advance({50}, root_of(5)));
    const auto newer = read_file(path, 1 << 20).value();
    for (std::size_t written = 29; written < 80; ++written)
    {
        auto torn = content;
        std::copy_n(newer.begin(), written, torn.begin());
        const auto state = read_altered(torn);
        ASSERT_TRUE(state);
        EXPECT_EQ(state->head.value, 40u) << written;
    }
}

TEST_F(witness_test, damage_of_both_slots_and_shorter_files_are_refused)
{
    auto altered = content;
    altered[20] ^= 1;
    altered[4096 + 20] ^= 1;
    EXPECT_EQ(read_altered(altered).error(), errc::corrupt);
    for (const std::size_t size : {0u, 1u, 4095u})
        EXPECT_EQ(
            read_altered(bytes(content.begin(), content.begin() + static_cast<long>(size))).error(), errc::corrupt);
    std::filesystem::remove(path);
    EXPECT_EQ(read_witness(path).error(), errc::not_found);
}

TEST_F(witness_test, a_later_version_is_named)
{
    auto altered = content;
    altered[8] = 2;
    const auto crc = little_endian(crc32c(byte_view(altered).first(76)));
    std::copy(crc.begin(), crc.end(), altered.begin() + 76);
    EXPECT_EQ(read_altered(altered).error(), errc::newer_version);
}

} // namespace
} // namespace consortium::log
