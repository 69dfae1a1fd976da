#include "projections/memory_log.hpp"
#include <algorithm>

using namespace consortium;
using namespace consortium::projections;
using namespace consortium::projections::testing;

namespace
{

class sessions : public memory_log_test
{
protected:
    change_session_metadata metadata_wish(const principal& who, session_id session, revision expected, std::string text)
    {
        auto wanted = about<change_session_metadata>(who, session);
        wanted.expected = expected;
        wanted.metadata = std::move(text);
        return wanted;
    }
    change_agent_state
    state_wish(const principal& who, session_id session, revision expected, std::optional<std::string> state)
    {
        auto wanted = about<change_agent_state>(who, session);
        wanted.expected = expected;
        wanted.state = std::move(state);
        return wanted;
    }
    set_session_active active_wish(const principal& who, session_id session, bool active)
    {
        auto wanted = about<set_session_active>(who, session);
        wanted.active = active;
        return wanted;
    }
    static std::vector<session_id> ids_of(const session_page& page)
    {
        std::vector<session_id> out;
        std::ranges::transform(page.sessions, std::back_inserter(out), &session_view::id);
        return out;
    }
};

} // namespace

TEST_F(sessions, a_new_session_is_active_and_has_the_version_of_its_creation)
{
    const auto id = session_of(agent_, "tag");
    const auto session = find_session(at_, agent_.account, id).value();
    EXPECT_EQ(session.id, id);
    EXPECT_EQ(session.creator, agent_.device);
    EXPECT_EQ(session.seq, 0u);
    EXPECT_TRUE(session.active);
    EXPECT_EQ(session.created_at, log_.now);
    EXPECT_EQ(session.updated_at, log_.now);
    EXPECT_EQ(session.active_at, log_.now);
    EXPECT_EQ(session.metadata, "metadata of tag");
    EXPECT_EQ(session.metadata_version, revision{4});
    EXPECT_FALSE(session.agent_state);
    EXPECT_EQ(session.agent_state_version, revision{});
    EXPECT_EQ(session.data_key, "data key of tag");
}

TEST_F(sessions, the_same_tag_finds_the_session_untouched)
{
    const auto id = session_of(agent_, "tag");
    auto again = session_wish(agent_, "tag");
    again.metadata = "other";
    EXPECT_TRUE(log_.submit(again)->empty());
    EXPECT_FALSE(again.created);
    EXPECT_EQ(again.session, id);
    EXPECT_EQ(find_session(at_, agent_.account, id)->metadata, "metadata of tag");
}

TEST_F(sessions, the_same_tag_reopens_an_ended_session)
{
    const auto id = session_of(agent_, "tag");
    ASSERT_EQ(submit(active_wish(agent_, id, false))->size(), 1u);
    log_.now += 10;
    auto again = session_wish(agent_, "tag");
    const auto events = log_.submit(again).value();
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].header.type, log::event_type::session_resumed);
    EXPECT_FALSE(again.created);
    EXPECT_EQ(find_session(at_, agent_.account, id)->active_at, log_.now);
}

TEST_F(sessions, tags_are_of_their_account)
{
    const auto stranger = sign_in(2, 20, log::device_kind::browser);
    EXPECT_NE(session_of(stranger, "tag"), session_of(browser_, "tag"));
}

TEST_F(sessions, an_agent_cannot_take_a_session_by_its_tag)
{
    session_of(browser_, "tag");
    EXPECT_EQ(refusal(session_wish(agent_, "tag")), errc::forbidden);
}

TEST_F(sessions, tags_have_a_size)
{
    EXPECT_EQ(refusal(session_wish(browser_, "")), errc::bad_request);
    EXPECT_EQ(refusal(session_wish(browser_, std::string(limits::name_bytes_max + 1, 'x'))), errc::too_large);
}

TEST_F(sessions, a_change_of_metadata_needs_the_current_version)
{
    const auto id = session_of(agent_, "tag");
    const auto first = find_session(at_, agent_.account, id)->metadata_version;
    log_.now += 3;
    const auto events = submit(metadata_wish(agent_, id, first, "second")).value();
    ASSERT_EQ(events.size(), 1u);
    const auto session = find_session(at_, agent_.account, id).value();
    EXPECT_EQ(session.metadata, "second");
    EXPECT_EQ(session.metadata_version, events[0].header.rev);
    EXPECT_EQ(session.updated_at, log_.now);

    auto late = metadata_wish(browser_, id, first, "lost");
    EXPECT_EQ(log_.submit(late).error(), errc::version_mismatch);
    EXPECT_EQ(late.current.version, events[0].header.rev);
    EXPECT_EQ(value_at(at_, late.current.where, field::metadata).value(), "second");
}

TEST_F(sessions, the_first_state_is_written_over_version_zero)
{
    const auto id = session_of(agent_, "tag");
    auto wrong = state_wish(agent_, id, revision{1}, "state");
    EXPECT_EQ(log_.submit(wrong).error(), errc::version_mismatch);
    EXPECT_EQ(wrong.current.version, revision{});
    EXPECT_EQ(value_at(at_, wrong.current.where, field::state).value(), std::nullopt);

    const auto first = submit(state_wish(agent_, id, revision{}, "state")).value().at(0).header.rev;
    EXPECT_EQ(find_session(at_, agent_.account, id)->agent_state, "state");
    EXPECT_EQ(find_session(at_, agent_.account, id)->agent_state_version, first);
    const auto second = submit(state_wish(agent_, id, first, std::nullopt)).value().at(0).header.rev;
    EXPECT_EQ(find_session(at_, agent_.account, id)->agent_state, std::nullopt);
    EXPECT_EQ(find_session(at_, agent_.account, id)->agent_state_version, second);
}

TEST_F(sessions, ending_and_resuming_happen_once)
{
    const auto id = session_of(agent_, "tag");
    EXPECT_TRUE(submit(active_wish(agent_, id, true))->empty());
    log_.now += 7;
    EXPECT_EQ(submit(active_wish(agent_, id, false))->size(), 1u);
    EXPECT_TRUE(submit(active_wish(agent_, id, false))->empty());
    const auto brief = find_session_brief(at_, agent_.account, id).value();
    EXPECT_FALSE(brief.active);
    EXPECT_EQ(brief.active_at, log_.now);
    EXPECT_EQ(brief.creator, agent_.device);
    EXPECT_EQ(find_session(at_, agent_.account, id)->updated_at, log_.now);
}

TEST_F(sessions, the_relay_ends_a_session_without_a_device)
{
    const auto id = session_of(agent_, "tag");
    EXPECT_EQ(submit(active_wish({agent_.account, {}, log::device_kind::browser}, id, false))->size(), 1u);
}

TEST_F(sessions, agents_reach_their_own_only)
{
    const auto second_agent = sign_in(1, 12, log::device_kind::agent);
    for (const auto& owner : {browser_, agent_})
    {
        const auto id = session_of(owner, "tag of " + to_string(owner.device));
        EXPECT_EQ(refusal(metadata_wish(second_agent, id, revision{}, "x")), errc::forbidden);
        EXPECT_EQ(refusal(state_wish(second_agent, id, revision{}, "x")), errc::forbidden);
        EXPECT_EQ(refusal(active_wish(second_agent, id, false)), errc::forbidden);
        EXPECT_EQ(refusal(about<delete_session>(second_agent, id)), errc::forbidden);
        EXPECT_EQ(refusal(message_wish(second_agent, id, {{"x", {}}})), errc::forbidden);
    }
    const auto own = session_of(agent_, "own");
    EXPECT_TRUE(submit(message_wish(agent_, own, {{"x", {}}})));
    EXPECT_TRUE(submit(message_wish(browser_, own, {{"x", {}}})));
    EXPECT_TRUE(submit(about<delete_session>(agent_, own)));
}

// Goal: whatever somebody sends, another account's session answers exactly like one that does not exist.
TEST_F(sessions, sessions_of_others_are_unknown)
{
    const auto theirs = session_of(browser_, "tag");
    ASSERT_TRUE(submit(message_wish(browser_, theirs, {{"secret", "l"}})));
    const auto nowhere = new_id<session_id>();
    for (const auto kind : {log::device_kind::browser, log::device_kind::agent})
    {
        const auto who = sign_in(2, kind == log::device_kind::agent ? 20 : 21, kind);
        const auto expect_same = [&](auto wish)
        {
            EXPECT_EQ(refusal_text(wish(theirs)), refusal_text(wish(nowhere)));
            EXPECT_EQ(refusal(wish(theirs)), errc::not_found);
        };
        expect_same([&](session_id id) { return metadata_wish(who, id, revision{}, "x"); });
        expect_same([&](session_id id) { return state_wish(who, id, revision{}, "x"); });
        expect_same([&](session_id id) { return active_wish(who, id, false); });
        expect_same([&](session_id id) { return about<delete_session>(who, id); });
        expect_same([&](session_id id) { return message_wish(who, id, {{"x", "l"}}); });
        EXPECT_EQ(find_session(at_, who.account, theirs).error(), errc::not_found);
        EXPECT_EQ(find_session_brief(at_, who.account, theirs).error(), errc::not_found);
        EXPECT_EQ(messages_after(at_, who.account, theirs, 0, 10).error(), errc::not_found);
        EXPECT_TRUE(list_sessions(at_, who.account, 150)->sessions.empty());
    }
}

TEST_F(sessions, a_deleted_session_leaves_only_the_accounts_revisions)
{
    const auto rows = log_.views.row_count();
    const auto id = session_of(agent_, "tag");
    ASSERT_TRUE(submit(message_wish(agent_, id, {{"one", "l1"}, {"two", "l2"}, {"three", {}}})));
    ASSERT_TRUE(submit(state_wish(agent_, id, revision{}, "state")));
    const auto created = find_session(at_, agent_.account, id)->metadata_version;
    ASSERT_TRUE(submit(about<delete_session>(browser_, id)));

    EXPECT_EQ(log_.views.row_count(), rows); // the account's head and run of revisions were there before
    EXPECT_EQ(find_session(at_, agent_.account, id).error(), errc::not_found);
    EXPECT_EQ(messages_after(at_, agent_.account, id, 0, 10).error(), errc::not_found);
    EXPECT_EQ(refusal(message_wish(agent_, id, {{"four", {}}})), errc::not_found);
    EXPECT_EQ(refusal(about<delete_session>(browser_, id)), errc::not_found);
    const auto events = changes(at_, agent_.account, revision{created.value - 1}, 100).value();
    ASSERT_EQ(events.size(), 6u);
    for (std::size_t i = 0; i < 5; ++i)
        EXPECT_TRUE(events[i].shredded());
    EXPECT_EQ(events[5].header.type, log::event_type::session_deleted);
    EXPECT_FALSE(events[5].shredded());
}

TEST_F(sessions, deleting_a_session_says_which_revisions_it_spans)
{
    session_of(agent_, "before");
    const auto id = session_of(agent_, "tag");
    const auto created = last_revision(at_, agent_.account).value();
    session_of(browser_, "between");
    ASSERT_TRUE(submit(message_wish(agent_, id, {{"one", "l1"}, {"two", {}}})));
    auto change = about<change_session_metadata>(browser_, id);
    change.expected = created;
    change.metadata = "other";
    ASSERT_TRUE(log_.submit(change));
    auto wanted = about<delete_session>(browser_, id);
    const auto events = log_.submit(wanted).value();
    EXPECT_EQ(wanted.created, created);
    EXPECT_EQ(wanted.deleted, events.at(0).header.rev);
    EXPECT_EQ(wanted.messages, 2u);
}

TEST_F(sessions, the_tag_of_a_deleted_session_is_free_again)
{
    const auto first = session_of(agent_, "tag");
    ASSERT_TRUE(submit(about<delete_session>(agent_, first)));
    EXPECT_NE(session_of(agent_, "tag"), first);
}

TEST_F(sessions, the_list_is_newest_first_and_cut)
{
    std::vector<session_id> ids;
    for (int i = 0; i < 5; ++i)
    {
        log_.now += 1;
        ids.push_back(session_of(agent_, "tag " + std::to_string(i)));
    }
    log_.now += 1;
    ASSERT_TRUE(submit(message_wish(agent_, ids[1], {{"x", {}}})));
    const auto page = list_sessions(at_, agent_.account, 3).value();
    EXPECT_EQ(ids_of(page), (std::vector{ids[1], ids[4], ids[3]}));
    EXPECT_TRUE(page.has_more);
    EXPECT_FALSE(list_sessions(at_, agent_.account, 5)->has_more);
    const auto nothing = list_sessions(at_, agent_.account, 0).value();
    EXPECT_TRUE(nothing.sessions.empty() && nothing.has_more);
}

// Goal: sessions beyond the newest are reachable, each once, whatever is written meanwhile.
TEST_F(sessions, pages_by_id_have_every_session_once)
{
    std::vector<session_id> ids;
    for (int i = 0; i < 7; ++i)
        ids.push_back(session_of(agent_, "tag " + std::to_string(i)));
    std::ranges::sort(ids, std::greater{});
    std::vector<session_id> met;
    std::optional<session_id> before;
    for (bool more = true; more;)
    {
        const auto page = sessions_before(at_, agent_.account, before, 0, 3).value();
        ASSERT_FALSE(page.sessions.empty());
        for (const auto& one : page.sessions)
            met.push_back(one.id);
        before = page.sessions.back().id;
        more = page.has_more;
        log_.now += 1;
        ASSERT_TRUE(submit(message_wish(agent_, ids[5], {{"x", {}}})));
    }
    EXPECT_EQ(met, ids);
    EXPECT_EQ(ids_of(sessions_before(at_, agent_.account, {}, log_.now, 3).value()), std::vector{ids[5]});
    EXPECT_TRUE(sessions_before(at_, agent_.account, {}, log_.now + 1, 3)->sessions.empty());
    const auto stranger = sign_in(2, 20, log::device_kind::browser);
    EXPECT_TRUE(sessions_before(at_, stranger.account, {}, 0, 3)->sessions.empty());
}

// Goal: a list of 150 sessions whose states are as large as they may be would be 300 MiB.
TEST_F(sessions, a_list_ends_after_the_one_that_makes_it_large)
{
    for (int i = 0; i < 10; ++i)
    {
        const auto id = session_of(agent_, "tag " + std::to_string(i));
        ASSERT_TRUE(submit(state_wish(agent_, id, revision{}, std::string(limits::state_bytes_max, 'x'))));
    }
    constexpr auto fit = limits::list_bytes_max / limits::state_bytes_max;
    for (const auto& page :
         {list_sessions(at_, agent_.account, 150).value(), sessions_before(at_, agent_.account, {}, 0, 150).value()})
    {
        EXPECT_EQ(page.sessions.size(), fit);
        EXPECT_TRUE(page.has_more);
    }
}

TEST_F(sessions, sessions_of_the_same_moment_are_listed_by_id)
{
    std::vector<session_id> ids;
    for (int i = 0; i < 6; ++i)
        ids.push_back(session_of(agent_, "tag " + std::to_string(i)));
    std::ranges::sort(ids, std::greater{});
    ids.resize(4);
    EXPECT_EQ(ids_of(list_sessions(at_, agent_.account, 4).value()), ids);
}

TEST_F(sessions, a_clock_that_steps_back_moves_no_session_down)
{
    const auto id = session_of(agent_, "tag");
    const auto before = log_.now;
    log_.now -= 1000;
    ASSERT_TRUE(submit(message_wish(agent_, id, {{"x", {}}})));
    ASSERT_TRUE(submit(active_wish(agent_, id, false)));
    EXPECT_EQ(find_session(at_, agent_.account, id)->updated_at, before);
}

TEST_F(sessions, what_is_active_is_known_across_accounts)
{
    const auto stranger = sign_in(2, 20, log::device_kind::browser);
    const auto mine = session_of(agent_, "mine");
    const auto ended = session_of(agent_, "ended");
    const auto theirs = session_of(stranger, "theirs");
    ASSERT_TRUE(submit(active_wish(agent_, ended, false)));
    ASSERT_TRUE(submit(machine_wish(agent_, "machine")));
    EXPECT_EQ(list_active(at_)->size(), 2u); // a machine begins offline
    auto online = about<set_machine_online>(agent_, std::string("machine"));
    online.online = true;
    ASSERT_TRUE(log_.submit(online));

    std::set<std::string> found;
    for (const auto& thing : list_active(at_).value())
    {
        EXPECT_EQ(thing.active_at, log_.now);
        EXPECT_EQ(thing.account, thing.session == theirs ? stranger.account : agent_.account);
        found.insert(thing.session.is_nil() ? thing.machine_id : to_string(thing.session));
    }
    EXPECT_EQ(found, (std::set<std::string>{to_string(mine), to_string(theirs), "machine"}));
}
