#include "agent/fresh_directory.hpp"
#include "consortium/common/base64.hpp"
#include "e2ee/run_of.hpp"
#include "prompt_gate.hpp"
#include "rpc_guard.hpp"
#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::testing;
namespace json = boost::json;

namespace
{

const auto session_key = key_of(0x80);

json::value ask(const std::string& text)
{
    return {{"role", "user"}, {"content", {{"type", "text"}, {"text", text}}}, {"meta", {{"sentFrom", "web"}}}};
}

std::string seal(byte_view plain, const e2ee::bundle_id& id, const std::string& kind, const std::string& sid = "sid")
{
    return base64_encode(e2ee::bundle_seal(session_key, {"acc", sid, kind}, id, plain).value());
}

/// A page of the dashboard.
struct page
{
    e2ee::chain_sender sender;
    std::string prompt(const std::string& text, const std::string& kind = "prompt")
    {
        const auto id = random_array<16>();
        return seal(view(e2ee::envelope_text(sender.next(id, 1, ask(text)))), id, kind);
    }
};

class gate : public ::testing::Test
{
protected:
    gate_outcome look(const std::string& bundle) { return door->look_at(bundle, ++seq); }
    std::string refusal(const std::string& bundle)
    {
        const auto outcome = look(bundle);
        EXPECT_TRUE(outcome.accepted.empty());
        return outcome.refused ? outcome.refused->reason : "";
    }
    void reopen()
    {
        door.reset();
        folder.reset();
        folder.emplace(session_folder::open(store, "t").value());
        door.emplace(*folder, session_key, "acc", "sid");
    }
    static session_record record()
    {
        session_record out;
        out.tag = "t";
        out.session_id = "sid";
        out.data_key = session_key;
        return out;
    }

    fresh_directory place;
    keystore store = keystore::open(place.path()).value();
    std::optional<session_folder> folder = session_folder::create(store, record()).value();
    std::optional<prompt_gate> door = prompt_gate(*folder, session_key, "acc", "sid");
    std::int64_t seq = 0;
    page dashboard;
};

} // namespace

TEST_F(gate, lets_each_prompt_in_once)
{
    const auto bundle = dashboard.prompt("hello");
    const auto outcome = look(bundle);
    ASSERT_EQ(outcome.accepted.size(), 1u);
    EXPECT_EQ(outcome.accepted[0].text, "hello");
    EXPECT_EQ(outcome.accepted[0].uuid.size(), 36u);
    EXPECT_EQ(outcome.accepted[0].uuid[14], '4');
    EXPECT_EQ(refusal(bundle), "replay");
    reopen();
    EXPECT_EQ(refusal(bundle), "replay") << "a restart forgets nothing";
    EXPECT_EQ(look(dashboard.prompt("next")).accepted.size(), 1u);
}

TEST_F(gate, is_blind_to_what_it_has_looked_at)
{
    const auto bundle = dashboard.prompt("hello");
    ASSERT_EQ(door->look_at(bundle, 1).accepted.size(), 1u);
    const auto again = door->look_at(bundle, 1);
    EXPECT_TRUE(again.accepted.empty());
    EXPECT_FALSE(again.refused);
}

TEST_F(gate, reads_mode_and_model)
{
    auto d = ask("hello");
    d.at("meta").as_object()["permissionMode"] = "plan";
    d.at("meta").as_object()["model"] = "opus";
    const auto id = random_array<16>();
    const auto outcome = look(seal(view(e2ee::envelope_text(dashboard.sender.next(id, 1, d))), id, "prompt"));
    ASSERT_EQ(outcome.accepted.size(), 1u);
    EXPECT_EQ(outcome.accepted[0].mode, "plan");
    EXPECT_EQ(outcome.accepted[0].model, "opus");
}

TEST_F(gate, messages_are_no_prompts)
{
    const auto outcome = look(dashboard.prompt("reflected", "message"));
    EXPECT_TRUE(outcome.accepted.empty());
    EXPECT_FALSE(outcome.refused);
}

TEST_F(gate, what_is_not_authentic_is_refused_and_said_once)
{
    auto changed = *base64_decode(dashboard.prompt("x"));
    changed.back() ^= 1;
    EXPECT_EQ(refusal(base64_encode(changed)), "unauthentic");
    reopen();
    EXPECT_FALSE(door->look_at(base64_encode(changed), seq).refused) << "already said";
    EXPECT_EQ(refusal("not base64"), "unauthentic");
    EXPECT_EQ(refusal(""), "unauthentic");
    const auto id = random_array<16>();
    const auto words = e2ee::envelope_text(page().sender.next(id, 1, ask("x")));
    EXPECT_EQ(refusal(seal(view(words), id, "prompt", "another")), "unauthentic");
    EXPECT_EQ(refusal(seal(view(words), id, "agentState")), "unauthentic");
    EXPECT_EQ(
        refusal(base64_encode(e2ee::bundle_v0_seal(session_key, random_array<12>(), view(words)))), "unauthentic");
}

TEST_F(gate, what_follows_a_gap_waits_for_what_is_missing)
{
    const auto first = dashboard.prompt("first");
    const auto second = dashboard.prompt("second");
    const auto third = dashboard.prompt("third");
    const auto too_early = look(third);
    EXPECT_EQ(too_early.refused->reason, "gap");
    EXPECT_EQ(too_early.broken->expected, "1");
    EXPECT_EQ(too_early.broken->got, "3");
    EXPECT_EQ(refusal(second), "gap");
    const auto outcome = look(first);
    ASSERT_EQ(outcome.accepted.size(), 3u);
    EXPECT_EQ(outcome.accepted[0].text, "first");
    EXPECT_EQ(outcome.accepted[1].text, "second");
    EXPECT_EQ(outcome.accepted[2].text, "third");
    EXPECT_EQ(refusal(second), "replay");
}

TEST_F(gate, a_chain_with_another_predecessor_is_broken)
{
    ASSERT_EQ(look(dashboard.prompt("first")).accepted.size(), 1u);
    const auto id = random_array<16>();
    const e2ee::envelope forked{1, dashboard.sender.from(), 2, random_array<16>(), std::nullopt, ask("forked")};
    EXPECT_EQ(refusal(seal(view(e2ee::envelope_text(forked)), id, "prompt")), "bad chain");
    EXPECT_EQ(look(dashboard.prompt("second")).accepted.size(), 1u);
}

TEST_F(gate, an_authentic_prompt_of_unknown_form_does_nothing)
{
    const auto id = random_array<16>();
    EXPECT_EQ(refusal(seal(view("{}"), id, "prompt")), "malformed");
    const auto words = e2ee::envelope_text(dashboard.sender.next(id, 1, json::object{{"role", "agent"}}));
    EXPECT_EQ(refusal(seal(view(words), id, "prompt")), "malformed");
    EXPECT_EQ(look(dashboard.prompt("next")).accepted.size(), 1u) << "the sender goes on";
}

TEST_F(gate, several_pages_do_not_disturb_each_other)
{
    page other;
    EXPECT_EQ(look(dashboard.prompt("a1")).accepted.size(), 1u);
    EXPECT_EQ(look(other.prompt("b1")).accepted.size(), 1u);
    EXPECT_EQ(look(dashboard.prompt("a2")).accepted.size(), 1u);
    EXPECT_EQ(look(other.prompt("b2")).accepted.size(), 1u);
}

TEST_F(gate, what_claude_had_not_begun_is_handed_over_again_after_a_crash)
{
    const auto one = look(dashboard.prompt("begun")).accepted.at(0);
    const auto two = look(dashboard.prompt("not begun")).accepted.at(0);
    door->done(one.uuid);
    reopen();
    auto left = door->left_in_hand();
    ASSERT_EQ(left.size(), 1u);
    EXPECT_EQ(left[0].text, "not begun");
    EXPECT_EQ(left[0].uuid, two.uuid) << "Claude recognises it if it had begun after all";
    door->done(two.uuid);
    reopen();
    EXPECT_TRUE(door->left_in_hand().empty());
}

// Goal: nothing runs that cannot be remembered.
TEST_F(gate, a_prompt_is_not_let_in_when_it_cannot_be_written_down)
{
    const auto bundle = dashboard.prompt("hello");
    std::filesystem::remove_all(place.path());
    EXPECT_EQ(refusal(bundle), "storage");
}

// Goal: whatever is dropped, repeated and reordered, what runs is a prefix of what was said, in order, once.
RC_GTEST_FIXTURE_PROP(gate, what_runs_is_a_prefix, ())
{
    std::vector<std::string> bundles;
    for (int i = 0; i < 6; ++i)
        bundles.push_back(dashboard.prompt(std::to_string(i)));
    std::vector<std::string> ran;
    for (const auto index : *rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(0, 6)))
    {
        for (const auto& each : look(bundles[index]).accepted)
            ran.push_back(each.text);
    }
    for (std::size_t i = 0; i < ran.size(); ++i)
        RC_ASSERT(ran[i] == std::to_string(i));
}

namespace
{

class rpc : public ::testing::Test
{
protected:
    std::string
    call(json::value d, const std::string& to, unix_millis at, const std::string& kind = "rpc-request:abort")
    {
        return seal(view(e2ee::directed_text({at, to, std::move(d)})), random_array<16>(), kind);
    }
    manual_clock clock{1'700'000'000'000};
    std::string me = std::string(32, 'a');
    rpc_guard guard{session_key, "acc", "sid", me, clock};
};

} // namespace

TEST_F(rpc, lets_each_request_in_once)
{
    const auto params = call(json::object{{"x", 1}}, me, clock.now());
    const auto opened = guard.open("abort", params);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->d, json::value({{"x", 1}}));
    EXPECT_EQ(rpc_guard::claimed_id(params), opened->id);
    EXPECT_EQ(guard.open("abort", params).error(), errc::conflict);
}

TEST_F(rpc, refuses_other_methods_processes_times_and_forgeries)
{
    EXPECT_EQ(guard.open("permission", call({}, me, clock.now())).error(), errc::corrupt);
    EXPECT_EQ(guard.open("abort", call({}, std::string(32, 'b'), clock.now())).error(), errc::wrong_origin);
    EXPECT_EQ(guard.open("abort", call({}, me, clock.now() - 601'000)).error(), errc::expired);
    EXPECT_EQ(guard.open("abort", call({}, me, clock.now() + 601'000)).error(), errc::expired);
    EXPECT_TRUE(guard.open("abort", call({}, me, clock.now() - 599'000)));
    EXPECT_EQ(guard.open("abort", "").error(), errc::corrupt);
    EXPECT_EQ(guard.open("abort", "????").error(), errc::corrupt);
    auto changed = *base64_decode(call({}, me, clock.now()));
    changed.back() ^= 1;
    EXPECT_EQ(guard.open("abort", base64_encode(changed)).error(), errc::corrupt);
}

TEST_F(rpc, answers_under_the_requests_id)
{
    const auto id = random_array<16>();
    const auto sealed = guard.seal("abort", id, json::object()).value();
    const auto opened =
        e2ee::bundle_open(session_key, {"acc", "sid", "rpc-response:abort"}, *base64_decode(sealed)).value();
    EXPECT_EQ(opened.id, id);
    EXPECT_EQ(text(opened.plain), "{}");
}
