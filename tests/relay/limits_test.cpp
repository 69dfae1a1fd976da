#include "limits.hpp"
#include <gtest/gtest.h>

namespace consortium::relay
{
namespace
{

using namespace std::chrono_literals;

TEST(limits_test, a_bucket_gives_its_burst_and_refills_steadily)
{
    token_bucket bucket;
    const token_bucket::rate rate{.per_second = 10, .burst = 3};
    for (int i = 0; i < 3; ++i)
        EXPECT_FALSE(bucket.take(rate, 1000));
    EXPECT_EQ(bucket.take(rate, 1000), 100ms);
    EXPECT_TRUE(bucket.take(rate, 1099));
    EXPECT_FALSE(bucket.take(rate, 1100));
    // However long it rests, it holds its burst.
    for (int i = 0; i < 3; ++i)
        EXPECT_FALSE(bucket.take(rate, 1'000'000));
    EXPECT_TRUE(bucket.take(rate, 1'000'000));
}

TEST(limits_test, a_clock_that_steps_back_gives_nothing_away)
{
    token_bucket bucket;
    const token_bucket::rate rate{.per_second = 1, .burst = 1};
    EXPECT_FALSE(bucket.take(rate, 10'000));
    EXPECT_TRUE(bucket.take(rate, 5'000));
    EXPECT_TRUE(bucket.take(rate, 5'999));
    EXPECT_FALSE(bucket.take(rate, 6'000));
}

TEST(limits_test, addresses_do_not_share_and_all_together_are_bounded)
{
    manual_clock clock(1'000'000);
    rate_limiter limiter(clock, {.each = {1, 2}, .all = {1, 5}});
    for (int i = 0; i < 2; ++i)
        EXPECT_TRUE(limiter.take("a"));
    const auto refused = limiter.take("a");
    EXPECT_EQ(refused.error(), errc::rate_limited);
    EXPECT_EQ(refused.error().retry, 1000ms);
    EXPECT_TRUE(limiter.take("b"));
    EXPECT_TRUE(limiter.take("c"));
    EXPECT_TRUE(limiter.take("d"));
    EXPECT_EQ(limiter.take("e").error(), errc::overloaded);
    clock.advance(1s);
    EXPECT_TRUE(limiter.take("a"));
}

TEST(limits_test, without_an_address_only_all_together_counts)
{
    manual_clock clock(1'000'000);
    rate_limiter limiter(clock, {.each = {1, 1}, .all = {1, 3}});
    for (int i = 0; i < 3; ++i)
        EXPECT_TRUE(limiter.take(""));
    EXPECT_EQ(limiter.take("").error(), errc::overloaded);
}

TEST(limits_test, memory_is_bounded)
{
    manual_clock clock(1'000'000);
    rate_limiter limiter(clock, {.each = {1, 1}, .all = {1e9, 1e9}, .addresses_max = 4});
    for (int i = 0; i < 1000; ++i)
        EXPECT_TRUE(limiter.take(std::to_string(i)));
}

} // namespace
} // namespace consortium::relay
