#include "consortium/common/limits.hpp"
#include "projections/memory_log.hpp"

using namespace consortium;
using namespace consortium::projections;
using namespace consortium::projections::testing;

namespace
{

// Of memory_log_test's.
constexpr std::uint8_t account_seed = 1;
constexpr std::uint8_t browser_seed = 10;
constexpr std::uint8_t agent_seed = 11;

/// The account with a browser, whose statements made it, and an agent.
class devices : public memory_log_test
{
protected:
    stated_account& account_ = account(account_seed);

    projections::sign_in
    wish(std::uint8_t account_key, std::uint8_t device_key, bytes statement, device_kind kind = device_kind::browser)
    {
        auto wanted = stated_account(account_key).sign_in(device_key, kind);
        wanted.device->statement = std::move(statement);
        if (account_key == account_seed)
            wanted.new_account = account_.id;
        return wanted;
    }
    principal signed_in(
        std::uint8_t account_key, std::uint8_t device_key, bytes statement, device_kind kind = device_kind::browser)
    {
        auto wanted = wish(account_key, device_key, std::move(statement), kind);
        const auto done = log_.submit(wanted);
        EXPECT_TRUE(done) << done.error().detail;
        return {wanted.found_account, wanted.found_device, wanted.found_kind};
    }

    append_statements statements(std::vector<bytes> list) const
    {
        append_statements wanted;
        wanted.of = account_.id;
        wanted.account_key = account_.public_key();
        for (auto& one : list)
            wanted.items.push_back({std::move(one), new_id<device_id>()});
        return wanted;
    }
    result<std::vector<log::event>> state(bytes statement)
    {
        return memory_log_test::state(account_, std::move(statement));
    }
    device_brief brief(const principal& who) const { return find_device_brief(at_, who.account, who.device).value(); }

    static delete_session deletion(const principal& who, session_id session, std::optional<signed_deletion> proof = {})
    {
        delete_session wanted;
        wanted.who = who;
        wanted.session = session;
        wanted.proof = proof;
        return wanted;
    }
};

} // namespace

TEST_F(devices, the_first_sign_in_makes_the_account_with_its_first_statement)
{
    const auto account = find_account(at_, account_.id).value();
    EXPECT_EQ(account.public_key, account_.public_key());
    EXPECT_EQ(browser_.account, account_.id);
    const auto device = find_device(at_, account_.id, browser_.device).value();
    EXPECT_EQ(device.public_key, to_bytes(public_key(browser_seed)));
    EXPECT_EQ(device.kind, device_kind::browser);
    EXPECT_EQ(device.created_at, log_.now);
    EXPECT_TRUE(device.stated);
    EXPECT_FALSE(device.revoked_at);
    EXPECT_EQ(device.sign_outs, 0u);
    EXPECT_EQ(find_chain_head(at_, account_.id).value(), account_.head);
    EXPECT_EQ(list_statements(at_, account_.id)->size(), 2u);
}

TEST_F(devices, a_device_of_the_chain_signs_in_and_adds_nothing)
{
    const auto head = log_.head();
    auto again = wish(account_seed, browser_seed, {});
    ASSERT_TRUE(log_.submit(again));
    EXPECT_EQ(again.found_device, browser_.device);
    EXPECT_EQ(log_.head(), head);
    // With the statement that the chain has already, or any other.
    auto with_statement = wish(account_seed, browser_seed, list_statements(at_, account_.id)->front());
    ASSERT_TRUE(log_.submit(with_statement));
    EXPECT_EQ(log_.head(), head);
    EXPECT_EQ(find_stated_device(at_, account_.id, public_key(browser_seed))->id, browser_.device);
    EXPECT_EQ(find_stated_device(at_, account_.id, public_key(77)).error(), errc::not_found);
}

TEST_F(devices, another_device_needs_the_next_statement)
{
    auto without = wish(account_seed, 20, {});
    EXPECT_EQ(log_.submit(without).error(), errc::conflict);
    EXPECT_TRUE(without.shows_chain);
    EXPECT_EQ(without.found_account, account_.id);

    auto stale_account = account_;
    stale_account.head = {};
    auto stale = wish(account_seed, 20, stale_account.add(public_key(20)));
    EXPECT_EQ(log_.submit(stale).error(), errc::conflict);
    EXPECT_TRUE(stale.shows_chain);

    auto good = wish(account_seed, 20, account_.follow(account_.add(public_key(20))));
    ASSERT_TRUE(log_.submit(good));
    EXPECT_FALSE(good.shows_chain);
    EXPECT_TRUE(find_device(at_, account_.id, good.found_device)->stated);
    EXPECT_EQ(find_chain_head(at_, account_.id).value(), account_.head);
}

TEST_F(devices, a_statement_at_sign_in_adds_this_very_device)
{
    const std::string other = "bad-request: the statement does something else than add this device";
    EXPECT_EQ(refusal_text(wish(account_seed, 20, account_.add(public_key(21)))), other);
    EXPECT_EQ(refusal_text(wish(account_seed, 20, account_.add(public_key(20), device_kind::agent))), other);
    EXPECT_EQ(refusal_text(wish(account_seed, 20, account_.revoke(public_key(browser_seed)))), other);
    EXPECT_EQ(
        refusal_text(wish(account_seed, browser_seed, {}, device_kind::agent)),
        "conflict: the account has this device as another kind");
    auto of_another = stated_account(2);
    of_another.id = account_.id;
    of_another.head = account_.head;
    EXPECT_EQ(
        refusal_text(wish(account_seed, 20, of_another.add(public_key(20)))),
        "bad-request: a device statement is not signed by the account");
    EXPECT_EQ(refusal_text(wish(account_seed, 20, bytes(40, 1))), "bad-request: a device statement is too short");
}

TEST_F(devices, an_account_is_made_only_where_that_is_wanted)
{
    stated_account bob(2);
    bob.id = new_id<account_id>();
    auto unwanted = wish(2, 30, bob.add(public_key(30)));
    unwanted.create = false;
    EXPECT_EQ(refusal_text(std::move(unwanted)), "not-found: no account has this key");

    auto asking = wish(2, 30, {});
    asking.new_account = bob.id;
    EXPECT_EQ(log_.submit(asking).error(), errc::conflict);
    EXPECT_TRUE(asking.shows_chain);
    EXPECT_EQ(asking.found_account, bob.id);
    EXPECT_EQ(find_account(at_, bob.id).error(), errc::not_found);

    // The id belongs to the challenge: a statement for another is refused.
    EXPECT_EQ(
        refusal_text(wish(2, 30, bob.add(public_key(30)))), "bad-request: a device statement is of another account");

    auto closed = wish(2, 30, bob.add(public_key(30)));
    closed.new_account = bob.id;
    closed.allowed.allowed = registration::by::nobody;
    EXPECT_EQ(log_.submit(closed).error(), errc::registration_closed);

    auto made = wish(2, 30, bob.add(public_key(30)));
    made.new_account = bob.id;
    ASSERT_EQ(log_.submit(made)->size(), 2u);
    EXPECT_EQ(made.found_account, bob.id);
}

TEST_F(devices, a_login_without_a_device_needs_no_statement_and_no_create)
{
    projections::sign_in wanted;
    wanted.account_key = public_key(2);
    wanted.new_account = new_id<account_id>();
    wanted.new_device = new_id<device_id>();
    ASSERT_EQ(log_.submit(wanted)->size(), 2u);
    EXPECT_EQ(wanted.found_kind, device_kind::unnamed);
    const auto first = wanted.found_device;
    wanted.new_device = new_id<device_id>();
    ASSERT_TRUE(log_.submit(wanted)->empty());
    EXPECT_EQ(wanted.found_device, first);
    const auto known = find_device_brief(at_, wanted.found_account, first).value();
    EXPECT_FALSE(known.stated);
    EXPECT_TRUE(known.exists());
    EXPECT_EQ(find_chain_head(at_, wanted.found_account).value(), chain_head());
}

TEST_F(devices, signing_in_to_an_account_that_is_gone_makes_no_other)
{
    auto wanted = wish(2, 30, {});
    wanted.expected = account_.id;
    EXPECT_EQ(refusal_text(std::move(wanted)), "not-found: this account is not here any more");
}

TEST_F(devices, statements_are_taken_all_or_none_and_once)
{
    const auto first = account_.follow(account_.add(public_key(20)));
    const auto second = account_.follow(account_.add(public_key(21), device_kind::agent));
    auto after = account_;
    const auto third = after.follow(after.revoke(public_key(20)));

    auto broken = third;
    broken.back() ^= 1;
    EXPECT_EQ(
        refusal_text(statements({first, second, broken})),
        "bad-request: a device statement is not signed by the account");
    auto all = statements({first, second, third});
    EXPECT_EQ(log_.submit(all)->size(), 3u);
    EXPECT_EQ(find_chain_head(at_, account_.id).value(), after.head);
    // Again, with what came before and in part: nothing new.
    auto again = statements(list_statements(at_, account_.id).value());
    EXPECT_EQ(log_.submit(again)->size(), 0u);
    auto part = statements({second});
    EXPECT_EQ(log_.submit(part)->size(), 0u);
    EXPECT_EQ(find_chain_head(at_, account_.id).value(), after.head);
    // One of a fork: sound, and not the next.
    EXPECT_EQ(
        refusal_text(statements({account_.add(public_key(22))})),
        "conflict: a device statement has another number than the next");
    EXPECT_EQ(list_statements(at_, account_.id, 4).value(), (std::vector{second, third}));
    EXPECT_TRUE(list_statements(at_, account_.id, 6)->empty());
}

TEST_F(devices, the_same_statement_twice_in_one_request_counts_once)
{
    const auto one = account_.add(public_key(20));
    auto twice = statements({one, one});
    EXPECT_EQ(log_.submit(twice)->size(), 1u);
}

// Goal: the rules of the chain hold on the rows as they do in memory (common/device_chain_test, tests/vectors).
TEST_F(devices, the_rules_of_the_chain_hold_on_rows)
{
    EXPECT_EQ(
        refusal_text(statements({account_.add(public_key(browser_seed))})),
        "bad-request: a device statement adds a device twice");
    EXPECT_EQ(
        refusal_text(statements({account_.revoke(public_key(20))})),
        "bad-request: a device statement revokes a device that was never added");
    EXPECT_EQ(
        refusal_text(statements({account_.revoke(public_key(agent_seed), device_kind::browser)})),
        "bad-request: a device statement revokes a device as another kind than it was added");
    auto elsewhere = account_;
    elsewhere.head.hash[0] ^= 1;
    EXPECT_EQ(
        refusal_text(statements({elsewhere.add(public_key(20))})),
        "conflict: a device statement follows another one than the last");
    ASSERT_TRUE(state(account_.follow(account_.revoke(public_key(agent_seed), device_kind::agent))));
    EXPECT_EQ(
        refusal_text(statements({account_.revoke(public_key(agent_seed), device_kind::agent)})),
        "bad-request: a device statement revokes a device twice");
    EXPECT_EQ(
        refusal_text(statements({account_.add(public_key(agent_seed), device_kind::agent)})),
        "bad-request: a device statement adds a device that was revoked");
}

TEST_F(devices, statements_of_an_account_that_is_not_there_are_refused)
{
    auto foreign = statements({account_.add(public_key(20))});
    foreign.of = new_id<account_id>();
    EXPECT_EQ(refusal_text(std::move(foreign)), "not-found: no such account");
    auto other_key = statements({account_.add(public_key(20))});
    other_key.account_key = public_key(2);
    EXPECT_EQ(refusal_text(std::move(other_key)), "not-found: no such account");
}

TEST_F(devices, more_statements_than_a_chain_can_have_are_refused)
{
    auto many = statements({});
    many.items.resize(limits::statements_per_chain_max + 1);
    EXPECT_EQ(log_.submit(many).error(), errc::too_large);
}

TEST_F(devices, a_revocation_ends_the_device)
{
    log_.now += 5;
    const auto events = state(account_.follow(account_.revoke(public_key(agent_seed), device_kind::agent))).value();
    ASSERT_EQ(events.size(), 1u);
    EXPECT_TRUE(log::describe(events[0].header.type).voids_tokens());
    EXPECT_EQ(events[0].header.stream, agent_.device.as<stream_id>());
    EXPECT_TRUE(brief(agent_).revoked);
    EXPECT_EQ(find_device(at_, account_.id, agent_.device)->revoked_at, log_.now);
    EXPECT_EQ(refusal_text(wish(account_seed, agent_seed, {}, device_kind::agent)), "revoked: this device was revoked");
    EXPECT_EQ(refusal_text(session_wish(agent_, "tag")), "revoked: this device was revoked");
}

TEST_F(devices, signing_out_raises_the_number_of_the_devices_tokens)
{
    sign_out wanted;
    wanted.who = agent_;
    const auto events = log_.submit(wanted).value();
    EXPECT_TRUE(log::describe(events.at(0).header.type).voids_tokens());
    EXPECT_EQ(wanted.sign_outs, 1u);
    ASSERT_TRUE(log_.submit(wanted));
    EXPECT_EQ(wanted.sign_outs, 2u);
    EXPECT_EQ(brief(agent_).sign_outs, 2u);
    EXPECT_EQ(brief(browser_).sign_outs, 0u);
    EXPECT_FALSE(brief(agent_).revoked);
    auto again = wish(account_seed, agent_seed, {}, device_kind::agent);
    ASSERT_TRUE(log_.submit(again));
    EXPECT_EQ(again.sign_outs, 2u);
    EXPECT_EQ(find_device(at_, account_.id, agent_.device)->sign_outs, 2u);
}

TEST_F(devices, a_signed_deletion_is_kept_and_shown_until_the_account_goes)
{
    const auto session = session_of(agent_, to_string(new_id<session_id>()));
    const auto other = session_of(agent_, to_string(new_id<session_id>()));
    EXPECT_EQ(find_deletion(at_, account_.id, session).error(), errc::not_found);
    const auto proof = sign_deletion(signing_key(browser_seed), account_.id, session);
    const auto events = log_.submit(*std::make_unique<delete_session>(deletion(browser_, session, proof))).value();
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].header.type, log::event_type::session_deletion_signed);
    EXPECT_EQ(find_deletion(at_, account_.id, session).value(), proof);
    EXPECT_EQ(find_session(at_, account_.id, session).error(), errc::not_found);
    EXPECT_EQ(find_deletion(at_, new_id<account_id>(), session).error(), errc::not_found);
    // The unsigned one is carried out too, and proves nothing.
    auto unsigned_one = deletion(agent_, other);
    ASSERT_TRUE(log_.submit(unsigned_one));
    EXPECT_EQ(find_deletion(at_, account_.id, other).error(), errc::not_found);
    delete_account all;
    all.who = browser_;
    ASSERT_TRUE(log_.submit(all));
    EXPECT_EQ(find_deletion(at_, account_.id, session).error(), errc::not_found);
}

TEST_F(devices, a_deletion_is_signed_by_a_good_browser_for_this_session_or_refused)
{
    const auto session = session_of(agent_, to_string(new_id<session_id>()));
    const auto other = session_of(agent_, to_string(new_id<session_id>()));
    const auto by = [&](std::uint8_t device, session_id which)
    { return deletion(browser_, session, sign_deletion(signing_key(device), account_.id, which)); };
    EXPECT_EQ(
        refusal_text(by(77, session)),
        "bad-request: the deletion is signed by a device that the account's chain does not name");
    EXPECT_EQ(
        refusal_text(by(agent_seed, session)), "bad-request: the deletion is signed by a device that is no browser");
    const std::string unsigned_word =
        "bad-request: the deletion is not signed by the device it names, for this session";
    EXPECT_EQ(refusal_text(by(browser_seed, other)), unsigned_word);
    const auto another_account = sign_deletion(signing_key(browser_seed), new_id<account_id>(), session);
    EXPECT_EQ(refusal_text(deletion(browser_, session, another_account)), unsigned_word);
    auto forged = sign_deletion(signing_key(agent_seed), account_.id, session);
    forged.device = public_key(browser_seed);
    EXPECT_EQ(refusal_text(deletion(browser_, session, forged)), unsigned_word);

    ASSERT_TRUE(state(account_.follow(account_.add(public_key(20)))));
    ASSERT_TRUE(state(account_.follow(account_.revoke(public_key(20)))));
    EXPECT_EQ(refusal_text(by(20, session)), "bad-request: the deletion is signed by a device that was revoked");
    EXPECT_TRUE(find_session(at_, account_.id, session));
}

// Goal: what a log of the first edition knows is shown, refused as long as no statement names it, and goes on as the
// same device when one does.
TEST_F(devices, a_device_from_before_the_statements_goes_on_when_one_names_it)
{
    const auto old_device = new_id<device_id>();
    const auto old_revoked = new_id<device_id>();
    const auto add_old = [&](device_id device, std::uint8_t key)
    {
        append_old(
            account_.id, log::event_type::device_added, device,
            log::device_added{to_bytes(public_key(key)), device_kind::browser, "name"});
    };
    add_old(old_device, 40);
    append_old(account_.id, log::event_type::device_renamed, old_device, log::device_renamed{"another name"});
    add_old(old_revoked, 41);
    append_old(account_.id, log::event_type::device_revoked, old_revoked);

    const principal old{account_.id, old_device, device_kind::browser};
    EXPECT_FALSE(brief(old).exists());
    EXPECT_EQ(find_device(at_, account_.id, old_device)->public_key, to_bytes(public_key(40)));
    EXPECT_FALSE(find_device(at_, account_.id, old_device)->stated);
    EXPECT_EQ(find_stated_device(at_, account_.id, public_key(40)).error(), errc::not_found);

    EXPECT_EQ(signed_in(account_seed, 40, account_.follow(account_.add(public_key(40)))).device, old_device);
    EXPECT_TRUE(brief(old).exists());
    EXPECT_EQ(find_device(at_, account_.id, old_device)->public_key, to_bytes(public_key(40)));
    // What was revoked stays revoked: a statement makes another device of the key.
    const auto anew = signed_in(account_seed, 41, account_.follow(account_.add(public_key(41))));
    EXPECT_NE(anew.device, old_revoked);
    EXPECT_FALSE(brief(anew).revoked);
    EXPECT_TRUE(brief({account_.id, old_revoked, device_kind::browser}).revoked);
}
