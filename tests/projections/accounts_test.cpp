#include "projections/memory_log.hpp"

using namespace consortium;
using namespace consortium::projections;
using namespace consortium::projections::testing;

namespace
{

class accounts : public memory_log_test
{
protected:
    login login_wish(std::uint8_t account_key, std::optional<std::uint8_t> device_key)
    {
        login wanted;
        wanted.public_key = public_key(account_key);
        if (device_key)
        {
            wanted.device_key = to_bytes(public_key(*device_key));
            wanted.kind = log::device_kind::browser;
        }
        wanted.new_account = new_id<account_id>();
        wanted.new_device = new_id<device_id>();
        return wanted;
    }
    approve_pairing pairing_wish(const principal& who, std::uint8_t request_key, std::uint8_t device_key)
    {
        approve_pairing wanted;
        wanted.who = who;
        wanted.request_key = key_of(request_key);
        wanted.device_key = to_bytes(public_key(device_key));
        wanted.sealed_name = "paired";
        wanted.response = "answer";
        wanted.new_device = new_id<device_id>();
        return wanted;
    }
    revoke_device revocation(const principal& who, device_id device)
    {
        revoke_device wanted;
        wanted.who = who;
        wanted.device = device;
        return wanted;
    }
};

} // namespace

TEST_F(accounts, the_first_login_makes_the_account_and_its_device)
{
    const auto account = find_account(at_, browser_.account).value();
    EXPECT_EQ(account.public_key, public_key(1));
    EXPECT_EQ(account.last, revision{3}); // the account, its browser, its agent
    EXPECT_EQ(account.created_at, log_.now);
    const auto device = find_device(at_, browser_.account, browser_.device).value();
    EXPECT_EQ(device.kind, log::device_kind::browser);
    EXPECT_EQ(device.public_key, to_bytes(public_key(10)));
    EXPECT_EQ(device.sealed_name, "name 10");
    EXPECT_FALSE(device.revoked_at);
}

TEST_F(accounts, the_same_device_key_is_the_same_device)
{
    auto again = login_wish(1, 10);
    EXPECT_TRUE(log_.submit(again).value().empty());
    EXPECT_EQ(again.found_account, browser_.account);
    EXPECT_EQ(again.found_device, browser_.device);
    EXPECT_EQ(list_devices(at_, browser_.account)->size(), 2u);
}

TEST_F(accounts, a_device_key_keeps_its_kind)
{
    auto again = login_wish(1, 11);
    EXPECT_TRUE(log_.submit(again).value().empty());
    EXPECT_EQ(again.found_kind, log::device_kind::agent);
}

TEST_F(accounts, the_same_device_key_in_another_account_is_another_device)
{
    auto other = login_wish(2, 10);
    EXPECT_EQ(log_.submit(other).value().size(), 2u);
    EXPECT_NE(other.found_account, browser_.account);
    EXPECT_NE(other.found_device, browser_.device);
}

TEST_F(accounts, registration_can_be_closed)
{
    auto stranger = login_wish(2, 20);
    stranger.may_register = false;
    EXPECT_EQ(refusal(std::move(stranger)), errc::forbidden);
    auto known = login_wish(1, 20);
    known.may_register = false;
    EXPECT_TRUE(log_.submit(known).has_value());
}

TEST_F(accounts, signing_in_again_makes_no_other_account)
{
    auto again = login_wish(1, 20);
    again.expected = browser_.account;
    EXPECT_TRUE(log_.submit(again).has_value());
    EXPECT_EQ(again.found_account, browser_.account);
    auto unknown_key = login_wish(2, 20);
    unknown_key.expected = browser_.account;
    EXPECT_EQ(refusal(std::move(unknown_key)), errc::not_found);
    auto elsewhere = login_wish(1, 20);
    elsewhere.expected = account_id{make_uuid_v4()};
    EXPECT_EQ(refusal(std::move(elsewhere)), errc::not_found);
}

TEST_F(accounts, a_key_and_a_kind_come_together)
{
    auto no_kind = login_wish(1, 20);
    no_kind.kind = log::device_kind::unnamed;
    EXPECT_EQ(refusal(std::move(no_kind)), errc::bad_request);
    auto no_key = login_wish(1, {});
    no_key.kind = log::device_kind::browser;
    EXPECT_EQ(refusal(std::move(no_key)), errc::bad_request);
    auto short_key = login_wish(1, 20);
    short_key.device_key.resize(31);
    EXPECT_EQ(refusal(std::move(short_key)), errc::bad_request);
}

TEST_F(accounts, a_revoked_device_key_stays_revoked)
{
    log_.now += 5;
    ASSERT_EQ(submit(revocation(browser_, agent_.device))->size(), 1u);
    EXPECT_EQ(find_device(at_, agent_.account, agent_.device)->revoked_at, log_.now);
    EXPECT_TRUE(submit(revocation(browser_, agent_.device))->empty());
    EXPECT_EQ(refusal(login_wish(1, 11)), errc::revoked);
    EXPECT_EQ(refusal(pairing_wish(browser_, 50, 11)), errc::revoked);
    EXPECT_EQ(list_devices(at_, browser_.account)->size(), 2u);
}

TEST_F(accounts, a_revoked_device_acts_no_more)
{
    const auto session = session_of(agent_, "tag");
    ASSERT_TRUE(submit(revocation(browser_, agent_.device)));
    EXPECT_EQ(refusal(session_wish(agent_, "another")), errc::revoked);
    EXPECT_EQ(refusal(about<delete_session>(agent_, session)), errc::revoked);
    EXPECT_EQ(refusal(machine_wish(agent_, "machine")), errc::revoked);
    ASSERT_TRUE(submit(revocation(browser_, browser_.device))); // signing oneself out
    EXPECT_EQ(refusal(pairing_wish(browser_, 50, 51)), errc::revoked);
    EXPECT_EQ(refusal(revocation(browser_, browser_.device)), errc::revoked);
}

TEST_F(accounts, clients_without_a_device_share_one_and_get_a_new_one_after_its_revocation)
{
    auto first = login_wish(1, {});
    ASSERT_TRUE(log_.submit(first));
    EXPECT_EQ(first.found_kind, log::device_kind::unnamed);
    auto second = login_wish(1, {});
    ASSERT_TRUE(log_.submit(second));
    EXPECT_EQ(second.found_device, first.found_device);
    ASSERT_TRUE(submit(revocation(browser_, first.found_device)));
    auto third = login_wish(1, {});
    ASSERT_TRUE(log_.submit(third));
    EXPECT_NE(third.found_device, first.found_device);
}

TEST_F(accounts, agents_change_no_devices)
{
    EXPECT_EQ(refusal(revocation(agent_, browser_.device)), errc::forbidden);
    EXPECT_EQ(refusal(pairing_wish(agent_, 50, 51)), errc::forbidden);
    rename_device rename;
    rename.who = agent_;
    rename.device = agent_.device;
    rename.sealed_name = "other";
    EXPECT_EQ(refusal(std::move(rename)), errc::forbidden);
    delete_account all;
    all.who = agent_;
    EXPECT_EQ(refusal(std::move(all)), errc::forbidden);
}

TEST_F(accounts, devices_of_others_are_unknown)
{
    const auto stranger = sign_in(2, 20, log::device_kind::browser);
    EXPECT_EQ(refusal_text(revocation(stranger, agent_.device)), refusal_text(revocation(stranger, device_id{})));
    EXPECT_EQ(refusal(revocation(stranger, agent_.device)), errc::not_found);
    EXPECT_EQ(find_device(at_, stranger.account, agent_.device).error(), errc::not_found);
}

TEST_F(accounts, a_rename_changes_the_name_only)
{
    rename_device rename;
    rename.who = browser_;
    rename.device = agent_.device;
    rename.sealed_name = "other";
    ASSERT_TRUE(log_.submit(rename));
    const auto device = find_device(at_, agent_.account, agent_.device).value();
    EXPECT_EQ(device.sealed_name, "other");
    EXPECT_EQ(device.public_key, to_bytes(public_key(11)));
}

TEST_F(accounts, devices_are_listed_oldest_first)
{
    const auto devices = list_devices(at_, browser_.account).value();
    ASSERT_EQ(devices.size(), 2u);
    EXPECT_EQ(devices[0].id, browser_.device);
    EXPECT_EQ(devices[1].id, agent_.device);
}

TEST_F(accounts, an_approved_pairing_adds_its_device_and_can_be_fetched)
{
    EXPECT_EQ(find_pairing(at_, key_of(50)).error(), errc::not_found);
    auto approval = pairing_wish(browser_, 50, 51);
    ASSERT_EQ(log_.submit(approval)->size(), 2u);
    EXPECT_TRUE(approval.first);
    const auto pairing = find_pairing(at_, key_of(50)).value();
    EXPECT_EQ(pairing.account, browser_.account);
    EXPECT_EQ(pairing.device, approval.new_device);
    EXPECT_EQ(pairing.response, "answer");
    EXPECT_EQ(find_device(at_, browser_.account, pairing.device)->kind, log::device_kind::agent);
}

TEST_F(accounts, a_second_approval_changes_nothing_whoever_makes_it)
{
    ASSERT_TRUE(submit(pairing_wish(browser_, 50, 51)));
    auto again = pairing_wish(browser_, 50, 52);
    EXPECT_TRUE(log_.submit(again)->empty());
    EXPECT_FALSE(again.first);
    auto stranger = pairing_wish(sign_in(2, 20, log::device_kind::browser), 50, 52);
    EXPECT_TRUE(log_.submit(stranger)->empty());
    EXPECT_FALSE(stranger.first);
    EXPECT_EQ(find_pairing(at_, key_of(50))->account, browser_.account);
}

TEST_F(accounts, pairing_a_known_agent_again_keeps_its_device)
{
    ASSERT_TRUE(submit(pairing_wish(browser_, 50, 11)));
    EXPECT_EQ(find_pairing(at_, key_of(50))->device, agent_.device);
    EXPECT_EQ(find_device(at_, agent_.account, agent_.device)->sealed_name, "paired");
    EXPECT_EQ(list_devices(at_, agent_.account)->size(), 2u);
}

// Else an agent that knows a browser's public key could get that browser's token.
TEST_F(accounts, a_pairing_cannot_take_the_device_of_a_browser)
{
    EXPECT_EQ(refusal(pairing_wish(browser_, 50, 10)), errc::conflict);
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
    ASSERT_TRUE(submit(pairing_wish(doomed, 50, 51)));
    delete_account all;
    all.who = doomed;
    ASSERT_EQ(log_.submit(all)->size(), 1u);

    EXPECT_EQ(log_.views.tables(), rows);
    EXPECT_EQ(log_.key_count(), keys);
    EXPECT_EQ(find_account(at_, doomed.account).error(), errc::not_found);
    EXPECT_EQ(find_pairing(at_, key_of(50)).error(), errc::not_found);
    EXPECT_EQ(refusal(session_wish(doomed, "tag")), errc::unauthorized);
    EXPECT_TRUE(find_account(at_, other.account).has_value());
    auto anew = login_wish(3, 30);
    ASSERT_EQ(log_.submit(anew)->size(), 2u);
    EXPECT_NE(anew.found_account, doomed.account);
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
    delete_account all;
    all.who = browser_;
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
