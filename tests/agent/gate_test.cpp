#include "agent/a_page.hpp"
#include "agent/fake_directory.hpp"
#include "agent/fresh_directory.hpp"
#include "consortium/common/limits.hpp"
#include "e2ee/run_of.hpp"
#include "session/prompt_gate.hpp"
#include <algorithm>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::testing;
using namespace std::chrono_literals;
namespace json = boost::json;

namespace
{

const auto session_key = key_of(0x80);
const account_id account{run_of<16>(0x10)};
constexpr auto sid = "20212223-2425-2627-2829-2a2b2c2d2e2f";
constexpr unix_millis start_time = 1'700'000'000'000;

class gate : public ::testing::Test
{
protected:
    gate()
    {
        devices.add(dashboard.device.public_key());
        fresh(dashboard);
    }
    void fresh(a_page& page) const { page.until = clock.now() + 600'000; }
    a_page another_page() const
    {
        a_page out{account, sid, session_key};
        fresh(out);
        return out;
    }

    struct outcome
    {
        std::vector<std::string> ran;
        std::vector<prompt_refusal> refused;
        std::vector<prompt_hold> held;
        std::optional<history_break> broken;
    };
    /// What it lets Claude have, one after the other.
    void run_all(outcome& out)
    {
        while (const auto next = door->first_to_run())
        {
            ASSERT_TRUE(door->hand_over(next->uuid));
            out.ran.push_back(next->text);
            door->done(next->uuid);
        }
    }
    static void add(outcome& out, const gate_news& news)
    {
        out.refused.insert(out.refused.end(), news.refused.begin(), news.refused.end());
        out.held.insert(out.held.end(), news.held.begin(), news.held.end());
        if (news.broken)
            out.broken = news.broken;
    }
    outcome judge()
    {
        outcome out;
        add(out, door->judge());
        run_all(out);
        return out;
    }
    outcome look(const std::string& bundle)
    {
        outcome out;
        add(out, door->look_at(bundle, ++seq));
        add(out, door->judge());
        run_all(out);
        return out;
    }
    outcome look(const a_page::sealed& prompt) { return look(prompt.bundle); }
    std::string refusal(const std::string& bundle)
    {
        const auto out = look(bundle);
        EXPECT_TRUE(out.ran.empty());
        return out.refused.empty() ? "" : out.refused.front().reason;
    }
    std::string refusal(const a_page::sealed& prompt) { return refusal(prompt.bundle); }
    std::string held(const a_page::sealed& prompt)
    {
        const auto out = look(prompt);
        EXPECT_TRUE(out.ran.empty());
        EXPECT_TRUE(out.refused.empty());
        return out.held.empty() ? "" : std::string(word(out.held.front().why));
    }
    bool runs(const a_page::sealed& prompt) { return !look(prompt).ran.empty(); }

    /// A turn has ended; the id of the bundle that says so.
    e2ee::bundle_id turn_ends()
    {
        const auto id = door->end_turn();
        folder->note_said(id);
        door->end_said();
        return id;
    }
    e2ee::bundle_id agent_says()
    {
        const auto id = random_array<16>();
        folder->note_said(id);
        return id;
    }
    void reopen()
    {
        door.reset();
        folder.reset();
        folder.emplace(session_folder::open(store, "t", at).value());
        door.emplace(*folder, account, devices, clock, spans);
    }
    static session_record record()
    {
        session_record out;
        out.tag = "t";
        out.session_id = sid;
        out.data_key = session_key;
        return out;
    }

    fresh_directory place;
    keystore store = keystore::open(place.path()).value();
    manual_clock clock{start_time};
    manual_boot_clock spans;
    fake_directory devices;
    crash_point at;
    std::optional<session_folder> folder = session_folder::create(store, record()).value();
    std::optional<prompt_gate> door = prompt_gate(*folder, account, devices, clock, spans);
    std::int64_t seq = 0;
    a_page dashboard{account, sid, session_key};
};

} // namespace

// ------------------------------------------------------------------------------------------------------- the numbers

TEST_F(gate, lets_each_prompt_in_once)
{
    const auto prompt = dashboard.prompt("hello");
    (void)door->look_at(prompt.bundle, ++seq);
    EXPECT_FALSE(door->first_to_run()) << "nothing runs that was not judged";
    EXPECT_TRUE(door->judge().held.empty());
    const auto first = door->first_to_run().value();
    EXPECT_EQ(first.text, "hello");
    EXPECT_EQ(first.uuid.size(), 36u);
    EXPECT_EQ(first.uuid[14], '4');
    door->done(first.uuid);
    EXPECT_EQ(refusal(prompt), "replay");
    reopen();
    EXPECT_EQ(refusal(prompt), "replay") << "a restart forgets nothing";
    EXPECT_TRUE(runs(dashboard.prompt("next")));
}

TEST_F(gate, is_blind_to_what_it_has_looked_at)
{
    const auto bundle = dashboard.prompt("hello").bundle;
    (void)door->look_at(bundle, 1);
    EXPECT_TRUE(door->look_at(bundle, 1).refused.empty());
}

TEST_F(gate, reads_mode_and_model)
{
    auto d = a_page::ask("hello");
    d.at("meta").as_object()["permissionMode"] = "plan";
    d.at("meta").as_object()["model"] = "opus";
    (void)door->look_at(dashboard.say(d).bundle, ++seq);
    (void)door->judge();
    EXPECT_EQ(door->first_to_run()->mode, "plan");
    EXPECT_EQ(door->first_to_run()->model, "opus");
}

TEST_F(gate, messages_are_no_prompts)
{
    const auto id = random_array<16>();
    const auto words = e2ee::envelope_text(dashboard.sender.next(id, 1, a_page::ask("reflected")));
    const auto out = look(dashboard.bundle(id, view(words), "message"));
    EXPECT_TRUE(out.ran.empty());
    EXPECT_TRUE(out.refused.empty());
}

TEST_F(gate, what_is_not_authentic_is_refused_and_said_once)
{
    auto changed = *base64_decode(dashboard.prompt("x").bundle);
    changed.back() ^= 1;
    EXPECT_EQ(refusal(base64_encode(changed)), "unauthentic");
    reopen();
    EXPECT_TRUE(door->look_at(base64_encode(changed), seq).refused.empty()) << "already said";
    EXPECT_EQ(refusal("not base64"), "unauthentic");
    EXPECT_EQ(refusal(""), "unauthentic");
    auto elsewhere = another_page();
    elsewhere.session = "another";
    EXPECT_EQ(refusal(elsewhere.prompt("x")), "unauthentic");
    const auto id = random_array<16>();
    const auto text = e2ee::prompt_text({another_page().sender.next(id, 1, a_page::ask("x")), std::nullopt, 1});
    EXPECT_EQ(refusal(dashboard.bundle(id, view(text))), "unauthentic") << "unsigned, as in the first edition";
    EXPECT_EQ(refusal(base64_encode(e2ee::bundle_v0_seal(session_key, random_array<12>(), view(text)))), "unauthentic");
}

TEST_F(gate, a_signature_counts_for_one_bundle_of_one_session)
{
    const auto one = dashboard.prompt("x");
    const auto plain =
        e2ee::bundle_open(session_key, {to_string(account), sid, "prompt"}, *base64_decode(one.bundle)).value().plain;
    EXPECT_EQ(refusal(dashboard.bundle(random_array<16>(), plain)), "unauthentic") << "another bundle";
    const auto act = e2ee::sign_act(dashboard.device, {account, "another", "prompt", one.id}, "{}");
    EXPECT_EQ(refusal(dashboard.bundle(one.id, view(e2ee::act_plain(act)))), "unauthentic") << "another session";
    EXPECT_TRUE(runs(one)) << "its number did not count as come";
}

TEST_F(gate, what_follows_a_gap_waits_for_what_is_missing)
{
    const auto first = dashboard.prompt("first");
    const auto second = dashboard.prompt("second");
    const auto third = dashboard.prompt("third");
    const auto too_early = look(third);
    EXPECT_EQ(too_early.refused.at(0).reason, "gap");
    EXPECT_EQ(too_early.broken->expected, "1");
    EXPECT_EQ(too_early.broken->got, "3");
    EXPECT_EQ(refusal(second), "gap");
    reopen();
    EXPECT_EQ(look(first).ran, (std::vector<std::string>{"first", "second", "third"})) << "a restart forgets nothing";
    EXPECT_EQ(refusal(second), "replay");
}

TEST_F(gate, a_chain_with_another_predecessor_is_broken)
{
    ASSERT_TRUE(runs(dashboard.prompt("first")));
    const e2ee::envelope forked{1, dashboard.sender.from(), 2, random_array<16>(), a_page::ask("forked")};
    EXPECT_EQ(refusal(dashboard.seal(random_array<16>(), forked)), "bad chain");
    EXPECT_TRUE(runs(dashboard.prompt("second")));
}

TEST_F(gate, an_authentic_prompt_of_unknown_form_does_nothing)
{
    EXPECT_EQ(refusal(dashboard.carry(random_array<16>(), "{}")), "malformed");
    EXPECT_EQ(refusal(dashboard.carry(random_array<16>(), "")), "malformed");
    EXPECT_EQ(refusal(dashboard.say(json::object{{"role", "agent"}})), "malformed");
    EXPECT_TRUE(runs(dashboard.prompt("next"))) << "the sender goes on";
}

// Goal: a prompt that nobody can read holds up none of those behind it. Method: texts that are no prompt, or no JSON at
// all, each in its place of the sender's chain.
TEST_F(gate, a_prompt_that_cannot_be_read_is_answered_and_keeps_its_place)
{
    ASSERT_TRUE(runs(dashboard.prompt("first")));
    const auto unreadable = [&](const std::string& instead_of_d)
    {
        const auto id = random_array<16>();
        const auto words = dashboard.sender.next(id, 1, nullptr);
        auto text = json::serialize(
            json::object{{"at", 1}, {"from", words.from}, {"n", words.n}, {"prev", base64_encode(*words.prev)}});
        text.pop_back();
        return dashboard.carry(id, text + instead_of_d);
    };
    EXPECT_EQ(refusal(unreadable("}")), "malformed") << "without anything in it";
    EXPECT_EQ(refusal(unreadable(R"(,"d":{"role":"user")")), "malformed") << "torn";
    EXPECT_EQ(refusal(unreadable(R"(,"d":[1,]})")), "malformed");
    const auto late = unreadable(",\"d\":{{{\"from\":\"x\"");
    const auto next = dashboard.prompt("next");
    EXPECT_EQ(refusal(next), "gap");
    EXPECT_EQ(look(late).ran, std::vector<std::string>{"next"});
    EXPECT_TRUE(runs(dashboard.prompt("after it")));
    const auto early = unreadable(R"(,"d":{"torn":")");
    const auto missing = dashboard.prompt("nothing is missing");
    EXPECT_EQ(refusal(missing), "gap");
    EXPECT_EQ(look(early).ran, std::vector<std::string>{"nothing is missing"});
}

TEST_F(gate, carelessly_written_prompts_are_read)
{
    const auto id = random_array<16>();
    auto words = dashboard.sender.next(id, 1, a_page::ask("half a smile: HERE"));
    auto text = e2ee::prompt_text({std::move(words), std::nullopt, dashboard.until});
    text.replace(text.find("HERE"), 4, "\\ud83d \\x \x01");
    EXPECT_EQ(look(dashboard.carry(id, text)).ran, std::vector<std::string>{"half a smile: \ufffd \\x \x01"});
    EXPECT_TRUE(runs(dashboard.prompt("next")));
}

TEST_F(gate, what_claude_had_not_finished_is_handed_over_again_after_a_crash)
{
    const auto one = dashboard.prompt("done");
    const auto two = dashboard.prompt("not done");
    (void)door->look_at(one.bundle, ++seq);
    (void)door->look_at(two.bundle, ++seq);
    (void)door->judge();
    const auto first = door->first_to_run().value();
    ASSERT_TRUE(door->hand_over(first.uuid));
    const auto second = door->first_to_run().value();
    ASSERT_TRUE(door->hand_over(second.uuid));
    EXPECT_FALSE(door->first_to_run());
    door->done(first.uuid);
    reopen();
    EXPECT_EQ(uuids_in_hand(*folder), std::set{second.uuid});
    EXPECT_EQ(door->first_to_run()->text, "not done");
    EXPECT_EQ(door->first_to_run()->uuid, second.uuid) << "Claude recognises it if it had begun after all";
    door->done(second.uuid);
    reopen();
    EXPECT_FALSE(door->first_to_run());
}

// Goal: nothing runs that cannot be remembered.
TEST_F(gate, a_prompt_is_not_let_in_when_it_cannot_be_written_down)
{
    const auto prompt = dashboard.prompt("hello");
    std::filesystem::remove_all(place.path());
    EXPECT_EQ(refusal(prompt), "storage");
}

// Goal: whatever is dropped, repeated and reordered, what runs is a prefix of what was said, in order, once.
RC_GTEST_FIXTURE_PROP(gate, what_runs_is_a_prefix, ())
{
    std::vector<std::string> bundles;
    for (int i = 0; i < 6; ++i)
        bundles.push_back(dashboard.prompt(std::to_string(i)).bundle);
    std::vector<std::string> ran;
    for (const auto index : *rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(0, 6)))
    {
        for (const auto& each : look(bundles[index]).ran)
            ran.push_back(each);
    }
    for (std::size_t i = 0; i < ran.size(); ++i)
        RC_ASSERT(ran[i] == std::to_string(i));
}

// -------------------------------------------------------------------------------------------------------- who wrote it

TEST_F(gate, an_agent_or_a_revoked_browser_is_refused_and_its_number_has_come)
{
    auto former = another_page();
    devices.add(former.device.public_key());
    devices.revoke(former.device.public_key());
    EXPECT_EQ(refusal(former.prompt("x")), "device");
    auto agent = another_page();
    devices.add(agent.device.public_key(), device_kind::agent);
    const auto one = agent.prompt("x");
    EXPECT_EQ(refusal(one), "device");
    EXPECT_EQ(refusal(one), "replay");
    EXPECT_EQ(refusal(agent.prompt("y")), "device") << "no gap";
}

TEST_F(gate, an_unknown_device_s_prompt_is_held_and_runs_once_the_chain_names_it)
{
    auto phone = another_page();
    const auto one = phone.prompt("one");
    EXPECT_EQ(held(one), "device");
    EXPECT_EQ(held(phone.prompt("two")), "") << "waits behind it";
    EXPECT_TRUE(runs(dashboard.prompt("mine"))) << "others never wait";
    reopen();
    EXPECT_TRUE(judge().ran.empty());
    devices.add(phone.device.public_key());
    EXPECT_EQ(judge().ran, (std::vector<std::string>{"one", "two"}));
    EXPECT_TRUE(door->held_to_json().empty());
}

TEST_F(gate, what_the_chain_names_late_is_judged_with_the_time_of_then)
{
    auto phone = another_page();
    EXPECT_EQ(held(phone.prompt("one")), "device");
    clock.advance(std::chrono::hours(24 * 300));
    devices.add(phone.device.public_key());
    const auto out = judge();
    EXPECT_TRUE(out.ran.empty());
    ASSERT_EQ(out.held.size(), 1u);
    EXPECT_EQ(out.held[0].why, hold_reason::until);
}

TEST_F(gate, what_was_accepted_is_held_when_its_device_is_revoked_before_claude_has_it)
{
    const auto prompt = dashboard.prompt("hello");
    (void)door->look_at(prompt.bundle, ++seq);
    (void)door->judge();
    ASSERT_TRUE(door->first_to_run());
    reopen(); // offline for a week
    devices.revoke(dashboard.device.public_key());
    const auto out = judge();
    EXPECT_TRUE(out.ran.empty());
    ASSERT_EQ(out.held.size(), 1u);
    EXPECT_EQ(out.held[0].why, hold_reason::device);
    EXPECT_TRUE(judge().held.empty()) << "said once";
}

// ---------------------------------------------------------------------------------------------------------------- time

TEST_F(gate, a_prompt_of_300_days_is_held)
{
    dashboard.until = start_time - 1;
    const auto old = dashboard.prompt("x");
    EXPECT_EQ(held(old), "until");
    auto other = another_page();
    devices.add(other.device.public_key());
    other.until = start_time + std::chrono::milliseconds(26h).count();
    EXPECT_EQ(held(other.prompt("x")), "until") << "or one that would be good for ever";
}

TEST_F(gate, is_good_until_then_however_long_the_agent_slept)
{
    dashboard.until = start_time + std::chrono::milliseconds(8h).count();
    clock.advance(7h);
    EXPECT_TRUE(runs(dashboard.prompt("x")));
}

TEST_F(gate, is_judged_with_the_time_at_which_it_came)
{
    const auto prompt = dashboard.prompt("x");
    (void)door->look_at(prompt.bundle, ++seq);
    clock.advance(24h); // the chain could not be read
    reopen();
    EXPECT_EQ(judge().ran, std::vector<std::string>{"x"});
}

TEST_F(gate, behind_one_held_for_its_time_the_same_sender_waits)
{
    dashboard.until = start_time - 1;
    const auto old = dashboard.prompt("old");
    EXPECT_EQ(held(old), "until");
    fresh(dashboard);
    EXPECT_EQ(held(dashboard.prompt("new")), "");
    EXPECT_EQ(door->held_to_json().size(), 1u);
    ASSERT_TRUE(door->decide(old.name(), true));
    EXPECT_EQ(judge().ran, (std::vector<std::string>{"old", "new"}));
}

// ---------------------------------------------------------------------------------------------------- what was not
// seen

TEST_F(gate, before_the_first_turn_nothing_need_be_seen)
{
    EXPECT_TRUE(runs(dashboard.prompt("x")));
}

TEST_F(gate, who_answers_a_turn_without_having_seen_a_later_one_is_asked)
{
    dashboard.seen = turn_ends();
    const auto stale = dashboard.prompt("yes, do that");
    (void)turn_ends();
    spans.advance(61s);
    EXPECT_EQ(held(stale), "unseen");
    auto fresh_page = another_page();
    devices.add(fresh_page.device.public_key());
    fresh_page.seen = turn_ends();
    spans.advance(2h);
    EXPECT_TRUE(runs(fresh_page.prompt("x"))) << "the end was seen, however long ago";
    fresh_page.seen = agent_says();
    EXPECT_TRUE(runs(fresh_page.prompt("y"))) << "so was what came after it";
}

TEST_F(gate, an_end_of_just_now_need_not_be_seen)
{
    (void)turn_ends();
    spans.advance(5s);
    EXPECT_TRUE(runs(dashboard.prompt("x")));
    spans.reboot();
    EXPECT_EQ(held(dashboard.prompt("y")), "unseen") << "one of before a reboot is long ago";
}

TEST_F(gate, an_unknown_bundle_covers_nothing)
{
    const auto earlier = agent_says();
    (void)turn_ends();
    spans.advance(61s);
    for (const auto& seen :
         {std::optional<e2ee::bundle_id>(), std::optional(random_array<16>()), std::optional(earlier)})
    {
        auto page = another_page();
        devices.add(page.device.public_key());
        page.seen = seen;
        EXPECT_EQ(held(page.prompt("x")), "unseen");
    }
}

TEST_F(gate, what_was_said_is_known_after_a_restart)
{
    (void)turn_ends();
    dashboard.seen = agent_says();
    spans.advance(1h);
    reopen();
    EXPECT_TRUE(runs(dashboard.prompt("x")));
}

// Goal: an attacker, or a slow network, cannot get an old prompt past a Stop.
TEST_F(gate, after_a_stop_only_who_saw_it_is_heard)
{
    dashboard.seen = agent_says();
    const auto older = dashboard.prompt("older");
    const auto stopped = door->stop(/*running=*/true).value();
    ASSERT_TRUE(stopped.end);
    spans.advance(2s);
    EXPECT_EQ(held(older), "stopped");
    dashboard.seen = stopped.end;
    EXPECT_TRUE(runs(dashboard.prompt("of the page that pressed")));
    dashboard.seen = agent_says();
    EXPECT_EQ(held(dashboard.prompt("before the end was said")), "stopped");
    (void)turn_ends();
    dashboard.seen = agent_says();
    EXPECT_TRUE(runs(dashboard.prompt("after it")));
}

TEST_F(gate, behind_one_held_as_unseen_each_is_judged_alone)
{
    (void)turn_ends();
    spans.advance(61s);
    EXPECT_EQ(held(dashboard.prompt("five")), "unseen");
    dashboard.seen = agent_says();
    EXPECT_TRUE(runs(dashboard.prompt("six")));
}

TEST_F(gate, the_reasons_have_an_order)
{
    auto phone = another_page();
    phone.until = start_time - 1;
    (void)door->stop(true);
    spans.advance(2h);
    EXPECT_EQ(held(phone.prompt("x")), "device");
    devices.add(phone.device.public_key());
    EXPECT_EQ(judge().held.at(0).why, hold_reason::until);
    auto tablet = another_page();
    devices.add(tablet.device.public_key());
    EXPECT_EQ(held(tablet.prompt("x")), "stopped");
    (void)turn_ends();
    (void)turn_ends();
    spans.advance(61s);
    EXPECT_EQ(held(tablet.prompt("y")), "unseen");
}

// ------------------------------------------------------------------------------------------------------------
// decisions

TEST_F(gate, a_held_one_that_a_person_lets_run_changes_no_mode)
{
    auto d = a_page::ask("late");
    d.at("meta").as_object()["permissionMode"] = "bypassPermissions";
    d.at("meta").as_object()["model"] = "opus";
    dashboard.until = start_time - 1;
    const auto prompt = dashboard.say(d);
    EXPECT_EQ(held(prompt), "until");
    EXPECT_EQ(
        door->held_to_json(), (json::array{json::object{
                                  {"id", prompt.name()},
                                  {"from", dashboard.sender.from()},
                                  {"n", 1},
                                  {"why", "until"},
                                  {"came", start_time}}}));
    ASSERT_TRUE(door->decide(prompt.name(), true));
    reopen();
    const auto late = door->first_to_run().value();
    EXPECT_EQ(late.text, "late");
    EXPECT_EQ(late.mode, "");
    EXPECT_EQ(late.model, "");
    EXPECT_TRUE(door->held_to_json().empty());
    EXPECT_EQ(door->decide(prompt.name(), true).error(), errc::not_found);
}

TEST_F(gate, one_that_a_person_does_not_want_never_runs)
{
    dashboard.until = start_time - 1;
    const auto prompt = dashboard.prompt("x");
    EXPECT_EQ(held(prompt), "until");
    EXPECT_EQ(door->decide(prompt.name(), false)->refused.at(0).reason, "not wanted");
    EXPECT_TRUE(judge().ran.empty());
    EXPECT_EQ(refusal(prompt), "replay");
}

TEST_F(gate, at_most_so_many_are_held)
{
    (void)turn_ends();
    spans.advance(61s);
    for (std::size_t i = 0; i < limits::prompts_held_max; ++i)
        ASSERT_EQ(held(dashboard.prompt("x")), "unseen");
    EXPECT_EQ(refusal(dashboard.prompt("x")), "full");
    dashboard.seen = agent_says();
    EXPECT_TRUE(runs(dashboard.prompt("y"))) << "its number has come; what runs is not held";
}

TEST_F(gate, behind_a_held_one_only_so_many_wait)
{
    dashboard.until = start_time - 1;
    EXPECT_EQ(held(dashboard.prompt("x")), "until");
    for (std::size_t i = 0; i < limits::prompts_held_max; ++i)
        ASSERT_EQ(held(dashboard.prompt("x")), "");
    EXPECT_EQ(refusal(dashboard.prompt("x")), "full");
}

TEST_F(gate, stop_holds_what_claude_has_not_begun)
{
    const auto one = dashboard.prompt("begun");
    const auto two = dashboard.prompt("queued in Claude");
    const auto three = dashboard.prompt("waiting");
    for (const auto& each : {one, two, three})
        (void)door->look_at(each.bundle, ++seq);
    (void)door->judge();
    const auto first = door->first_to_run().value();
    ASSERT_TRUE(door->hand_over(first.uuid));
    const auto second = door->first_to_run().value();
    ASSERT_TRUE(door->hand_over(second.uuid));
    const auto third = door->first_to_run().value();

    door->given().heard(first.uuid, prompt_step::begun);
    const auto stopped = door->stop(true).value();
    EXPECT_FALSE(door->given().has_some());
    ASSERT_EQ(stopped.news.held.size(), 2u);
    EXPECT_EQ(stopped.news.held[0].why, hold_reason::stopped);
    EXPECT_FALSE(door->hand_over(third.uuid)) << "it was about to be handed over";
    reopen();
    EXPECT_FALSE(door->first_to_run()) << "not after a crash either: the one that was begun was stopped";
    EXPECT_EQ(door->last_end()->id, stopped.end);
    EXPECT_TRUE(door->last_end()->stopped);
    EXPECT_EQ(door->end_turn(), *stopped.end) << "the end that was promised is the one that is said";

    door->was_begun(second.uuid);
    EXPECT_EQ(door->held_to_json().size(), 1u);
    ASSERT_TRUE(door->decide(three.name(), true));
    EXPECT_EQ(door->first_to_run()->uuid, third.uuid);
}

TEST_F(gate, stop_with_no_turn_running_names_the_last_end)
{
    EXPECT_EQ(door->stop(false)->end, std::nullopt);
    const auto end = turn_ends();
    EXPECT_EQ(door->stop(false)->end, end);
    EXPECT_FALSE(door->last_end()->stopped);
}

// ------------------------------------------------------------------------------------------------------------ taken
// back

TEST_F(gate, what_is_taken_back_never_runs_whether_it_has_come_or_not)
{
    const auto one = dashboard.prompt("held by the relay");
    const auto two = dashboard.prompt("two");
    ASSERT_TRUE(door->take_back(one.name(), dashboard.sender.from(), 1));
    reopen();
    EXPECT_TRUE(runs(two)) << "no gap";
    EXPECT_EQ(refusal(one), "taken back");
    ASSERT_TRUE(door->take_back(one.name(), dashboard.sender.from(), 1)) << "again";

    (void)turn_ends();
    spans.advance(61s);
    const auto three = dashboard.prompt("three");
    EXPECT_EQ(held(three), "unseen");
    ASSERT_TRUE(door->take_back(three.name(), dashboard.sender.from(), 3));
    EXPECT_TRUE(door->held_to_json().empty());
    EXPECT_EQ(door->decide(three.name(), true).error(), errc::not_found);
    EXPECT_EQ(refusal(three), "taken back");
}

TEST_F(gate, too_late_once_claude_has_it)
{
    const auto one = dashboard.prompt("one");
    const auto two = dashboard.prompt("two");
    (void)door->look_at(one.bundle, ++seq);
    (void)door->look_at(two.bundle, ++seq);
    (void)door->judge();
    const auto first = door->first_to_run().value();
    ASSERT_TRUE(door->hand_over(first.uuid));
    EXPECT_EQ(door->take_back(one.name(), dashboard.sender.from(), 1).error(), errc::conflict);
    ASSERT_TRUE(door->take_back(two.name(), dashboard.sender.from(), 2));
    EXPECT_FALSE(door->first_to_run());
    door->done(first.uuid);
    EXPECT_EQ(door->take_back(one.name(), dashboard.sender.from(), 1).error(), errc::conflict) << "it ran";
}

TEST_F(gate, behind_a_gap_too_a_number_counts_as_come)
{
    const auto one = dashboard.prompt("one");
    const auto two = dashboard.prompt("two");
    const auto three = dashboard.prompt("three");
    EXPECT_EQ(refusal(two), "gap");
    EXPECT_EQ(refusal(three), "gap");
    ASSERT_TRUE(door->take_back(two.name(), dashboard.sender.from(), 2));
    reopen();
    EXPECT_EQ(look(one).ran, (std::vector<std::string>{"one", "three"}));
}

TEST_F(gate, taking_back_names_a_prompt_and_has_a_bound)
{
    EXPECT_EQ(door->take_back("??", dashboard.sender.from(), 1).error(), errc::bad_request);
    EXPECT_EQ(door->take_back(dashboard.prompt("x").name(), "", 1).error(), errc::bad_request);
    EXPECT_EQ(door->take_back(dashboard.prompt("x").name(), dashboard.sender.from(), 0).error(), errc::bad_request);
    for (std::size_t i = 0; i < limits::prompts_held_max; ++i)
        ASSERT_TRUE(door->take_back(base64_encode(random_array<16>()), std::string(32, 'a'), i + 2));
    EXPECT_EQ(door->take_back(base64_encode(random_array<16>()), std::string(32, 'a'), 100).error(), errc::overloaded);
}

// -------------------------------------------------------------------------------------------------------------- the
// log

TEST_F(gate, under_another_log_all_is_read_anew_and_numbers_alone_count)
{
    EXPECT_FALSE(door->reads_log("L"));
    const auto one = dashboard.prompt("one");
    const auto two = dashboard.prompt("two");
    ASSERT_TRUE(runs(one));
    ASSERT_TRUE(runs(two));
    EXPECT_FALSE(door->reads_log("L"));
    reopen();
    EXPECT_TRUE(door->reads_log("another"));
    EXPECT_EQ(door->last_seq(), 0);
    seq = 0;
    const auto again = look(one);
    EXPECT_TRUE(again.ran.empty());
    EXPECT_TRUE(again.refused.empty()) << "known; nobody lied";
    EXPECT_TRUE(runs(dashboard.prompt("three"))) << "the restored log lacks the second, the agent does not";
    door->has_read_all();
    EXPECT_EQ(refusal(two), "replay");
}

TEST_F(gate, where_the_log_was_set_back_its_messages_are_read_anew)
{
    const auto one = dashboard.prompt("one");
    const auto two = dashboard.prompt("two");
    ASSERT_TRUE(runs(one));
    ASSERT_TRUE(runs(two));
    EXPECT_TRUE(door->remembers(two.bundle, 2));
    EXPECT_FALSE(door->remembers(one.bundle, 2)) << "another message under that number";
    EXPECT_FALSE(door->remembers(two.bundle, 1));
    const auto id = random_array<16>();
    const auto no_prompt = dashboard.bundle(id, byte_view(id), "message");
    (void)look(no_prompt);
    EXPECT_TRUE(door->remembers(no_prompt, 3));
    EXPECT_FALSE(door->remembers(two.bundle, 2));
    reopen();
    EXPECT_TRUE(door->remembers(two.bundle, 2) || door->remembers(no_prompt, 3)) << "kept together, number and message";

    door->reads_anew();
    EXPECT_EQ(door->last_seq(), 0);
    reopen();
    EXPECT_EQ(door->last_seq(), 0) << "also after a crash";
    seq = 0;
    EXPECT_TRUE(look(one).refused.empty()) << "known; nobody lied";
    EXPECT_TRUE(runs(dashboard.prompt("three"))) << "the relay lost the second, the agent did not";
    door->has_read_all();
    EXPECT_EQ(refusal(two), "replay");
}

// ----------------------------------------------------------------------------------------------------------- the
// crashes

namespace
{
struct crash
{
};
} // namespace

// Goal: the same outcome whether the agent runs on or dies at any step of a prompt's way and starts again. Method: it
// dies at the n-th step of writing, for every n; then the relay shows all messages again, and the person repeats what
// was not answered. Claude knows the uuids that it had.
TEST_F(gate, dying_at_any_step_changes_no_outcome)
{
    const auto end = run_of<16>(0x60);
    const turn_end last{end, spans.now(), false, true};
    spans.advance(61s);
    auto phone = another_page();
    const auto unseen = dashboard.prompt("unseen");
    dashboard.seen = end;
    const auto good = dashboard.prompt("good");
    const auto gone = dashboard.prompt("taken back");
    const auto after = dashboard.prompt("after");
    const auto unknown = phone.prompt("unknown");

    int steps_left = 0;
    at = [&steps_left](std::string_view)
    {
        if (steps_left-- == 0)
            throw crash();
    };
    std::set<std::string> ran;
    const auto whole_way = [&]
    {
        ASSERT_TRUE(door->take_back(gone.name(), dashboard.sender.from(), gone.n));
        std::int64_t number = 0;
        for (const auto& each : {unseen, good, gone, after, unknown})
            (void)door->look_at(each.bundle, ++number);
        (void)door->judge();
        while (const auto next = door->first_to_run())
        {
            ASSERT_TRUE(door->hand_over(next->uuid));
            ran.insert(next->text);
            door->done(next->uuid);
        }
    };
    for (int step = 0;; ++step)
    {
        door.reset();
        folder.reset();
        std::filesystem::remove_all(store.sessions() / "t");
        folder.emplace(session_folder::create(store, record()).value());
        folder->prompts().end = last;
        ASSERT_TRUE(folder->save_prompts());
        folder->note_said(end);
        reopen();
        ran.clear();

        steps_left = step;
        bool died = false;
        try
        {
            whole_way();
        }
        catch (const crash&)
        {
            died = true;
            steps_left = -1;
            reopen();
            whole_way();
        }
        EXPECT_EQ(ran, (std::set<std::string>{"good", "after"})) << "died at step " << step;
        const auto held = door->held_to_json();
        ASSERT_EQ(held.size(), 2u) << "died at step " << step;
        EXPECT_EQ(held[0].at("why"), "unseen");
        EXPECT_EQ(held[1].at("why"), "device");
        if (!died)
        {
            EXPECT_GT(step, 20) << "there are that many at least";
            return;
        }
        ASSERT_LT(step, 1000);
    }
}
