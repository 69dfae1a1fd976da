#include "byte_budget.hpp"
#include <gtest/gtest.h>

namespace consortium::relay
{
namespace
{

TEST(byte_budget, bounds_each_and_all_and_takes_back)
{
    byte_budget budget({.all = 100, .each = 60});
    auto a = budget.take("a", 50);
    ASSERT_TRUE(a);
    EXPECT_EQ(budget.take("a", 11).error(), errc::overloaded);
    EXPECT_TRUE(budget.take("a", 11).error().retry);
    const auto b = budget.take("b", 50);
    ASSERT_TRUE(b);
    EXPECT_EQ(budget.take("c", 1).error(), errc::overloaded);
    EXPECT_TRUE(budget.take("c", 0));
    byte_budget::held moved = std::move(*a);
    EXPECT_EQ(budget.taken(), 100u);
    moved = {};
    EXPECT_EQ(budget.taken(), 50u);
    EXPECT_TRUE(budget.take("a", 50));
    EXPECT_EQ(budget.taken(), 50u);
    EXPECT_EQ(budget.take("d", 61).error(), errc::overloaded);
}

} // namespace
} // namespace consortium::relay
