#include "rpc.hpp"
#include <gtest/gtest.h>

namespace consortium::relay
{
namespace
{

using namespace std::chrono_literals;

const account_id alice{{1}};
const account_id bob{{2}};

rpc_registry registry(std::size_t methods = 4)
{
    return rpc_registry({.methods_per_socket_max = methods, .remembered = 30s});
}

TEST(rpc_registry_test, the_newest_live_registrant_serves)
{
    auto known = registry();
    ASSERT_TRUE(known.add(alice, "m", 1));
    ASSERT_TRUE(known.add(alice, "m", 2));
    ASSERT_TRUE(known.add(alice, "m", 3));
    EXPECT_EQ(known.find(alice, "m"), 3u);
    known.drop(3, 0);
    EXPECT_EQ(known.find(alice, "m"), 2u);
    EXPECT_TRUE(known.remove(alice, "m", 2));
    EXPECT_EQ(known.find(alice, "m"), 1u);
    known.drop(1, 0);
    EXPECT_EQ(known.find(alice, "m"), std::nullopt);
}

TEST(rpc_registry_test, registering_again_makes_the_newest)
{
    auto known = registry();
    ASSERT_TRUE(known.add(alice, "m", 1));
    ASSERT_TRUE(known.add(alice, "m", 2));
    ASSERT_TRUE(known.add(alice, "m", 1));
    EXPECT_EQ(known.find(alice, "m"), 1u);
    known.drop(1, 0);
    EXPECT_EQ(known.find(alice, "m"), 2u);
}

TEST(rpc_registry_test, accounts_share_nothing)
{
    auto known = registry();
    ASSERT_TRUE(known.add(alice, "m", 1));
    EXPECT_EQ(known.find(bob, "m"), std::nullopt);
    EXPECT_FALSE(known.remove(bob, "m", 1));
    EXPECT_EQ(known.find(alice, "m"), 1u);
}

TEST(rpc_registry_test, a_socket_removes_only_its_own)
{
    auto known = registry();
    ASSERT_TRUE(known.add(alice, "m", 1));
    EXPECT_FALSE(known.remove(alice, "m", 2));
    EXPECT_EQ(known.find(alice, "m"), 1u);
}

TEST(rpc_registry_test, a_socket_has_so_many_methods)
{
    auto known = registry(2);
    ASSERT_TRUE(known.add(alice, "a", 1));
    ASSERT_TRUE(known.add(alice, "b", 1));
    EXPECT_EQ(known.add(alice, "c", 1).error(), errc::rate_limited);
    EXPECT_EQ(known.find(alice, "c"), std::nullopt);
    EXPECT_TRUE(known.add(alice, "a", 1)); // held already
    EXPECT_TRUE(known.remove(alice, "a", 1));
    EXPECT_TRUE(known.add(alice, "c", 1));
}

TEST(rpc_registry_test, only_a_lost_method_is_worth_waiting_for)
{
    auto known = registry();
    ASSERT_TRUE(known.add(alice, "lost", 1));
    ASSERT_TRUE(known.add(alice, "given up", 1));
    known.remove(alice, "given up", 1);
    known.drop(1, 1'000);
    EXPECT_TRUE(known.was_lost_lately(alice, "lost", 1'000));
    EXPECT_TRUE(known.was_lost_lately(alice, "lost", 30'999));
    EXPECT_FALSE(known.was_lost_lately(alice, "lost", 31'000));
    EXPECT_FALSE(known.was_lost_lately(alice, "given up", 1'000));
    EXPECT_FALSE(known.was_lost_lately(bob, "lost", 1'000));
    ASSERT_TRUE(known.add(alice, "lost", 2));
    EXPECT_FALSE(known.was_lost_lately(alice, "lost", 1'000));
}

TEST(rpc_registry_test, nothing_is_left_behind)
{
    auto known = registry();
    for (connection_id socket = 1; socket < 100; ++socket)
    {
        ASSERT_TRUE(known.add(alice, "m", socket));
        ASSERT_TRUE(known.add(alice, "n" + std::to_string(socket), socket));
    }
    for (connection_id socket = 1; socket < 100; ++socket)
        known.drop(socket, 0);
    EXPECT_TRUE(known.empty());
}

} // namespace
} // namespace consortium::relay
