#include "consortium/common/limits.hpp"
#include "e2ee/run_of.hpp"
#include "storage/prompt_progress.hpp"
#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

using namespace consortium;
using namespace consortium::agent;

namespace
{

prompt_facts any_facts()
{
    prompt_facts out;
    out.writer = *rc::gen::element(prompt_writer::browser, prompt_writer::unknown, prompt_writer::other);
    out.came.time = *rc::gen::inRange<unix_millis>(0, unix_millis{1} << 45);
    // About now, far off, or anything at all.
    out.until = *rc::gen::oneOf(
        rc::gen::map(
            rc::gen::inRange<unix_millis>(-200'000'000, 200'000'000),
            [now = out.came.time](unix_millis ahead) { return now + ahead; }),
        rc::gen::arbitrary<unix_millis>());
    out.saw_end = *rc::gen::arbitrary<bool>();
    out.came.moment = {
        *rc::gen::element<std::string>("this boot", "another"),
        std::chrono::milliseconds(*rc::gen::inRange(0, 1'000'000))};
    return out;
}

std::optional<turn_end> any_end()
{
    if (*rc::gen::inRange(0, 4) == 0)
        return std::nullopt;
    return turn_end{
        e2ee::bundle_id{},
        {"this boot", std::chrono::milliseconds(*rc::gen::inRange(0, 1'000'000))},
        *rc::gen::arbitrary<bool>(),
        true};
}

bool in_time(const prompt_facts& facts)
{
    const auto now = static_cast<__int128>(facts.came.time);
    const auto until = static_cast<__int128>(facts.until);
    return now <= until && until <= now + std::chrono::milliseconds(limits::prompt_until_max).count();
}

} // namespace

// Goal: what runs was signed by a good browser, in time, by somebody who had seen the last turn's end, unless that was
// not by Stop and only just before; and everything of that kind runs.
RC_GTEST_PROP(prompt_rules, what_runs_and_what_does_not, ())
{
    const auto facts = any_facts();
    const auto end = any_end();
    const bool just_ended =
        end && end->at.boot == facts.came.moment.boot && facts.came.moment.at - end->at.at <= limits::unseen_end_grace;
    const bool seen = !end || facts.saw_end || (!end->stopped && just_ended);
    RC_ASSERT(judge_prompt(facts, end).runs() == (facts.writer == prompt_writer::browser && in_time(facts) && seen));
}

// Goal: of several reasons the first is named, and only what an agent or a revoked device signed is refused.
RC_GTEST_PROP(prompt_rules, the_first_reason_is_named, ())
{
    const auto facts = any_facts();
    const auto end = any_end();
    const auto verdict = judge_prompt(facts, end);
    RC_ASSERT(verdict.refused == (facts.writer == prompt_writer::other));
    if (verdict.refused)
        return;
    std::optional<hold_reason> expected;
    if (end && !facts.saw_end && !verdict.runs())
        expected = end->stopped ? hold_reason::stopped : hold_reason::unseen;
    if (!in_time(facts))
        expected = hold_reason::until;
    if (facts.writer == prompt_writer::unknown)
        expected = hold_reason::device;
    RC_ASSERT(verdict.held == expected);
}

TEST(prompt_rules, each_reason_has_its_word)
{
    for (const auto why : {hold_reason::device, hold_reason::until, hold_reason::stopped, hold_reason::unseen})
        EXPECT_EQ(hold_reason_of(word(why)), why);
    EXPECT_FALSE(hold_reason_of("because"));
}

TEST(prompt_progress, reads_back_what_it_writes)
{
    const kept_prompt kept{"aWQ=", "from", 7, "bundle", {5, {"boot", std::chrono::milliseconds(6)}}};
    prompt_progress value;
    value.log = "L";
    value.last_seq = 9;
    value.reading_anew = true;
    value.senders.set("from", {7, run_of<16>(1)});
    value.early = {kept};
    value.come = {kept, kept};
    value.held = {{kept, hold_reason::stopped}};
    value.in_hand = {{kept, true}, {kept, false}};
    value.taken_back = {{"AAAAAAAAAAAAAAAAAAAAAA==", "from", 8}};
    value.end = turn_end{run_of<16>(2), {"boot", std::chrono::milliseconds(3)}, true, false};
    const auto written = write_prompts(value);
    const auto read = read_prompts(written).value();
    EXPECT_EQ(write_prompts(read), written);
    EXPECT_EQ(read.kept_bytes(), 6 * kept.bundle.size());
    EXPECT_EQ(read.held.at(0).why, hold_reason::stopped);
    EXPECT_EQ(read.end->at.at, std::chrono::milliseconds(3));
}

// Goal: damage is never taken for "nothing came yet": that could make a prompt run twice.
TEST(prompt_progress, damage_is_not_nothing)
{
    prompt_progress value;
    value.in_hand = {{{"aWQ=", "from", 7, "bundle", {}}, false}};
    value.held = {{{"aWQ=", "from", 7, "bundle", {}}, hold_reason::unseen}};
    value.senders.set("from", {7, run_of<16>(1)});
    const auto whole = write_prompts(value);
    for (const auto* name : {"senders", "early", "come", "held", "inHand", "takenBack"})
    {
        auto damaged = whole;
        damaged.erase(name);
        EXPECT_EQ(read_prompts(damaged).error(), errc::corrupt) << name;
        damaged[name] = "x";
        EXPECT_EQ(read_prompts(damaged).error(), errc::corrupt) << name;
    }
    auto damaged = whole;
    damaged.at("held").as_array()[0].as_object()["why"] = "because";
    EXPECT_EQ(read_prompts(damaged).error(), errc::corrupt);
    damaged = whole;
    damaged.at("inHand").as_array()[0].as_object().erase("bundle");
    EXPECT_EQ(read_prompts(damaged).error(), errc::corrupt);
    damaged = whole;
    damaged["takenBack"] = boost::json::array{boost::json::object{{"id", "aWQ="}, {"from", "from"}, {"n", 8}}};
    EXPECT_EQ(read_prompts(damaged).error(), errc::corrupt) << "an id that is none";
}
