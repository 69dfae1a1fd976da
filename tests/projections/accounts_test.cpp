#include "projections/memory_log.hpp"

using namespace consortium;
using namespace consortium::projections;
using namespace consortium::projections::testing;

namespace
{

class accounts : public memory_log_test
{
protected:
    static projections::sign_in unnamed(std::uint8_t account_key)
    {
        return stated_account(account_key).sign_in(0, device_kind::unnamed);
    }
};

} // namespace

TEST_F(accounts, the_same_device_key_in_another_account_is_another_device)
{
    const auto other = sign_in(2, 10, device_kind::browser);
    EXPECT_NE(other.account, browser_.account);
    EXPECT_NE(other.device, browser_.device);
    EXPECT_EQ(last_revision(at_, other.account), revision{2});
}

TEST_F(accounts, registration_can_be_closed)
{
    auto stranger = unnamed(2);
    stranger.allowed.allowed = registration::by::nobody;
    EXPECT_EQ(refusal(std::move(stranger)), errc::registration_closed);
    auto known = unnamed(1);
    known.allowed.allowed = registration::by::nobody;
    EXPECT_TRUE(log_.submit(known).has_value());
}

TEST_F(accounts, signing_in_again_makes_no_other_account)
{
    auto again = unnamed(1);
    again.expected = browser_.account;
    EXPECT_TRUE(log_.submit(again).has_value());
    EXPECT_EQ(again.found_account, browser_.account);
    auto unknown_key = unnamed(2);
    unknown_key.expected = browser_.account;
    EXPECT_EQ(refusal(std::move(unknown_key)), errc::not_found);
    auto elsewhere = unnamed(1);
    elsewhere.expected = account_id{make_uuid_v4()};
    EXPECT_EQ(refusal(std::move(elsewhere)), errc::not_found);
}

TEST_F(accounts, a_revoked_device_acts_no_more)
{
    const auto session = session_of(agent_, "tag");
    auto& mine = account(1);
    ASSERT_TRUE(state(mine, mine.follow(mine.revoke(public_key(11), device_kind::agent))));
    EXPECT_EQ(refusal(session_wish(agent_, "another")), errc::revoked);
    EXPECT_EQ(refusal(about<delete_session>(agent_, session)), errc::revoked);
    EXPECT_EQ(refusal(machine_wish(agent_, "machine")), errc::revoked);
    EXPECT_EQ(refusal(by<sign_out>(agent_)), errc::revoked);
    ASSERT_TRUE(state(mine, mine.follow(mine.revoke(public_key(10)))));
    EXPECT_EQ(refusal(by<delete_account>(browser_)), errc::revoked);
}

// Only a log of the first edition has such a revocation.
TEST_F(accounts, clients_without_a_device_share_one_and_get_a_new_one_after_its_revocation)
{
    const auto sign_in_unnamed = [&]
    {
        auto wanted = unnamed(1);
        EXPECT_TRUE(log_.submit(wanted));
        EXPECT_EQ(wanted.found_kind, device_kind::unnamed);
        return wanted.found_device;
    };
    const auto first = sign_in_unnamed();
    EXPECT_EQ(sign_in_unnamed(), first);
    append_old(browser_.account, log::event_type::device_revoked, first);
    EXPECT_NE(sign_in_unnamed(), first);
}

TEST_F(accounts, agents_delete_no_account)
{
    EXPECT_EQ(refusal(by<delete_account>(agent_)), errc::forbidden);
}

TEST_F(accounts, devices_of_others_are_unknown)
{
    const auto stranger = sign_in(2, 20, log::device_kind::browser);
    EXPECT_EQ(find_device(at_, stranger.account, agent_.device).error(), errc::not_found);
}

TEST_F(accounts, devices_are_listed_oldest_first)
{
    const auto devices = list_devices(at_, browser_.account).value();
    ASSERT_EQ(devices.size(), 2u);
    EXPECT_EQ(devices[0].id, browser_.device);
    EXPECT_EQ(devices[1].id, agent_.device);
}

TEST_F(accounts, a_deleted_account_leaves_no_row_and_no_key)
{
    const auto other = sign_in(2, 20, log::device_kind::browser);
    const auto rows = log_.views.tables();
    const auto keys = log_.key_count();
    const auto doomed = sign_in(3, 30, log::device_kind::browser);
    const auto session = session_of(doomed, "tag");
    ASSERT_TRUE(submit(message_wish(doomed, session, {{"one", "l1"}, {"two", {}}})));
    ASSERT_TRUE(submit(machine_wish(doomed, "machine")));
    auto all = by<delete_account>(doomed);
    ASSERT_EQ(log_.submit(all)->size(), 1u);

    EXPECT_EQ(log_.views.tables(), rows);
    EXPECT_EQ(log_.key_count(), keys);
    EXPECT_EQ(find_account(at_, doomed.account).error(), errc::not_found);
    EXPECT_EQ(refusal(session_wish(doomed, "tag")), errc::unauthorized);
    EXPECT_TRUE(find_account(at_, other.account).has_value());
    accounts_.erase(3); // the key begins another chain
    EXPECT_NE(sign_in(3, 30, device_kind::browser).account, doomed.account);
}

TEST_F(accounts, changes_are_the_accounts_own_in_order)
{
    const auto other = sign_in(2, 20, log::device_kind::browser);
    session_of(browser_, "a");
    session_of(other, "b");
    session_of(browser_, "c");
    const auto all = changes(at_, browser_.account, revision{}, 100).value();
    ASSERT_EQ(all.size(), 5u);
    for (std::size_t i = 0; i < all.size(); ++i)
    {
        EXPECT_EQ(all[i].header.rev, revision{i + 1});
        EXPECT_EQ(all[i].header.account, browser_.account);
    }
    const auto some = changes(at_, browser_.account, revision{2}, 2).value();
    ASSERT_EQ(some.size(), 2u);
    EXPECT_EQ(some[0].header.rev, revision{3});
    EXPECT_TRUE(changes(at_, browser_.account, revision{5}, 100)->empty());
    EXPECT_TRUE(changes(at_, browser_.account, revision{UINT64_MAX}, 100)->empty());
    EXPECT_TRUE(changes(at_, browser_.account, revision{}, 0)->empty());
    EXPECT_EQ(last_revision(at_, browser_.account), revision{5});
    EXPECT_EQ(last_revision(at_, account_id{}), revision{});
}

TEST_F(accounts, deleting_an_account_says_what_goes_with_it)
{
    session_of(browser_, "one");
    session_of(browser_, "two");
    ASSERT_TRUE(submit(about<delete_session>(browser_, session_of(browser_, "gone"))));
    ASSERT_TRUE(submit(machine_wish(browser_, "machine")));
    auto all = by<delete_account>(browser_);
    const auto events = log_.submit(all).value();
    EXPECT_EQ(all.sessions, 2u);
    EXPECT_EQ(all.machines, 1u);
    EXPECT_EQ(all.deleted, events.at(0).header.rev);
    EXPECT_EQ(find_revision(at_, browser_.account, revision{1}).error(), errc::not_found);
    EXPECT_EQ(find_revision(at_, browser_, revision{1}).error(), errc::not_found);
}

TEST_F(accounts, every_revision_is_found_and_no_other)
{
    session_of(agent_, "a");
    sign_in(2, 20, log::device_kind::browser);
    session_of(browser_, "b");
    const auto all = changes(at_, browser_.account, revision{}, 100).value();
    for (const auto& happened : all)
    {
        EXPECT_EQ(find_revision(at_, browser_.account, happened.header.rev).value(), happened.number);
        EXPECT_EQ(find_revision(at_, browser_, happened.header.rev).value(), happened.number);
    }
    EXPECT_EQ(find_revision(at_, browser_, revision{}).error(), errc::not_found);
    EXPECT_EQ(find_revision(at_, browser_, revision{all.size() + 1}).error(), errc::not_found);
    EXPECT_EQ(find_revision(at_, browser_, revision{UINT64_MAX}).error(), errc::not_found);
}

// Goal: an agent gets proofs of what it created and of nothing else.
TEST_F(accounts, an_agent_finds_only_revisions_of_what_it_created)
{
    const auto session = session_of(agent_, "a");
    const auto mine = session_of(agent_, "deleted");
    session_of(browser_, "b");
    ASSERT_TRUE(submit(message_wish(browser_, session, {{"x", {}}})));
    ASSERT_TRUE(submit(machine_wish(agent_, "machine")));
    ASSERT_TRUE(submit(machine_wish(browser_, "other machine")));
    ASSERT_TRUE(submit(about<delete_session>(agent_, mine)));
    const auto machine = find_machine(at_, agent_.account, "machine")->row;
    std::size_t found = 0;
    for (const auto& happened : changes(at_, agent_.account, revision{}, 100).value())
    {
        const auto stream = happened.header.stream;
        const bool own = stream == session.as<stream_id>() || stream == machine.as<stream_id>();
        const auto number = find_revision(at_, agent_, happened.header.rev);
        EXPECT_EQ(number.has_value(), own) << log::name(happened.header.type);
        if (number)
            ++found;
        else
            EXPECT_EQ(number.error(), errc::not_found);
    }
    EXPECT_EQ(found, 3u);
}
