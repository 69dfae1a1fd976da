#include "projections/random_history.hpp"
#include <algorithm>
#include <rapidcheck/gtest.h>

using namespace consortium;
using namespace consortium::projections;
using namespace consortium::projections::testing;

namespace
{

random_history lived_through()
{
    random_history history;
    history.run(*histories());
    RC_TAG(history.log.head().value < 10 ? "short" : "long");
    return history;
}

} // namespace

// Goal: what is in the batch counts as if it had been committed, and only the order of events matters.
RC_GTEST_PROP(history, any_split_into_batches_gives_the_same_views, ())
{
    auto history = lived_through();
    memory_views replayed;
    for (lsn next{1}; next <= history.log.head(); next = next.next())
    {
        rules().fold(history.log.read(next), replayed);
        if (*rc::gen::inRange(0, 3) == 0)
            replayed.commit();
    }
    RC_ASSERT(replayed.tables() == history.log.views.tables());
}

// Goal: the streams of the accounts that there are hold every record but those of deleted accounts.
RC_GTEST_PROP(history, streams_are_counted, ())
{
    const auto history = lived_through();
    const memory_snapshot at(history.log);
    stream_totals expected;
    std::set<account_id> seen;
    for (lsn next{1}; next <= history.log.head(); next = next.next())
    {
        const auto account = history.log.read(next).header.account;
        const auto found = find_account(at, account);
        if (!found)
            continue;
        ++expected.revisions;
        expected.accounts += seen.insert(account).second ? 1 : 0;
    }
    const auto counted = count_streams(at).value();
    RC_ASSERT(counted.revisions == expected.revisions);
    RC_ASSERT(counted.accounts == expected.accounts);
}

// The properties below are only as good as the histories: every type of event must occur in them.
TEST(history, random_histories_hold_every_type_of_event)
{
    std::set<log::event_type> seen;
    ASSERT_TRUE(rc::check(
        "collect",
        [&]
        {
            const auto history = lived_through();
            for (lsn next{1}; next <= history.log.head(); next = next.next())
                seen.insert(history.log.read(next).header.type);
        }));
    for (unsigned type = 1; log::is_known(static_cast<log::event_type>(type)); ++type)
        EXPECT_TRUE(seen.contains(static_cast<log::event_type>(type))) << log::name(static_cast<log::event_type>(type));
}

// Goal: replaying what is left of a log with deletions gives the views that living through it gave. Method: as above,
// but the history ends with deletions and the log has lost the bodies of whatever was deleted on the way.
RC_GTEST_PROP(history, replay_without_the_deleted_bodies_gives_the_same_views, ())
{
    auto history = lived_through();
    memory_views replayed;
    std::size_t shredded = 0;
    for (lsn next{1}; next <= history.log.head(); next = next.next())
    {
        const auto happened = history.log.read(next);
        shredded += happened.shredded() ? 1 : 0;
        rules().fold(happened, replayed);
    }
    RC_CLASSIFY(shredded > 0, "with shredded bodies");
    RC_ASSERT(replayed.tables() == history.log.views.tables());
}

RC_GTEST_PROP(history, revisions_are_contiguous_in_an_account_and_seqs_in_a_session, ())
{
    auto history = lived_through();
    std::map<account_id, std::uint64_t> revisions;
    std::map<stream_id, std::uint64_t> seqs;
    for (lsn next{1}; next <= history.log.head(); next = next.next())
    {
        const auto header = history.log.read(next).header;
        RC_ASSERT(header.rev.value == ++revisions[header.account]);
        if (header.type == log::event_type::message_appended)
            RC_ASSERT(header.seq == ++seqs[header.stream]);
        else
            RC_ASSERT(header.seq == 0u);
    }
    const memory_snapshot at(history.log);
    for (const auto& [account, last] : revisions)
        if (find_account(at, account))
        {
            RC_ASSERT(last_revision(at, account)->value == last);
            RC_ASSERT(changes(at, account, revision{}, SIZE_MAX)->size() == last);
        }
}

// Goal: a session's messages are what was appended to it, each localId once.
RC_GTEST_PROP(history, every_local_id_is_stored_once, ())
{
    auto history = lived_through();
    const memory_snapshot at(history.log);
    std::set<account_id> accounts;
    for (lsn next{1}; next <= history.log.head(); next = next.next())
        accounts.insert(history.log.read(next).header.account);
    for (const auto account : accounts)
        for (const auto& session : list_sessions(at, account, SIZE_MAX).value().sessions)
        {
            const auto page = messages_after(at, account, session.id, 0, SIZE_MAX).value();
            RC_ASSERT(page.messages.size() == session.seq);
            std::set<std::string> seen;
            for (const auto& message : page.messages)
                if (message.local_id)
                    RC_ASSERT(seen.insert(*message.local_id).second);
        }
}

// Goal: optimistic locking loses nothing. Method: several writers, each at its own pace, read the value and append
// their name to it with the version they read; whoever is refused takes the current value from the refusal and tries
// again.
RC_GTEST_PROP(history, concurrent_writers_have_one_winner_for_each_version_and_lose_no_update, ())
{
    random_history history;
    auto& log = history.log;
    auto owner = stated_account(1).sign_in(10, device_kind::browser);
    RC_ASSERT(log.submit(owner).has_value());
    const principal who{owner.found_account, owner.found_device, owner.found_kind};
    auto created = session_wish(who, "tag");
    RC_ASSERT(log.submit(created).has_value());

    struct writer
    {
        revision version;
        std::string value;
        std::size_t won = 0;
    };
    const memory_snapshot at(log);
    std::vector<writer> writers(*rc::gen::inRange<std::size_t>(2, 5));
    std::set<revision> versions;
    std::size_t wins = 0;
    for (const auto turn : *rc::gen::container<std::vector<std::uint8_t>>(rc::gen::arbitrary<std::uint8_t>()))
    {
        auto& one = writers[turn % writers.size()];
        auto wanted = about<change_agent_state>(who, created.session);
        wanted.expected = one.version;
        wanted.state = one.value + static_cast<char>('a' + turn % writers.size());
        if (const auto done = log.submit(wanted))
        {
            RC_ASSERT(done->size() == 1u);
            one.version = done->at(0).header.rev;
            one.value = *wanted.state;
            RC_ASSERT(versions.insert(one.version).second);
            ++one.won;
            ++wins;
        }
        else
        {
            RC_ASSERT(done.error() == errc::version_mismatch);
            RC_ASSERT(wanted.current.version > one.version);
            one.version = wanted.current.version;
            one.value = value_at(at, wanted.current.where, field::state)->value_or("");
        }
    }
    const auto end = find_session(at, who.account, created.session)->agent_state.value_or("");
    RC_ASSERT(end.size() == wins);
    for (std::size_t i = 0; i < writers.size(); ++i)
        RC_ASSERT(static_cast<std::size_t>(std::ranges::count(end, static_cast<char>('a' + i))) == writers[i].won);
}

// Goal: a record that no history of ours can hold stops the fold instead of giving wrong views.
TEST(history, an_impossible_event_is_refused)
{
    memory_views views;
    log::event happened;
    happened.number = {1};
    happened.header.type = log::event_type::message_appended;
    happened.header.rev = {1};
    happened.header.seq = 1;
    EXPECT_THROW(rules().fold(happened, views), log::log_failure);
    happened.header.type = log::event_type::session_deleted;
    EXPECT_THROW(rules().fold(happened, views), log::log_failure);
    happened.header.type = static_cast<log::event_type>(999);
    try
    {
        rules().fold(happened, views);
        FAIL();
    }
    catch (const log::log_failure& failure)
    {
        EXPECT_EQ(failure.reason, errc::newer_version);
    }
}

TEST(history, a_gap_in_a_session_is_refused)
{
    random_history history;
    auto owner = stated_account(1).sign_in(10, device_kind::browser);
    ASSERT_TRUE(history.log.submit(owner));
    auto created = session_wish({owner.found_account, owner.found_device, owner.found_kind}, "tag");
    ASSERT_TRUE(history.log.submit(created));
    log::event gap{
        .number = {9},
        .header =
            {.type = log::event_type::message_appended,
             .account = owner.found_account,
             .stream = created.session.as<stream_id>(),
             .rev = {4},
             .seq = 2},
        .body = {}};
    EXPECT_THROW(rules().fold(gap, history.log.views), log::log_failure);
}
