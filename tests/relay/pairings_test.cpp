#include "auth/pairings.hpp"
#include <gtest/gtest.h>

namespace consortium::relay
{
namespace
{

using namespace std::chrono_literals;

class pairings_test : public ::testing::Test
{
protected:
    static protocol::v1::pairing_request request(std::uint8_t key)
    {
        protocol::v1::pairing_request out;
        out.public_key = {key};
        out.device.public_key = {key, 1};
        out.device.kind = protocol::v1::device_kind::agent;
        out.mac = "mac";
        return out;
    }

    manual_clock clock{1'700'000'000'000};
    pairing_book book{clock, {.pending_max = 3, .pending_per_address_max = 2}};
};

TEST_F(pairings_test, a_request_waits_ten_minutes)
{
    ASSERT_TRUE(book.announce(request(1), "a"));
    clock.advance(599'999ms);
    EXPECT_TRUE(book.find({1}));
    clock.advance(1ms);
    EXPECT_FALSE(book.find({1}));
}

TEST_F(pairings_test, asking_again_changes_nothing)
{
    ASSERT_TRUE(book.announce(request(1), "a"));
    clock.advance(300s);
    EXPECT_TRUE(book.announce(request(1), "a"));
    EXPECT_EQ(book.pending(), 1u);
    clock.advance(300s);
    EXPECT_FALSE(book.find({1}));
}

// Goal: who saw the QR code cannot put another device behind its key.
TEST_F(pairings_test, another_device_cannot_take_the_place)
{
    ASSERT_TRUE(book.announce(request(1), "a"));
    auto other = request(1);
    other.device.public_key = {9};
    EXPECT_EQ(book.announce(other, "b").error(), errc::conflict);
    EXPECT_EQ(book.find({1})->device.public_key, request(1).device.public_key);
}

TEST_F(pairings_test, only_so_many_wait)
{
    ASSERT_TRUE(book.announce(request(1), "a"));
    ASSERT_TRUE(book.announce(request(2), "a"));
    EXPECT_EQ(book.announce(request(3), "a").error(), errc::rate_limited);
    ASSERT_TRUE(book.announce(request(3), "b"));
    EXPECT_EQ(book.announce(request(4), "c").error(), errc::overloaded);
    clock.advance(10min);
    EXPECT_TRUE(book.announce(request(4), "a"));
    EXPECT_EQ(book.pending(), 1u);
}

// Goal: what was approved is the log's alone, and asking anew with the same key lives its own ten minutes.
TEST_F(pairings_test, an_approved_request_is_forgotten)
{
    ASSERT_TRUE(book.announce(request(1), "a"));
    ASSERT_TRUE(book.announce(request(2), "a"));
    book.forget({1});
    book.forget({9});
    EXPECT_FALSE(book.find({1}));
    EXPECT_TRUE(book.find({2}));
    EXPECT_EQ(book.pending(), 1u);
    clock.advance(5min);
    ASSERT_TRUE(book.announce(request(1), "a"));
    clock.advance(5min);
    EXPECT_TRUE(book.find({1}));
    EXPECT_FALSE(book.find({2}));
    ASSERT_TRUE(book.announce(request(3), "a")); // the places of those that went are free
    clock.advance(10min);
    ASSERT_TRUE(book.announce(request(4), "a"));
    EXPECT_EQ(book.pending(), 1u);
}

TEST_F(pairings_test, an_answer_can_be_fetched_again_for_a_minute)
{
    const auto approved = clock.now();
    clock.advance(5min);
    EXPECT_TRUE(book.may_deliver({1}, approved));
    clock.advance(59'999ms);
    EXPECT_TRUE(book.may_deliver({1}, approved));
    clock.advance(1ms);
    EXPECT_FALSE(book.may_deliver({1}, approved));
}

TEST_F(pairings_test, and_never_later_than_ten_minutes_after_the_approval)
{
    const auto approved = clock.now();
    clock.advance(599'999ms);
    EXPECT_TRUE(book.may_deliver({1}, approved));
    clock.advance(1ms);
    EXPECT_FALSE(book.may_deliver({1}, approved));
    EXPECT_FALSE(book.may_deliver({2}, approved));
}

} // namespace
} // namespace consortium::relay
