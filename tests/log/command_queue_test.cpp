#include "command_queue.hpp"
#include "log/small_domain.hpp"
#include <gtest/gtest.h>
#include <map>
#include <rapidcheck/gtest.h>
#include <set>

namespace consortium::log
{
namespace
{

using namespace testing;

class numbered final : public command
{
public:
    numbered(account_id account, std::size_t size, int number) : number(number), account_(account), size_(size) {}
    account_id account() const override { return account_; }
    std::size_t size() const override { return size_; }
    result<decision> decide(const view_reader&, unix_millis) override { return decision{}; }
    int number;

private:
    account_id account_;
    std::size_t size_;
};

// Goal: however commands come and go: each account's keep their order, nothing is lost or doubled, nobody waits longer
// than one command of every other account, and the bounds hold.
RC_GTEST_PROP(command_queue, keeps_order_takes_turns_and_stays_within_bounds, ())
{
    const std::size_t count_max = *rc::gen::inRange<std::size_t>(1, 20);
    command_queue queue({.count_max = count_max, .bytes_max = 1000});
    std::map<account_id, std::deque<int>> model;
    std::map<account_id, std::set<account_id>> served_since; ///< who was served while this account waited
    const auto steps = *rc::gen::container<std::vector<std::pair<bool, std::uint8_t>>>(
        rc::gen::pair(rc::gen::arbitrary<bool>(), rc::gen::inRange<std::uint8_t>(0, 5)));
    int next = 0;
    std::size_t waiting = 0;
    for (const auto& [push, who] : steps)
    {
        if (push)
        {
            const auto account = account_of(who);
            const auto size = *rc::gen::inRange<std::size_t>(1, 300);
            if (queue.push(std::make_shared<numbered>(account, size, next)))
            {
                model[account].push_back(next);
                ++waiting;
            }
            else
                RC_ASSERT(waiting > 0);
            ++next;
        }
        else if (const auto taken = std::static_pointer_cast<numbered>(queue.pop()))
        {
            const auto account = taken->account();
            RC_ASSERT(!model[account].empty());
            RC_ASSERT(model[account].front() == taken->number);
            model[account].pop_front();
            --waiting;
            served_since[account].clear();
            for (auto& [other, commands] : model)
                if (other != account && !commands.empty())
                    RC_ASSERT(served_since[other].insert(account).second);
                else if (commands.empty())
                    served_since[other].clear();
        }
        else
            RC_ASSERT(waiting == 0u);
        RC_ASSERT(queue.count() == waiting);
        RC_ASSERT(queue.empty() == (waiting == 0));
        RC_ASSERT(queue.count() <= count_max + count_max / 4 + 1);
    }
    while (queue.pop())
        --waiting;
    RC_ASSERT(waiting == 0u);
    RC_ASSERT(queue.size_bytes() == 0u);
}

TEST(command_queue, one_account_fills_half_and_leaves_room_for_others)
{
    command_queue queue({.count_max = 100, .bytes_max = 1'000'000});
    int taken = 0;
    while (queue.push(std::make_shared<numbered>(account_of(1), 1, taken)))
        ++taken;
    EXPECT_EQ(taken, 50);
    EXPECT_TRUE(queue.push(std::make_shared<numbered>(account_of(2), 1, 0)));
}

TEST(command_queue, one_command_larger_than_the_bound_is_taken_when_nothing_waits)
{
    command_queue queue({.count_max = 100, .bytes_max = 1000});
    EXPECT_TRUE(queue.push(std::make_shared<numbered>(account_of(1), 5000, 0)));
    EXPECT_FALSE(queue.push(std::make_shared<numbered>(account_of(1), 1, 0)));
    EXPECT_FALSE(queue.push(std::make_shared<numbered>(account_of(2), 1, 0)));
    EXPECT_NE(queue.pop(), nullptr);
    EXPECT_TRUE(queue.push(std::make_shared<numbered>(account_of(2), 1, 0)));
}

// Goal: what one account floods with is its own affair: senders are held back when several do.
TEST(command_queue, one_account_alone_does_not_hold_back_the_others)
{
    command_queue queue({.count_max = 80, .bytes_max = 8000});
    while (queue.push(std::make_shared<numbered>(account_of(1), 200, 0)))
    {
    }
    EXPECT_FALSE(queue.above_high_mark());
    EXPECT_TRUE(queue.below_low_mark());
    for (std::uint8_t who = 2; who <= 3; ++who)
        for (int i = 0; i < 10; ++i)
            ASSERT_TRUE(queue.push(std::make_shared<numbered>(account_of(who), 1, 0)));
    EXPECT_TRUE(queue.above_high_mark()) << "three times an eighth";
    while (queue.pop())
    {
    }
    EXPECT_TRUE(queue.below_low_mark());
}

// Goal: turns are worth the same in bytes: who writes ten times as much at a time comes a tenth as often.
TEST(command_queue, turns_count_bytes_too)
{
    command_queue queue({.count_max = 1000, .bytes_max = 1'000'000, .turn_bytes = 100});
    for (int i = 0; i < 20; ++i)
        ASSERT_TRUE(queue.push(std::make_shared<numbered>(account_of(1), 1000, i)));
    for (int i = 0; i < 100; ++i)
        ASSERT_TRUE(queue.push(std::make_shared<numbered>(account_of(2), 100, i)));
    std::size_t large = 0;
    for (int i = 0; i < 55; ++i)
        large += queue.pop()->account() == account_of(1) ? 1 : 0;
    EXPECT_EQ(large, 5u);
    // Alone it waits for nobody.
    while (queue.count() > 0)
        ASSERT_NE(queue.pop(), nullptr);
}

TEST(command_queue, large_commands_are_taken_by_themselves_and_take_no_room_from_small_ones)
{
    using choice = command_queue::choice;
    command_queue queue({.count_max = 100, .bytes_max = 1000, .turn_bytes = 100, .large_bytes = 500});
    EXPECT_TRUE(queue.push(std::make_shared<numbered>(account_of(1), 5000, 0)));
    EXPECT_FALSE(queue.push(std::make_shared<numbered>(account_of(2), 501, 0)));
    EXPECT_FALSE(queue.has(choice::small));
    EXPECT_EQ(queue.pop(choice::small), nullptr);
    EXPECT_TRUE(queue.push(std::make_shared<numbered>(account_of(3), 1, 7)));
    EXPECT_TRUE(queue.has(choice::small));
    EXPECT_EQ(queue.pop(choice::large)->size(), 5000u);
    EXPECT_FALSE(queue.has(choice::large));
    EXPECT_EQ(queue.pop(choice::small)->size(), 1u);
    EXPECT_TRUE(queue.empty());
}

} // namespace
} // namespace consortium::log
