#include "presence.hpp"
#include <gtest/gtest.h>

namespace consortium::relay
{
namespace
{

using namespace std::chrono_literals;

const account_id account{{1}};
const session_id session{{2}};
const std::string machine = "laptop";

class presence_test : public ::testing::Test
{
protected:
    presence_table::actions alive(bool thinking = false)
    {
        return table.session_alive(account, session, now, thinking, now);
    }
    presence_table::actions later(std::chrono::milliseconds by)
    {
        now += by.count();
        return table.sweep(now);
    }

    unix_millis now = 1'700'000'000'000;
    presence_table table{{.session_timeout = 60s, .machine_timeout = 60s, .activity_interval = 10s}};
};

void expect_session(const presence_table::actions& actions, bool active, bool announce, bool record)
{
    ASSERT_EQ(actions.size(), 1u);
    EXPECT_EQ(actions[0].session, session);
    EXPECT_EQ(actions[0].active, active);
    EXPECT_EQ(actions[0].announce, announce);
    EXPECT_EQ(actions[0].record, record);
}

void expect_machine(const presence_table::actions& actions, bool active, bool record)
{
    ASSERT_EQ(actions.size(), 1u);
    EXPECT_EQ(actions[0].machine, machine);
    EXPECT_EQ(actions[0].active, active);
    EXPECT_TRUE(actions[0].announce);
    EXPECT_EQ(actions[0].record, record);
}

TEST_F(presence_test, heartbeats_are_announced_when_something_changes_or_now_and_then)
{
    table.session_opened(account, session, now);
    expect_session(alive(), true, true, false);
    now += 2'000;
    EXPECT_TRUE(alive().empty());
    expect_session(alive(/*thinking=*/true), true, true, false);
    now += 9'999;
    EXPECT_TRUE(alive(true).empty());
    now += 1;
    expect_session(alive(true), true, true, false);
    expect_session(alive(false), true, true, false);
}

TEST_F(presence_test, silence_ends_a_session_and_a_heartbeat_brings_it_back)
{
    table.session_opened(account, session, now);
    alive(true);
    EXPECT_TRUE(later(59'999ms).empty());
    const auto given_up = later(1ms);
    expect_session(given_up, false, true, true);
    EXPECT_FALSE(given_up[0].thinking);
    EXPECT_TRUE(later(60s).empty());
    expect_session(alive(), true, true, true);
}

TEST_F(presence_test, an_end_is_not_undone_by_a_late_heartbeat)
{
    table.session_opened(account, session, now);
    expect_session(table.session_end(account, session, now, now), false, true, true);
    now += 59'999;
    EXPECT_TRUE(alive().empty());
    now += 1;
    expect_session(alive(), true, true, true);
}

TEST_F(presence_test, reopening_lifts_that)
{
    table.session_opened(account, session, now);
    table.session_end(account, session, now, now);
    table.session_reopened(session);
    expect_session(alive(), true, true, true);
    table.session_end(account, session, now, now);
    table.session_opened(account, session, now);
    now += 10'000;
    EXPECT_FALSE(alive().empty());
}

TEST_F(presence_test, times_are_clamped_to_now_and_old_ones_ignored)
{
    const auto ahead = table.session_alive(account, session, now + 3'600'000, false, now);
    ASSERT_EQ(ahead.size(), 1u);
    EXPECT_EQ(ahead[0].active_at, now);
    EXPECT_TRUE(table.session_end(account, session, now - 600'001, now).empty());
    const auto slow = table.session_end(account, session, now - 600'000, now);
    ASSERT_EQ(slow.size(), 1u);
    EXPECT_EQ(slow[0].active_at, now - 600'000);
}

// Goal: after a restart nobody is declared gone before a full timeout has passed.
TEST_F(presence_test, what_was_active_at_the_start_has_a_whole_timeout)
{
    table.session_opened(account, session, now);
    table.machine_opened(account, machine, now);
    EXPECT_TRUE(later(59'999ms).empty());
    EXPECT_EQ(later(1ms).size(), 2u);
}

TEST_F(presence_test, a_machine_is_there_while_one_of_its_sockets_is)
{
    expect_machine(table.machine_connected(account, machine, true, now), true, true);
    EXPECT_TRUE(table.machine_connected(account, machine, true, now).empty());
    EXPECT_TRUE(table.machine_disconnected(account, machine, now).empty());
    EXPECT_TRUE(later(10min).empty()); // its socket has a heartbeat of its own
    expect_machine(table.machine_disconnected(account, machine, now), false, true);
    EXPECT_EQ(table.size(), 0u);
}

TEST_F(presence_test, a_machine_counts_from_its_registration_on)
{
    EXPECT_TRUE(table.machine_connected(account, machine, false, now).empty());
    expect_machine(table.machine_registered(account, machine, now), true, true);
    expect_machine(table.machine_disconnected(account, machine, now), false, true);
    EXPECT_TRUE(table.machine_registered(account, machine, now).empty());
}

TEST_F(presence_test, a_machine_without_a_socket_lives_by_its_heartbeats)
{
    expect_machine(table.machine_alive(account, machine, now, now), true, true);
    now += 5'000;
    EXPECT_TRUE(table.machine_alive(account, machine, now, now).empty());
    now += 5'000;
    expect_machine(table.machine_alive(account, machine, now, now), true, false);
    expect_machine(later(60s), false, true);
    EXPECT_EQ(table.size(), 0u);
}

TEST_F(presence_test, a_deleted_session_leaves_nothing)
{
    table.session_opened(account, session, now);
    table.session_deleted(session);
    EXPECT_EQ(table.size(), 0u);
    EXPECT_TRUE(later(2min).empty());
}

TEST_F(presence_test, a_deleted_account_leaves_nothing_and_others_stay)
{
    const account_id other{{99}};
    table.session_opened(account, session, now);
    table.session_opened(other, session_id{{3, 1}}, now);
    expect_machine(table.machine_connected(account, machine, true, now), true, true);
    table.account_deleted(account);
    EXPECT_EQ(table.size(), 1u);
    // Its socket goes a moment later: nobody is told, nothing is recorded.
    EXPECT_TRUE(table.machine_disconnected(account, machine, now).empty());
    const auto silent = later(2min);
    ASSERT_EQ(silent.size(), 1u);
    EXPECT_EQ(silent.front().account, other);
}

TEST_F(presence_test, memory_of_what_is_gone_is_given_back)
{
    for (std::uint8_t i = 0; i < 100; ++i)
    {
        table.session_opened(account, session_id{{3, i}}, now);
        table.session_end(account, session_id{{3, i}}, now, now);
    }
    EXPECT_EQ(table.size(), 100u);
    EXPECT_TRUE(later(61s).empty());
    EXPECT_EQ(table.size(), 0u);
}

} // namespace
} // namespace consortium::relay
