#include "consortium/common/base64.hpp"
#include "consortium/common/box.hpp"
#include "consortium/common/device_chain.hpp"
#include "consortium/common/limits.hpp"
#include "consortium/common/signed_deletion.hpp"
#include <algorithm>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

using namespace consortium;

namespace
{

const account_id account{{1, 2, 3}};

/// An account, and chains of it in few words.
struct author
{
    ed25519_key key = ed25519_key::random();

    device_statement next(const device_chain& after, statement_action action, const ed25519_public& device) const
    {
        device_statement out;
        out.account = account;
        out.n = after.head().n + 1;
        out.previous = after.head().hash;
        out.action = action;
        out.device = device;
        out.kind = device_kind::browser;
        out.time = 1'700'000'000'000;
        if (action == statement_action::add)
            out.sealed_name = bytes(80, 7);
        return out;
    }
    bytes add(const device_chain& after, const ed25519_public& device) const
    {
        return sign_statement(key, next(after, statement_action::add, device));
    }
    bytes revoke(const device_chain& after, const ed25519_public& device) const
    {
        return sign_statement(key, next(after, statement_action::revoke, device));
    }
    device_chain chain() const { return {account, key.public_key()}; }
    device_set set() const { return {account, key.public_key()}; }
    /// A chain that adds each of `devices`.
    device_chain chain_of(const std::vector<ed25519_public>& devices) const
    {
        auto out = chain();
        for (const auto& each : devices)
            EXPECT_TRUE(out.append(byte_view(add(out, each))));
        return out;
    }
};

ed25519_public device()
{
    return ed25519_key::random().public_key();
}

std::string broken_rule(const result<void>& done)
{
    return done ? "" : done.error().detail;
}

} // namespace

TEST(device_chain, a_statement_reads_back_and_is_what_was_signed)
{
    const author who;
    const auto said = who.next(who.chain(), statement_action::add, device());
    const auto raw = sign_statement(who.key, said);
    EXPECT_EQ(raw.size(), 194u + 80u);
    auto read = parse_statement(raw).value();
    read.signature = {};
    EXPECT_EQ(read, said);
}

TEST(device_chain, devices_come_once_and_go_once)
{
    const author who;
    const auto one = device();
    const auto two = device();
    auto chain = who.chain_of({one, two});
    EXPECT_EQ(chain.find(one), (stated_device{device_kind::browser, false}));
    EXPECT_EQ(broken_rule(chain.append(byte_view(who.add(chain, one)))), "a device statement adds a device twice");
    EXPECT_EQ(
        broken_rule(chain.append(byte_view(who.revoke(chain, device())))),
        "a device statement revokes a device that was never added");
    auto as_agent = who.next(chain, statement_action::revoke, one);
    as_agent.kind = device_kind::agent;
    EXPECT_EQ(
        broken_rule(chain.append(byte_view(sign_statement(who.key, as_agent)))),
        "a device statement revokes a device as another kind than it was added");
    ASSERT_TRUE(chain.append(byte_view(who.revoke(chain, one))));
    EXPECT_EQ(chain.find(one), (stated_device{device_kind::browser, true}));
    EXPECT_EQ(
        broken_rule(chain.append(byte_view(who.revoke(chain, one)))), "a device statement revokes a device twice");
    EXPECT_EQ(
        broken_rule(chain.append(byte_view(who.add(chain, one)))), "a device statement adds a device that was revoked");
    EXPECT_EQ(chain.size(), 3u);
    EXPECT_TRUE(chain.holds(3, chain.head().hash));
    EXPECT_FALSE(chain.holds(2, chain.head().hash));
    EXPECT_FALSE(chain.holds(0, {}));
}

TEST(device_chain, only_the_next_statement_of_this_account_follows)
{
    const author who;
    auto chain = who.chain_of({device()});
    const auto refused = [&](auto change)
    {
        auto said = who.next(chain, statement_action::add, device());
        change(said);
        return chain.append(byte_view(sign_statement(who.key, said))).error();
    };
    EXPECT_EQ(refused([](auto& said) { ++said.n; }), errc::conflict);
    EXPECT_EQ(refused([](auto& said) { said.previous[5] ^= 1; }), errc::conflict);
    EXPECT_EQ(refused([](auto& said) { said.account.value[0] ^= 1; }), errc::bad_request);
    const author other;
    EXPECT_EQ(chain.append(byte_view(other.add(chain, device()))).error(), errc::bad_request);
    EXPECT_EQ(chain.size(), 1u);
}

TEST(device_chain, form_is_checked_field_by_field)
{
    const author who;
    const auto good = who.add(who.chain(), device());
    const auto changed = [&](std::size_t at, std::uint8_t value)
    {
        auto raw = good;
        raw.at(at) = value;
        return parse_statement(raw);
    };
    constexpr std::size_t action = 30 + 16 + 8 + 32;
    EXPECT_FALSE(changed(0, 'C'));
    EXPECT_FALSE(changed(30 + 16 + 7, 0)); // n = 0
    EXPECT_FALSE(changed(action, 0));
    EXPECT_FALSE(changed(action, 3));
    EXPECT_FALSE(changed(action, 2));      // a revocation with a name
    EXPECT_FALSE(changed(action + 33, 0)); // kind
    EXPECT_FALSE(changed(action + 33, 3));
    EXPECT_FALSE(changed(action + 35, 32)); // time of 2^53
    EXPECT_TRUE(changed(action + 35, 31));
    EXPECT_FALSE(changed(action + 43, 79)); // the name's length
    auto longer = good;
    longer.push_back(0);
    EXPECT_FALSE(parse_statement(longer));
    auto nobody = good;
    std::fill_n(nobody.begin() + action + 1, 32, std::uint8_t{0});
    EXPECT_FALSE(parse_statement(nobody)); // a device key of small order
}

RC_GTEST_PROP(device_chain, no_truncated_or_changed_statement_is_taken, ())
{
    const author who;
    auto chain = who.chain_of({device()});
    const auto good =
        *rc::gen::element(who.add(chain, device()), who.revoke(chain, parse_statement(chain.statements()[0])->device));
    for (std::size_t size = 0; size < good.size(); ++size)
        RC_ASSERT(!parse_statement(byte_view(good).first(size)));
    auto changed = good;
    changed[*rc::gen::inRange<std::size_t>(0, good.size())] ^= static_cast<std::uint8_t>(1u << *rc::gen::inRange(0, 8));
    RC_ASSERT(!chain.append(byte_view(changed)));
    RC_ASSERT(chain.append(byte_view(good)));
}

// Goal: the bound holds for relay and clients alike; a chain that is full can still be revoked from.
TEST(device_chain, it_names_so_many_devices_and_no_more)
{
    const author who;
    const auto known = device();
    chain_head head;
    head.n = 4000;
    head.additions = limits::device_additions_max;
    auto said = who.next(who.chain(), statement_action::add, device());
    said.n = 4001;
    const auto nothing = [](const ed25519_public&) { return std::optional<stated_device>(); };
    const auto raw = sign_statement(who.key, said);
    EXPECT_EQ(check_next(raw, account, who.key.public_key(), head, nothing).error(), errc::bad_request);
    --head.additions;
    EXPECT_TRUE(check_next(raw, account, who.key.public_key(), head, nothing));
    EXPECT_EQ(head_after(head, *parse_statement(raw), raw).additions, limits::device_additions_max);
    head.additions = limits::device_additions_max;
    said = who.next(who.chain(), statement_action::revoke, known);
    said.n = 4001;
    EXPECT_TRUE(check_next(
        sign_statement(who.key, said), account, who.key.public_key(), head,
        [](const ed25519_public&) { return std::optional(stated_device{device_kind::browser, false}); }));
}

TEST(device_set, what_any_branch_said_stays)
{
    const author who;
    const auto one = device();
    const auto two = device();
    const auto three = device();
    const auto common = who.chain_of({one});
    auto left = common;
    ASSERT_TRUE(left.append(byte_view(who.add(left, two))));
    auto right = common;
    ASSERT_TRUE(right.append(byte_view(who.revoke(right, one))));
    ASSERT_TRUE(right.append(byte_view(who.add(right, three))));

    auto set = who.set();
    EXPECT_EQ(set.standing_of(one), device_standing::unknown);
    EXPECT_TRUE(set.learn(left).value());
    EXPECT_FALSE(set.learn(common).value());
    EXPECT_EQ(set.standing_of(one), device_standing::good);
    EXPECT_TRUE(set.learn(right).value());
    EXPECT_EQ(set.standing_of(one), device_standing::revoked);
    EXPECT_EQ(set.standing_of(two), device_standing::good);
    EXPECT_EQ(set.kind_of(three), device_kind::browser);
    EXPECT_EQ(set.statements().size(), 4u);

    EXPECT_EQ(set.lacking(left), std::vector<bytes>(right.statements().begin() + 1, right.statements().end()));
    EXPECT_EQ(set.lacking(right), std::vector<bytes>{left.statements()[1]});
    // A backup from before the branches: what follows is the longer one.
    EXPECT_EQ(set.continuation(common), std::vector<bytes>(right.statements().begin() + 1, right.statements().end()));
    EXPECT_EQ(set.continuation(who.chain()), right.statements());
    EXPECT_TRUE(set.continuation(right).empty());
    auto foreign = common;
    ASSERT_TRUE(foreign.append(byte_view(who.add(foreign, device()))));
    EXPECT_TRUE(set.continuation(foreign).empty());
    EXPECT_EQ(set.lacking(foreign).size(), 3u);
}

// Goal: effects are compared, not branches: the same said again elsewhere lacks nothing.
TEST(device_set, the_same_effect_on_another_branch_lacks_nothing)
{
    const author who;
    const auto one = device();
    const auto two = device();
    auto set = who.set();
    ASSERT_TRUE(set.learn(who.chain_of({one, two})));
    EXPECT_TRUE(set.lacking(who.chain_of({two, one})).empty());
    EXPECT_EQ(set.lacking(who.chain_of({two})).size(), 1u);
}

TEST(device_set, views_are_compared_by_keys_kinds_and_revocations)
{
    const author who;
    const auto one = device();
    auto chain = who.chain_of({one, device()});
    auto set = who.set();
    const auto nothing = set.digest();
    EXPECT_EQ(nothing, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    ASSERT_TRUE(set.learn(chain));
    const auto before = set.digest();
    std::vector<ed25519_public> keys = set.devices();
    std::ranges::sort(keys);
    bytes all;
    for (const auto& each : keys)
    {
        append(all, each);
        append(all, bytes{2, 0});
    }
    EXPECT_EQ(before, hex_encode(sha256({all})));
    ASSERT_TRUE(chain.append(byte_view(who.revoke(chain, one))));
    ASSERT_TRUE(set.learn(chain));
    EXPECT_NE(set.digest(), before);

    // The way it was learned does not matter.
    auto again = who.set();
    ASSERT_TRUE(again.learn(set.statements()));
    EXPECT_EQ(again.digest(), set.digest());
}

TEST(device_set, a_key_that_two_branches_add_as_two_kinds_is_the_lesser)
{
    const author who;
    const auto one = device();
    auto as_agent = who.next(who.chain(), statement_action::add, one);
    as_agent.kind = device_kind::agent;
    const std::vector<bytes> agent{sign_statement(who.key, as_agent)};
    const auto browser = who.chain_of({one}).statements();
    auto left = who.set();
    auto right = who.set();
    ASSERT_TRUE(left.learn(agent) && left.learn(browser));
    ASSERT_TRUE(right.learn(browser) && right.learn(agent));
    EXPECT_EQ(left.kind_of(one), device_kind::agent);
    EXPECT_EQ(left.digest(), right.digest());
}

TEST(device_set, one_that_breaks_a_rule_spoils_what_came_with_it)
{
    const author who;
    const auto chain = who.chain_of({device(), device()});
    auto set = who.set();
    auto given = chain.statements();
    given[1].back() ^= 1;
    EXPECT_EQ(set.learn(given).error(), errc::bad_request);
    EXPECT_TRUE(set.empty());
    // Nor does one count whose place is not known.
    EXPECT_EQ(set.learn(std::vector<bytes>{chain.statements()[1]}).error(), errc::bad_request);
    EXPECT_TRUE(set.learn(chain).value());
    // The number of the first, hung behind the last.
    auto first = who.next(chain, statement_action::add, device());
    first.n = 1;
    EXPECT_FALSE(set.learn(std::vector<bytes>{sign_statement(who.key, first)}));
    EXPECT_EQ(set.addition_of(set.devices()[0])->kind, device_kind::browser);
}

TEST(signed_deletion, is_of_one_session_of_one_account_by_one_device)
{
    const auto key = ed25519_key::random();
    const session_id session{{9}};
    auto given = sign_deletion(key, account, session);
    EXPECT_TRUE(is_deletion_of(given, account, session));
    EXPECT_FALSE(is_deletion_of(given, account, session_id{{8}}));
    EXPECT_FALSE(is_deletion_of(given, account_id{{8}}, session));
    given.device = device();
    EXPECT_FALSE(is_deletion_of(given, account, session));
}
