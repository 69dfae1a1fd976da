#include "consortium/common/ids.hpp"
#include <gtest/gtest.h>

using namespace consortium;

TEST(ids, later_version_7_ids_sort_later_even_within_a_millisecond_and_when_the_clock_steps_back)
{
    auto last = make_uuid_v7(1'700'000'000'000);
    for (int i = 0; i < 10'000; ++i)
    {
        const auto next = make_uuid_v7(1'700'000'000'000 - i);
        ASSERT_LT(last, next);
        EXPECT_EQ(next[6] >> 4, 7);
        EXPECT_EQ(next[8] >> 6, 2);
        last = next;
    }
}

TEST(ids, only_the_canonical_text_is_an_id)
{
    const session_id id{make_uuid_v7(1'700'000'000'000)};
    EXPECT_EQ(parse_uuid<session_id>(to_string(id)).value(), id);
    for (const auto* text :
         {"", "018bcfe5-6800-7000-8000-00000000000", "018BCFE5-6800-7000-8000-000000000000",
          "018bcfe5x6800-7000-8000-000000000000", "018bcfe5-6800-7000-8000-0000000000000", "../../etc/passwd"})
        EXPECT_FALSE(parse_uuid<session_id>(text)) << text;
}
