#include "consortium/common/places.hpp"
#include <gtest/gtest.h>
#include <vector>

namespace consortium
{
namespace
{

using crowd = place_table::crowd;

class places_test : public ::testing::Test
{
protected:
    struct guest
    {
        std::unique_ptr<place_table::place> in;
        bool sent_away = false;
    };
    /// Enters and does as it is told when it has to make room.
    std::unique_ptr<guest> enter(place_table& table, const std::string& address)
    {
        auto out = std::make_unique<guest>();
        auto got = table.enter(address, [who = out.get()] { who->sent_away = true; });
        out->in = std::move(got.in);
        why = got.why;
        return out;
    }
    crowd why = crowd::none;
};

// Goal: silent strangers keep nobody of their address out: the oldest that waits makes room.
TEST_F(places_test, the_oldest_waiting_stranger_of_the_address_makes_room)
{
    place_table table({.all = 100, .each = 10, .strangers = 3});
    const auto first = enter(table, "a");
    const auto second = enter(table, "a");
    const auto third = enter(table, "a");
    const auto other = enter(table, "b");
    first->in->set_busy(true);
    const auto fourth = enter(table, "a");
    EXPECT_TRUE(fourth->in);
    EXPECT_EQ(why, crowd::strangers);
    EXPECT_FALSE(first->sent_away || third->sent_away || other->sent_away);
    EXPECT_TRUE(second->sent_away);
    // One that has shown who it is, is no stranger.
    third->in->set_known();
    const auto fifth = enter(table, "a");
    EXPECT_EQ(why, crowd::none);
    EXPECT_FALSE(fourth->sent_away);
}

TEST_F(places_test, refuses_when_nobody_can_go)
{
    place_table table({.all = 4, .each = 2, .strangers = 2});
    std::vector<std::unique_ptr<guest>> known;
    for (const auto* address : {"a", "a", "b"})
    {
        known.push_back(enter(table, address));
        known.back()->in->set_known();
    }
    EXPECT_FALSE(enter(table, "a")->in);
    EXPECT_EQ(why, crowd::address);
    const auto last = enter(table, "c");
    EXPECT_TRUE(last->in);
    last->in->set_busy(true);
    EXPECT_FALSE(enter(table, "d")->in);
    EXPECT_EQ(why, crowd::all);
    last->in->set_busy(false);
    EXPECT_TRUE(enter(table, "d")->in);
    EXPECT_TRUE(last->sent_away);
    known.clear();
    EXPECT_EQ(table.count(), 1u);
}

// Goal: those who were told to go and have not yet do not let in ever more.
TEST_F(places_test, few_can_be_on_their_way_out)
{
    place_table table({.all = 10, .each = 10, .strangers = 10});
    std::vector<std::unique_ptr<guest>> all;
    std::size_t in = 0;
    for (int i = 0; i < 200; ++i)
    {
        all.push_back(enter(table, std::to_string(i % 50)));
        in += all.back()->in != nullptr;
    }
    EXPECT_EQ(in, table.count());
    EXPECT_LT(table.count(), 60u);
    all.clear();
    EXPECT_EQ(table.count(), 0u);
    EXPECT_TRUE(table.wait_for_none(std::chrono::milliseconds(0)));
}

// Goal: behind a proxy each address has its own bounds, and what has none is counted in all alone.
TEST_F(places_test, moves_to_the_address_it_speaks_for)
{
    place_table table({.all = 100, .each = 2, .strangers = 2});
    std::vector<std::unique_ptr<guest>> all;
    for (int i = 0; i < 5; ++i)
    {
        all.push_back(enter(table, ""));
        ASSERT_TRUE(all.back()->in);
    }
    for (int i = 0; i < 2; ++i)
    {
        EXPECT_EQ(all[static_cast<std::size_t>(i)]->in->move_to("a"), crowd::none);
        all[static_cast<std::size_t>(i)]->in->set_known();
    }
    EXPECT_EQ(all[2]->in->move_to("a"), crowd::address);
    EXPECT_EQ(all[2]->in->address(), "");
    EXPECT_EQ(all[3]->in->move_to("b"), crowd::none);
    all.clear();
    EXPECT_EQ(table.count(), 0u);
}

} // namespace
} // namespace consortium
