#include "consortium/common/invitation.hpp"
#include "projections/memory_log.hpp"

using namespace consortium;
using namespace consortium::projections;
using namespace consortium::projections::testing;

namespace
{

class invitations : public memory_log_test
{
protected:
    invite wish(const principal& who)
    {
        invite wanted;
        wanted.who = who;
        wanted.invitation = make_invitation().id;
        return wanted;
    }
    invitation_id invited(const principal& who)
    {
        auto wanted = wish(who);
        EXPECT_TRUE(log_.submit(wanted));
        return wanted.invitation;
    }
    /// A login without a device, of a key that is new.
    static projections::sign_in guest(std::uint8_t key, std::optional<invitation_id> with)
    {
        projections::sign_in wanted;
        wanted.account_key = public_key(key);
        wanted.new_account = new_id<account_id>();
        wanted.new_device = new_id<device_id>();
        wanted.allowed.allowed = registration::by::invitation;
        wanted.invitation = with;
        return wanted;
    }
};

} // namespace

TEST_F(invitations, one_lets_one_account_be_made_once)
{
    const auto open = invited(browser_);
    const auto keys = log_.key_count();
    auto first = guest(50, open);
    const auto made = log_.submit(first).value();
    ASSERT_EQ(made.size(), 3u);
    EXPECT_EQ(made[0].header.type, log::event_type::account_created);
    EXPECT_EQ(made[1].header.type, log::event_type::invitation_used);
    EXPECT_EQ(made[1].header.account, first.found_account);
    EXPECT_EQ(log_.key_count(), keys) << "one for the account, none for the invitation any more";
    EXPECT_EQ(refusal(guest(51, open)), errc::invitation_required);
    // Who has the account needs none.
    EXPECT_TRUE(submit(guest(50, {})));
    EXPECT_TRUE(submit(guest(50, open)));
}

TEST_F(invitations, without_a_good_one_nobody_gets_in)
{
    EXPECT_EQ(
        refusal_text(guest(50, {})),
        "invitation-required: this relay makes new accounts by invitation: ask somebody who has an account here, or "
        "whoever runs the relay");
    const auto bad = "invitation-required: this invitation is not good: it was used already, it is too old, or it was "
                     "not copied whole. Ask for another one";
    EXPECT_EQ(refusal_text(guest(50, make_invitation().id)), bad);
    EXPECT_EQ(refusal_text(guest(50, invitation_id{})), bad);
    auto old = wish(browser_);
    old.lifetime = std::chrono::hours(1);
    ASSERT_TRUE(log_.submit(old));
    EXPECT_EQ(old.expires, log_.now + 3'600'000);
    auto late = wish(browser_);
    late.lifetime = old.lifetime;
    ASSERT_TRUE(log_.submit(late));
    log_.now = old.expires;
    EXPECT_EQ(refusal_text(guest(50, old.invitation)), bad);
    --log_.now;
    EXPECT_TRUE(submit(guest(50, late.invitation)));
}

TEST_F(invitations, the_first_account_is_free_only_where_that_is_said)
{
    delete_account all;
    all.who = browser_;
    ASSERT_TRUE(log_.submit(all));
    EXPECT_EQ(refusal(guest(50, {})), errc::invitation_required);
    auto first = guest(50, {});
    first.allowed.first_is_free = true;
    ASSERT_TRUE(log_.submit(first));
    auto second = guest(51, {});
    second.allowed.first_is_free = true;
    EXPECT_EQ(refusal(std::move(second)), errc::invitation_required);
}

TEST_F(invitations, closed_is_closed_to_the_invited_too)
{
    auto wanted = guest(50, invited(browser_));
    wanted.allowed = {.allowed = registration::by::nobody, .first_is_free = true};
    EXPECT_EQ(refusal(std::move(wanted)), errc::registration_closed);
}

TEST_F(invitations, only_browsers_and_the_relay_itself_invite)
{
    EXPECT_EQ(refusal(wish(agent_)), errc::forbidden);
    projections::sign_in plain = guest(50, {});
    plain.allowed.allowed = registration::by::anybody;
    ASSERT_TRUE(log_.submit(plain));
    EXPECT_EQ(refusal(wish({plain.found_account, plain.found_device, plain.found_kind})), errc::forbidden);
    const auto own = invited({});
    EXPECT_TRUE(has_own_invitation(at_, log_.now).value());
    EXPECT_TRUE(submit(guest(51, own)));
    EXPECT_FALSE(has_own_invitation(at_, log_.now).value());
}

TEST_F(invitations, of_an_account_are_bounded_and_go_with_it)
{
    std::vector<invitation_id> open;
    for (std::size_t i = 0; i < limits::invitations_open_max; ++i)
        open.push_back(invited(browser_));
    auto more = wish(browser_);
    const auto refused = log_.submit(more);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), errc::quota);
    EXPECT_TRUE(refused.error().retry);
    ASSERT_TRUE(submit(guest(50, open.back())));
    EXPECT_TRUE(submit(wish(browser_)));
    log_.now += std::chrono::milliseconds(limits::invitation_lifetime).count();
    EXPECT_TRUE(submit(wish(browser_))) << "those that are too old do not count";

    const auto last = invited(browser_);
    delete_account all;
    all.who = browser_;
    ASSERT_TRUE(log_.submit(all));
    EXPECT_EQ(refusal(guest(52, last)), errc::invitation_required);
}
