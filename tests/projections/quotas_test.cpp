#include "projections/memory_log.hpp"

using namespace consortium;
using namespace consortium::projections;
using namespace consortium::projections::testing;

namespace
{

/// What the log asks before it writes.
class quotas_test : public memory_log_test
{
protected:
    quotas allowed_{.bytes = 1 << 20, .sessions = 2, .machines = 2, .devices = 2};

    /// Why it would not be written, "" if it would.
    std::string admitted(log::command&& wanted)
    {
        const auto decided = wanted.decide(log_.views, log_.now);
        if (!decided)
            return "not decided: " + decided.error().detail;
        const auto good = make_rules(allowed_)->admit(log_.views, *decided);
        if (good)
            return {};
        EXPECT_EQ(good.error(), errc::quota);
        EXPECT_TRUE(good.error().retry) << "an outbox would drop it";
        return good.error().detail;
    }
    static append_statements statements(const stated_account& of, bytes statement)
    {
        append_statements wanted;
        wanted.of = of.id;
        wanted.account_key = of.public_key();
        wanted.items.push_back({std::move(statement), new_id<device_id>()});
        return wanted;
    }
};

} // namespace

TEST_F(quotas_test, sessions_and_machines_are_counted_and_a_deletion_gives_them_back)
{
    const auto first = session_of(browser_, "one");
    session_of(agent_, "two");
    EXPECT_EQ(
        admitted(session_wish(agent_, "three")),
        "this account has all it may have on this relay, 2 sessions: delete some, or ask whoever runs the relay for "
        "more");
    EXPECT_EQ(admitted(session_wish(agent_, "two")), "") << "it is there already";
    EXPECT_EQ(admitted(message_wish(browser_, first, {{"x", {}}})), "");
    ASSERT_TRUE(submit(about<delete_session>(browser_, first)));
    EXPECT_EQ(admitted(session_wish(agent_, "three")), "");

    ASSERT_TRUE(submit(machine_wish(agent_, "one")));
    ASSERT_TRUE(submit(machine_wish(agent_, "two")));
    EXPECT_NE(admitted(machine_wish(agent_, "three")), "");
    ASSERT_TRUE(submit(about<remove_machine>(browser_, "one")));
    EXPECT_EQ(admitted(machine_wish(agent_, "three")), "");

    // Another account has its own.
    EXPECT_EQ(admitted(session_wish(sign_in(2, 20, log::device_kind::browser), "one")), "");
}

TEST_F(quotas_test, devices_count_while_the_chain_names_them)
{
    auto& chain = account(1); // it has two
    allowed_.devices = 3;
    EXPECT_EQ(admitted(statements(chain, chain.add(public_key(81)))), "");
    ASSERT_TRUE(state(chain, chain.follow(chain.add(public_key(81)))));
    EXPECT_NE(admitted(statements(chain, chain.add(public_key(82)))), "");
    EXPECT_EQ(admitted(statements(chain, chain.revoke(public_key(81)))), "");
    ASSERT_TRUE(state(chain, chain.follow(chain.revoke(public_key(81)))));
    EXPECT_EQ(admitted(statements(chain, chain.add(public_key(82)))), "");
}

// Goal: who has written all that is allowed can still get in and delete, and nothing else.
TEST_F(quotas_test, beyond_the_bytes_only_what_needs_no_room_is_written)
{
    const auto session = session_of(browser_, "one");
    ASSERT_TRUE(submit(machine_wish(browser_, "one")));
    allowed_.bytes = 900;
    for (const auto& refused :
         {admitted(session_wish(browser_, "three")), admitted(message_wish(browser_, session, {{"x", {}}}))})
        EXPECT_TRUE(refused.contains("written")) << refused;
    EXPECT_EQ(admitted(about<delete_session>(browser_, session)), "");
    EXPECT_EQ(admitted(about<remove_machine>(browser_, "one")), "");
    delete_account all;
    all.who = browser_;
    EXPECT_EQ(admitted(std::move(all)), "");
    sign_out out;
    out.who = browser_;
    EXPECT_EQ(admitted(std::move(out)), "");
    allowed_.devices = 10;
    EXPECT_EQ(admitted(statements(account(1), account(1).add(public_key(81)))), "");
}

TEST_F(quotas_test, what_was_written_stays_counted)
{
    const auto before = session_of(browser_, "one");
    ASSERT_TRUE(submit(about<delete_session>(browser_, before)));
    allowed_.bytes = log_.head().value * limits::record_bytes_counted;
    EXPECT_NE(admitted(session_wish(browser_, "two")), "");
    ++allowed_.bytes;
    EXPECT_EQ(admitted(session_wish(browser_, "two")), "");
}
