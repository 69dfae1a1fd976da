#include "projections/memory_log.hpp"

using namespace consortium;
using namespace consortium::projections;
using namespace consortium::projections::testing;

namespace
{

class machines : public memory_log_test
{
protected:
    change_machine_metadata metadata_wish(const principal& who, std::string id, revision expected, std::string text)
    {
        auto wanted = about<change_machine_metadata>(who, std::move(id));
        wanted.expected = expected;
        wanted.metadata = std::move(text);
        return wanted;
    }
    change_daemon_state state_wish(const principal& who, std::string id, revision expected, std::string state)
    {
        auto wanted = about<change_daemon_state>(who, std::move(id));
        wanted.expected = expected;
        wanted.state = std::move(state);
        return wanted;
    }
    set_machine_online online_wish(const principal& who, std::string id, bool online)
    {
        auto wanted = about<set_machine_online>(who, std::move(id));
        wanted.online = online;
        return wanted;
    }
    machine_view machine(const principal& who, std::string_view id)
    {
        return find_machine(at_, who.account, id).value();
    }
};

} // namespace

TEST_F(machines, a_new_machine_is_offline)
{
    auto wish = machine_wish(agent_, "m1");
    wish.data_key = "key";
    ASSERT_EQ(log_.submit(wish)->size(), 1u);
    EXPECT_TRUE(wish.created);
    const auto found = machine(agent_, "m1");
    EXPECT_EQ(found.row, wish.machine);
    EXPECT_EQ(found.id, "m1");
    EXPECT_EQ(found.creator, agent_.device);
    EXPECT_EQ(found.metadata, "metadata of m1");
    EXPECT_EQ(found.metadata_version, revision{4});
    EXPECT_FALSE(found.daemon_state);
    EXPECT_EQ(found.daemon_state_version, revision{});
    EXPECT_EQ(found.data_key, "key");
    EXPECT_FALSE(found.active);
    EXPECT_EQ(found.created_at, log_.now);
}

TEST_F(machines, a_registration_may_bring_its_daemon_state)
{
    auto wish = machine_wish(agent_, "m1");
    wish.daemon_state = "state";
    ASSERT_TRUE(log_.submit(wish));
    EXPECT_EQ(machine(agent_, "m1").daemon_state, "state");
    EXPECT_EQ(machine(agent_, "m1").daemon_state_version, revision{4});
    auto late = state_wish(agent_, "m1", revision{}, "lost");
    EXPECT_EQ(log_.submit(late).error(), errc::version_mismatch);
    EXPECT_EQ(value_at(at_, late.current.where, field::state).value(), "state");
    auto late_metadata = metadata_wish(agent_, "m1", revision{}, "lost");
    EXPECT_EQ(log_.submit(late_metadata).error(), errc::version_mismatch);
    EXPECT_EQ(value_at(at_, late_metadata.current.where, field::metadata).value(), "metadata of m1");
}

TEST_F(machines, the_same_id_finds_the_machine_untouched)
{
    auto first = machine_wish(agent_, "m1");
    ASSERT_TRUE(log_.submit(first));
    auto again = machine_wish(agent_, "m1");
    again.metadata = "other";
    EXPECT_TRUE(log_.submit(again)->empty());
    EXPECT_FALSE(again.created);
    EXPECT_EQ(again.machine, first.machine);
    EXPECT_EQ(machine(agent_, "m1").metadata, "metadata of m1");
    EXPECT_EQ(refusal(machine_wish(sign_in(1, 12, log::device_kind::agent), "m1")), errc::forbidden);
    EXPECT_EQ(submit(machine_wish(sign_in(2, 20, log::device_kind::agent), "m1"))->size(), 1u);
}

TEST_F(machines, changes_need_the_current_version)
{
    ASSERT_TRUE(submit(machine_wish(agent_, "m1")));
    const auto second = submit(metadata_wish(agent_, "m1", revision{4}, "second")).value().at(0).header.rev;
    EXPECT_EQ(machine(agent_, "m1").metadata, "second");
    EXPECT_EQ(machine(agent_, "m1").metadata_version, second);
    EXPECT_EQ(refusal(metadata_wish(agent_, "m1", revision{4}, "lost")), errc::version_mismatch);
}

TEST_F(machines, a_daemon_state_brings_the_machine_online_in_one_event)
{
    ASSERT_TRUE(submit(machine_wish(agent_, "m1")));
    log_.now += 5;
    ASSERT_EQ(submit(state_wish(agent_, "m1", revision{}, "state"))->size(), 1u);
    EXPECT_TRUE(machine(agent_, "m1").active);
    EXPECT_EQ(machine(agent_, "m1").active_at, log_.now);
    EXPECT_EQ(machine(agent_, "m1").daemon_state, "state");
    EXPECT_EQ(list_active(at_)->size(), 1u);
}

TEST_F(machines, going_online_and_offline_happens_once)
{
    ASSERT_TRUE(submit(machine_wish(agent_, "m1")));
    EXPECT_TRUE(submit(online_wish(agent_, "m1", false))->empty());
    EXPECT_EQ(submit(online_wish(agent_, "m1", true))->size(), 1u);
    EXPECT_TRUE(submit(online_wish(agent_, "m1", true))->empty());
    log_.now += 5;
    EXPECT_EQ(submit(online_wish(agent_, "m1", false))->size(), 1u);
    EXPECT_FALSE(machine(agent_, "m1").active);
    EXPECT_EQ(machine(agent_, "m1").active_at, log_.now);
    EXPECT_TRUE(list_active(at_)->empty());
}

TEST_F(machines, machines_of_others_are_unknown)
{
    ASSERT_TRUE(submit(machine_wish(browser_, "m1")));
    EXPECT_EQ(refusal(online_wish(agent_, "m1", true)), errc::forbidden);
    EXPECT_EQ(refusal(about<remove_machine>(agent_, std::string("m1"))), errc::forbidden);
    const auto stranger = sign_in(2, 20, log::device_kind::agent);
    const auto expect_same = [&](auto wish)
    {
        EXPECT_EQ(refusal_text(wish("m1")), refusal_text(wish("m2")));
        EXPECT_EQ(refusal(wish("m1")), errc::not_found);
    };
    expect_same([&](std::string id) { return metadata_wish(stranger, id, revision{}, "x"); });
    expect_same([&](std::string id) { return state_wish(stranger, id, revision{}, "x"); });
    expect_same([&](std::string id) { return online_wish(stranger, id, true); });
    expect_same([&](std::string id) { return about<remove_machine>(stranger, id); });
    EXPECT_EQ(find_machine(at_, stranger.account, "m1").error(), errc::not_found);
    EXPECT_TRUE(list_machines(at_, stranger.account)->empty());
}

TEST_F(machines, a_removed_machine_is_gone_and_its_sessions_stay)
{
    const auto session = session_of(agent_, "tag");
    auto first = machine_wish(agent_, "m1");
    ASSERT_TRUE(log_.submit(first));
    ASSERT_TRUE(submit(online_wish(agent_, "m1", true)));
    ASSERT_TRUE(submit(about<remove_machine>(browser_, std::string("m1"))));
    EXPECT_EQ(find_machine(at_, agent_.account, "m1").error(), errc::not_found);
    EXPECT_EQ(refusal(online_wish(agent_, "m1", true)), errc::not_found);
    EXPECT_TRUE(find_session(at_, agent_.account, session).has_value());
    EXPECT_EQ(list_active(at_)->size(), 1u);
    auto again = machine_wish(agent_, "m1");
    ASSERT_TRUE(log_.submit(again));
    EXPECT_NE(again.machine, first.machine);
}

TEST_F(machines, the_list_is_latest_active_first)
{
    for (const auto* id : {"m1", "m2", "m3"})
        ASSERT_TRUE(submit(machine_wish(agent_, id)));
    log_.now += 5;
    ASSERT_TRUE(submit(online_wish(agent_, "m2", true)));
    const auto list = list_machines(at_, agent_.account).value();
    ASSERT_EQ(list.size(), 3u);
    EXPECT_EQ(list[0].id, "m2");
}

// Goal: a list of 256 machines whose states are as large as they may be would be 512 MiB.
TEST_F(machines, a_list_ends_after_the_one_that_makes_it_large)
{
    for (int i = 0; i < 10; ++i)
    {
        auto wish = machine_wish(agent_, "m" + std::to_string(i));
        wish.daemon_state = std::string(limits::state_bytes_max, 'x');
        ASSERT_TRUE(log_.submit(wish));
    }
    EXPECT_EQ(list_machines(at_, agent_.account)->size(), limits::list_bytes_max / limits::state_bytes_max);
}
