// What a session is asked to do.
#include "agent/session_fixture.hpp"
#include <fstream>

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::testing;
namespace json = boost::json;

namespace
{

constexpr auto refuses_a_mode = "expect \"subtype\":\"set_permission_mode\"\n"
                                R"(send {"type":"control_response","response":{"subtype":"error",)"
                                R"("request_id":"$REQUEST_ID","error":"not this one"}})"
                                "\n";
std::string sets_a_mode(const std::string& mode)
{
    return "expect \"subtype\":\"set_permission_mode\"\n"
           R"(send {"type":"control_response","response":{"subtype":"success","request_id":"$REQUEST_ID","response":{"mode":")" +
           mode + "\"}}}\n";
}
constexpr auto done_in_that_mode = "expect carefully\n"
                                   R"(send {"type":"result","subtype":"success","is_error":false,"result":"done"})"
                                   "\nend\nexit 0\n";

} // namespace

TEST_F(session, learns_from_another_device_what_the_relay_keeps_from_it)
{
    start(std::string(initialized) + "expect from the phone\nend\nexit 0\n");
    auto& socket = online();
    a_page phone{page.account, sid, session_key};
    phone.until = clock.now() + 600'000;
    deliver(socket, phone.prompt("from the phone").bundle);
    ASSERT_TRUE(run_until(io, [&] { return state.contains("held") && !state.at("held").as_array().empty(); }));
    EXPECT_EQ(state.at("held").at(0).at("why"), "device");
    EXPECT_EQ(told("prompt-held").size(), 1u);
    const auto reads = devices.reads;

    devices.handed_over[phone.device.public_key()] = {device_kind::browser, false, "a phone"};
    const json::object d{{"statements", json::array{base64_encode(bytes(3, 1))}}};
    const auto bare = e2ee::call_text({text_at(begin(socket), "challenge"), d});
    const auto answer =
        answer_to(socket, "devices", page.bundle(random_array<16>(), view(bare), "rpc-request:devices"));
    const auto plain = json::parse(text(open("rpc-response:devices", answer)));
    EXPECT_EQ(plain, json::value(d)) << "all that it keeps";
    EXPECT_TRUE(says("held back"));
    EXPECT_TRUE(says("prompt-taken"));
    EXPECT_EQ(devices.reads, reads);
    ASSERT_TRUE(run_until(io, [&] { return state.at("held").as_array().empty(); }));
}

TEST_F(session, judges_nothing_before_it_has_read_who_belongs_to_the_account)
{
    devices.unreadable = error{errc::unavailable, "not now", std::nullopt};
    start(std::string(initialized) + "expect hello\nend\nexit 0\n");
    auto& socket = online();
    prompt(socket, "hello");
    EXPECT_FALSE(run_until(io, [&] { return !told("prompt-taken").empty(); }, std::chrono::seconds(1)));
    EXPECT_EQ(text_at(call(socket, "set-mode", json::object{{"mode", "plan"}}), "code"), "unavailable");
    devices.unreadable.reset();
    EXPECT_TRUE(says("prompt-taken"));
}

TEST_F(session, a_person_decides_on_what_is_held)
{
    start(std::string(initialized) + "expect first\nend\nexit 0\n");
    auto& socket = online();
    page.until = clock.now() - 1;
    const auto first = page.prompt("first");
    deliver(socket, first.bundle);
    ASSERT_TRUE(run_until(io, [&] { return state.contains("held") && state.at("held").as_array().size() == 1; }));
    EXPECT_EQ(text_at(call(socket, "held", json::object{{"id", "?"}, {"run", true}}), "code"), "not-found");
    EXPECT_EQ(text_at(call(socket, "held", json::object{{"id", first.name()}}), "code"), "bad-request");
    EXPECT_EQ(call(socket, "held", json::object{{"id", first.name()}, {"run", true}}), json::object());
    EXPECT_TRUE(says("prompt-taken"));
    const json::object back{{"id", first.name()}, {"from", page.sender.from()}, {"n", 1}};
    EXPECT_EQ(text_at(call(socket, "take-back", back), "code"), "conflict") << "too late";
}

TEST_F(session, stop_names_the_end_that_its_caller_has_seen)
{
    start(
        std::string(initialized) +
        "expect long work\n"
        R"(send {"type":"command_lifecycle","command_uuid":"$UUID","state":"started"})"
        "\n"
        R"(send {"type":"system","subtype":"session_state_changed","state":"running"})"
        "\nexpect behind it\nexpect cancel_async_message\n"
        R"(send {"type":"control_response","response":{"subtype":"success","request_id":"$REQUEST_ID","response":{"cancelled":true}}})"
        "\nexpect interrupt\n"
        R"(send {"type":"control_response","response":{"subtype":"success","request_id":"$REQUEST_ID","response":{}}})"
        "\n"
        R"(send {"type":"system","subtype":"session_state_changed","state":"idle"})"
        "\nend\nexit 0\n");
    auto& socket = online();
    EXPECT_TRUE(begin(socket).contains("challenge"));
    prompt(socket, "long work");
    const auto behind = prompt(socket, "behind it");
    ASSERT_TRUE(run_until(io, [&] { return told("prompt-taken").size() == 2; }));
    const auto stopped = call(socket, "abort", json::object());
    ASSERT_TRUE(run_until(io, [&] { return !told("ready").empty(); }));
    // The bundle that says so is the one that was named.
    bool found = false;
    for (const auto& each : relay.messages())
        found =
            found || base64_encode(*e2ee::bundle_claimed_id(*base64_decode(each.bundle))) == text_at(stopped, "end");
    EXPECT_TRUE(found);
    ASSERT_TRUE(run_until(io, [&] { return state.at("held").as_array().size() == 1; }));
    EXPECT_EQ(state.at("held").at(0).at("id"), json::value(behind.name()));
    EXPECT_EQ(state.at("held").at(0).at("why"), "stopped");
    EXPECT_EQ(call(socket, "abort", json::object()), stopped) << "no turn is running: the last end";
}

TEST_F(session, under_another_log_it_says_anew_where_it_stands)
{
    start(
        std::string(initialized) + "expect hello\n"
                                   R"(send {"type":"system","subtype":"session_state_changed","state":"running"})"
                                   "\n"
                                   R"(send {"type":"system","subtype":"session_state_changed","state":"idle"})"
                                   "\nend\nexit 0\n");
    auto& socket = online();
    prompt(socket, "hello");
    ASSERT_TRUE(run_until(io, [&] { return told("ready").size() == 1; }));
    ASSERT_TRUE(run_until(io, [&] { return number_at(begin(socket), "v") == number_at(state, "v"); }));
    const auto before = number_at(state, "v");
    const auto refused = told("prompt-refused").size();
    socket.say("caught-up", json::object{{"log", "01890a5d-ac96-774b-bcce-b302099a80ff"}, {"revision", 1}});
    EXPECT_TRUE(run_until(io, [&] { return number_at(state, "v") > before; }));
    EXPECT_TRUE(run_until(io, [&] { return told("ready").size() == 2; }));
    EXPECT_EQ(told("prompt-refused").size(), refused) << "what is met again is no replay";
}

// Goal: under a log that was set back to a copy of itself, and kept its id, new prompts have numbers that the agent has
// looked at. They run all the same, and the agent says anew where it stands.
TEST_F(session, under_a_log_that_was_set_back_new_prompts_run)
{
    start(
        std::string(initialized) + "expect hello\n"
                                   R"(send {"type":"system","subtype":"session_state_changed","state":"running"})"
                                   "\n"
                                   R"(send {"type":"system","subtype":"session_state_changed","state":"idle"})"
                                   "\nexpect written afterwards\nend\nexit 0\n");
    auto& socket = online();
    prompt(socket, "hello");
    ASSERT_TRUE(run_until(io, [&] { return told("ready").size() == 1; }));
    for (int i = 0; i < 3; ++i)
    {
        const auto id = random_array<16>();
        deliver(socket, page.bundle(id, byte_view(id), "message"));
    }
    const auto before = number_at(state, "v");
    relay.lose_last(3);
    prompt(socket, "written afterwards");
    EXPECT_TRUE(run_until(io, [&] { return told("prompt-taken").size() == 2; }));
    EXPECT_TRUE(run_until(io, [&] { return number_at(state, "v") > before; }));
    EXPECT_TRUE(told("prompt-refused").empty()) << "what is met again is no replay";
}

TEST_F(session, says_what_it_refused)
{
    start(std::string(initialized) + "end\nexit 0\n");
    auto& socket = online();
    socket.say(
        "update",
        json::object{
            {"seq", 10},
            {"body", json::object{
                         {"t", "new-message"},
                         {"sid", sid},
                         {"message",
                          json::object{
                              {"seq", 50},
                              {"content", json::object{{"t", "encrypted"}, {"c", base64_encode(bytes(80, 1))}}}}}}}});
    EXPECT_TRUE(says("prompt-refused"));
    EXPECT_TRUE(says("unauthentic"));
}

// Goal: rubbish of a relay fills neither the disk nor the history, and a prompt of a person among it runs.
TEST_F(session, rubbish_of_the_relay_is_told_a_bounded_number_of_times)
{
    start(
        std::string(initialized) + "expect hello\n"
                                   R"(send {"type":"result","subtype":"success","is_error":false,"result":"heard"})"
                                   "\nend\nexit 0\n");
    // Of our version, so that each has an id of its own.
    const auto rubbish = []
    {
        auto bundle = random_array<80>();
        bundle[0] = 1;
        return base64_encode(bundle);
    };
    auto& socket = online();
    ASSERT_TRUE(run_until(io, [&] { return devices.reads > 0; }));
    for (int i = 0; i < 100; ++i)
        deliver(socket, rubbish());
    // Each of a hundred is opened, told and acknowledged, and a loaded machine with checks compiled in is slow.
    constexpr auto long_time = std::chrono::seconds(90);
    const bool all =
        run_until(io, [&] { return told("prompt-refused").size() == limits::told_at_once_max; }, long_time);
    ASSERT_TRUE(all) << told("prompt-refused").size() << " of " << said().size();
    for (int i = 0; i < 100; ++i)
        socket.say("caught-up", json::object{{"log", i % 2 == 0 ? sid : log_name}, {"revision", 1}});
    prompt(socket, "hello");
    EXPECT_TRUE(says("heard", long_time));
    EXPECT_EQ(told("prompt-refused").size(), limits::told_at_once_max);
    EXPECT_LE(said().size(), 2 * limits::told_at_once_max);
    spans.advance(std::chrono::minutes(2));
    deliver(socket, rubbish());
    EXPECT_TRUE(says("more prompts were not run", long_time));
}

// Goal: no prompt runs in a mode that it was not written for. Method: Claude refuses, then goes elsewhere, then obeys.
TEST_F(session, a_prompt_waits_until_claude_is_in_its_mode)
{
    start(
        std::string(initialized) + refuses_a_mode + sets_a_mode("acceptEdits") + sets_a_mode("plan") +
        done_in_that_mode);
    auto& socket = online();
    auto d = a_page::ask("carefully");
    d.at("meta").as_object()["permissionMode"] = "plan";
    page.until = clock.now() + 600'000;
    deliver(socket, page.say(d).bundle);
    EXPECT_TRUE(says("A prompt waits: Claude Code does not go to permission mode plan (not this one)"));
    EXPECT_TRUE(says("done"));
    EXPECT_EQ(told("message").size(), 1u) << "said once";
    EXPECT_EQ(text_at(state, "mode"), "plan");
}

TEST_F(session, one_that_waits_for_its_mode_can_be_taken_back)
{
    std::string refusals;
    for (int i = 0; i < 20; ++i)
        refusals += refuses_a_mode;
    start(std::string(initialized) + refusals + "end\nexit 0\n");
    auto& socket = online();
    auto d = a_page::ask("carefully");
    d.at("meta").as_object()["permissionMode"] = "plan";
    page.until = clock.now() + 600'000;
    const auto sealed = page.say(d);
    deliver(socket, sealed.bundle);
    ASSERT_TRUE(says("A prompt waits"));
    EXPECT_EQ(
        call(socket, "take-back", {{"id", sealed.name()}, {"from", page.sender.from()}, {"n", sealed.n}}),
        json::object());
    EXPECT_TRUE(told("prompt-taken").empty());
}

TEST_F(session, a_resumed_session_runs_nothing_in_another_mode_than_it_was_in)
{
    interrupted_with("carefully");
    {
        auto held = session_folder::open(store, "tag").error();
        EXPECT_EQ(held, errc::locked);
        folder->record().mode = "plan";
        ASSERT_TRUE(folder->save());
    }
    start(
        "argument --resume\nargument conversation\n" + std::string(initialized) + refuses_a_mode + refuses_a_mode +
            sets_a_mode("plan") + done_in_that_mode,
        /*resumed=*/true);
    online();
    EXPECT_TRUE(says("does not go to permission mode plan"));
    EXPECT_TRUE(says("done"));
}

TEST_F(session, what_a_person_lets_run_late_says_which_mode_it_runs_in)
{
    start(std::string(initialized) + done_in_that_mode);
    auto& socket = online();
    auto d = a_page::ask("carefully");
    d.at("meta").as_object()["permissionMode"] = "plan";
    page.until = clock.now() - 1;
    const auto late = page.say(d);
    deliver(socket, late.bundle);
    ASSERT_TRUE(run_until(io, [&] { return !told("prompt-held").empty(); }));
    EXPECT_EQ(call(socket, "held", {{"id", late.name()}, {"run", true}}), json::object());
    EXPECT_TRUE(says("it runs in default"));
}

TEST_F(session, a_prompt_that_claude_had_not_begun_is_handed_over_after_a_restart)
{
    interrupted_with("left behind");
    start(
        "argument --resume\nargument conversation\n" + std::string(initialized) +
            "expect left behind\n"
            R"(send {"type":"result","subtype":"success","is_error":false,"result":"done after all"})"
            "\nend\nexit 0\n",
        /*resumed=*/true);
    online();
    EXPECT_TRUE(says("done after all"));
}

TEST_F(session, a_prompt_that_claude_wrote_down_but_did_not_answer_is_taken_back_before_it_is_given_again)
{
    const auto uuid = interrupted_with("left behind");
    const auto transcript = place.path() / ".claude/projects/-here/conversation.jsonl";
    std::filesystem::create_directories(transcript.parent_path());
    const std::string before = R"({"type":"queue-operation","operation":"enqueue"})"
                               "\n";
    std::ofstream(transcript) << before << R"({"type":"user","isSidechain":false,"uuid":")" << uuid << "\"}\n";
    start(
        "argument --resume\nargument conversation\n" + std::string(initialized) + "expect " + uuid +
            "\n"
            R"(send {"type":"result","subtype":"success","is_error":false,"result":"done after all"})"
            "\nend\nexit 0\n",
        /*resumed=*/true);
    online();
    EXPECT_TRUE(says("done after all"));
    std::ifstream left(transcript);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(left), {}), before);
}
