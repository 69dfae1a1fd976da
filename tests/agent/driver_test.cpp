#include "agent/run.hpp"
#include "drivers/claude/locate.hpp"
#include "drivers/claude_pipe.hpp"
#include <array>
#include <boost/json.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::claude;
using namespace consortium::agent::testing;
namespace json = boost::json;

namespace
{

struct heard : driver_events
{
    std::vector<said> lines;
    std::vector<question> questions;
    std::vector<std::string> unknown;
    std::vector<std::string> voided;
    std::vector<bool> busy;
    std::vector<std::pair<std::string, prompt_step>> prompts;
    std::string session_id;
    std::string mode;
    std::string model;
    int partials = 0;
    std::vector<std::string> unreadable;
    std::vector<std::vector<background_task>> background;

    void on_said(said what) override { lines.push_back(std::move(what)); }
    void on_unreadable(std::string_view line) override { unreadable.emplace_back(line); }
    void on_partial() override { ++partials; }
    void on_background(std::vector<background_task> tasks) override { background.push_back(std::move(tasks)); }
    void on_question(question asked) override { questions.push_back(std::move(asked)); }
    void on_unknown_request(const std::string& subtype) override { unknown.push_back(subtype); }
    void on_question_end(const std::string& id) override { voided.push_back(id); }
    void on_busy(bool value) override { busy.push_back(value); }
    void on_prompt(const std::string& uuid, prompt_step step) override { prompts.emplace_back(uuid, step); }
    void on_conversation(const std::string& id) override { session_id = id; }
    void on_mode(const std::string& value) override { mode = value; }
    void on_model(const std::string& value) override { model = value; }
    void on_title(const std::string&) override {}
};

constexpr auto initialized =
    "expect \"subtype\":\"initialize\"\n"
    R"(send {"type":"control_response","response":{"subtype":"success","request_id":"$REQUEST_ID","response":{"current_permission_mode":"default"}}})"
    "\n";

class claude_driver : public ::testing::Test
{
protected:
    asio::awaitable<bool> ends(process_identity process)
    {
        co_await end_process(io.get_executor(), process);
        co_return true;
    }
    void SetUp() override
    {
        std::string pattern = (std::filesystem::temp_directory_path() / "consortium-driver-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        directory = pattern;
    }
    void TearDown() override { std::filesystem::remove_all(directory); }

    result<void> start(const std::string& script)
    {
        std::ofstream(directory / "script") << script;
        driver_options options;
        options.child = {FAKE_CLAUDE, {"-p"}, {"FAKE_CLAUDE_SCRIPT=" + (directory / "script").string()}, directory};
        return run(io, claude->start(std::move(options)));
    }
    child_exit finish()
    {
        claude->close();
        return run(io, claude->ended());
    }

    std::filesystem::path directory;
    boost::asio::io_context io;
    heard events;
    std::shared_ptr<pipe_driver> claude = pipe_driver::make(io.get_executor(), events);
};

} // namespace

TEST_F(claude_driver, starts_when_the_child_answers_and_ends_with_its_input)
{
    ASSERT_TRUE(start(std::string(initialized) + "end\nexit 0\n"));
    EXPECT_EQ(events.mode, "default");
    EXPECT_GT(claude->pid(), 0);
    EXPECT_TRUE(finish().good());
}

TEST_F(claude_driver, tells_in_the_childs_words_why_it_did_not_start)
{
    const auto failed = start("error Error: Session ID is already in use.\nexit 1\n");
    ASSERT_EQ(failed.error(), errc::closed);
    EXPECT_EQ(failed.error().detail, "Claude Code ended with status 1:\nError: Session ID is already in use.");
}

TEST_F(claude_driver, tells_what_a_last_result_said)
{
    const auto failed =
        start(R"(send {"type":"result","is_error":true,"errors":["No conversation found with session ID: x"]})"
              "\nexit 1\n");
    ASSERT_EQ(failed.error(), errc::closed);
    EXPECT_NE(failed.error().detail.find("No conversation found"), std::string::npos);
}

TEST_F(claude_driver, a_missing_program_is_said_so)
{
    driver_options options;
    options.child = {directory / "none", {}, {}, directory};
    EXPECT_EQ(run(io, claude->start(std::move(options))).error(), errc::not_found);
}

TEST_F(claude_driver, hands_on_a_whole_turn)
{
    ASSERT_TRUE(start(
        std::string(initialized) +
        "expect \"uuid\":\"u1\"\n"
        R"(send {"type":"command_lifecycle","command_uuid":"$UUID","state":"started"})"
        "\n"
        R"(send {"type":"system","subtype":"session_state_changed","state":"running"})"
        "\n"
        R"(send {"type":"system","subtype":"init","session_id":"s1","model":"opus","permissionMode":"plan"})"
        "\n"
        R"(send {"type":"system","subtype":"thinking_tokens","tokens":5})"
        "\n"
        R"(send {"type":"stream_event","event":{"type":"message_start","message":{"id":"m1"}},"parent_tool_use_id":null})"
        "\n"
        R"(send {"type":"stream_event","event":{"type":"content_block_start","index":0,"content_block":{"type":"text"}},"parent_tool_use_id":null})"
        "\n"
        R"(send {"type":"stream_event","event":{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}},"parent_tool_use_id":null})"
        "\n"
        R"(send {"type":"stream_event","event":{"type":"content_block_start","index":0},"parent_tool_use_id":"toolu_other"})"
        "\n"
        "expect \"subtype\":\"get_status\"\n"
        R"(send {"type":"control_response","response":{"subtype":"success","request_id":"$REQUEST_ID"}})"
        "\n"
        R"(send {"type":"assistant","message":{"id":"m1","content":[{"type":"text","text":"Hello"}]},"parent_tool_use_id":null})"
        "\n"
        R"(send {"type":"user","isReplay":true,"message":{"content":"not again"}})"
        "\n"
        R"(send {"type":"something_new","x":1})"
        "\n"
        "send not json at all\n"
        R"(send {"type":"result","subtype":"success","is_error":false})"
        "\n"
        R"(send {"type":"command_lifecycle","command_uuid":"u1","state":"completed"})"
        "\n"
        R"(send {"type":"system","subtype":"session_state_changed","state":"idle"})"
        "\n"
        "end\nexit 0\n"));
    claude->prompt("u1", "hello");
    ASSERT_TRUE(run_until(io, [&] { return events.partials > 0; }));
    const auto partial = claude->take_partial();
    ASSERT_EQ(partial.size(), 1u);
    EXPECT_EQ(partial[0].block, "m1:0");
    EXPECT_EQ(partial[0].text, "Hel");
    ASSERT_TRUE(run(io, claude->control("get_status")));
    ASSERT_TRUE(run_until(io, [&] { return events.busy.size() == 2; }));
    EXPECT_EQ(events.busy, (std::vector<bool>{true, false}));
    ASSERT_EQ(events.lines.size(), 5u);
    EXPECT_EQ(events.lines[0].line.at("subtype"), "init");
    EXPECT_EQ(events.lines[1].line.at("subtype"), "thinking_tokens");
    EXPECT_EQ(events.lines[2].block, "m1:0");
    EXPECT_EQ(events.lines[3].line.at("type"), "something_new");
    EXPECT_EQ(events.lines[4].line.at("type"), "result");
    EXPECT_EQ(events.unreadable, std::vector<std::string>{"not json at all"});
    EXPECT_EQ(events.session_id, "s1");
    EXPECT_EQ(events.model, "opus");
    EXPECT_EQ(events.mode, "plan");
    EXPECT_EQ(
        events.prompts,
        (std::vector<std::pair<std::string, prompt_step>>{{"u1", prompt_step::begun}, {"u1", prompt_step::done}}));
    EXPECT_TRUE(finish().good());
}

// Goal: a line that nobody can read is handed on as it is, and nothing waits for it. Method: a question, an answer and
// the end of a turn, each torn.
TEST_F(claude_driver, an_unreadable_line_is_told_and_holds_nothing_up)
{
    ASSERT_TRUE(start(
        std::string(initialized) +
        R"(send {"type":"system","subtype":"session_state_changed","state":"running"})"
        "\n"
        R"(send {"type":"control_request","request_id":"q1","request":{"subtype":"can_use_tool","input":{"a":)"
        "\n"
        "expect \"request_id\":\"q1\"\n"
        "expect \"subtype\":\"get_status\"\n"
        R"(send {"type":"control_response","response":{"subtype":"success","request_id":"$REQUEST_ID","response":{)"
        "\n"
        R"(send {"type":"result","subtype":"success","is_error":false,)"
        "\n"
        R"(send {"type":"system","subtype":"session_state_changed","state":"idle",)"
        "\n"
        "end\nexit 0\n"));
    ASSERT_TRUE(run_until(io, [&] { return events.unreadable.size() == 1; })) << "and the question is refused";
    EXPECT_EQ(run(io, claude->control("get_status")).error(), errc::bad_request);
    EXPECT_TRUE(run_until(io, [&] { return events.busy.size() == 2; }));
    EXPECT_EQ(events.busy, (std::vector<bool>{true, false}));
    EXPECT_EQ(events.unreadable.size(), 4u);
    EXPECT_TRUE(finish().good()) << "the question was answered";
}

// Goal: what careless writers do to a line loses none. Method: a question and an answer that are no strict JSON.
TEST_F(claude_driver, lines_that_are_not_strictly_json_are_read)
{
    ASSERT_TRUE(start(
        std::string(initialized) +
        R"(send {"type":"assistant","message":{"id":"m1","content":[{"type":"text","text":"half: \ud83d, 1: )"
        "\xff\x01"
        R"("}]},"n":1e999,"deep":)" +
        std::string(3000, '[') + std::string(3000, ']') +
        "}\n"
        R"(send {"type":"control_request","request_id":"q1","request":{"subtype":"can_use_tool","tool_name":"Bash","input":{"command":"touch \ud83d"},"tool_use_id":"t1"}})"
        "\n"
        "end\nexit 0\n"));
    ASSERT_TRUE(run_until(io, [&] { return !events.questions.empty(); }));
    ASSERT_EQ(events.lines.size(), 1u);
    EXPECT_EQ(events.lines[0].line.at("message").at("content").at(0).at("text"), "half: \ufffd, 1: \ufffd\x01");
    EXPECT_EQ(events.questions[0].arguments.at("command"), "touch \ufffd");
    EXPECT_TRUE(events.unreadable.empty());
    EXPECT_TRUE(finish().good());
}

// Goal: every line is handed on but what is told in another way. What only says how far something has come is not
// handed on each time.
TEST_F(claude_driver, hands_on_every_kind_of_line)
{
    std::string script = initialized;
    for (
        const auto* line :
        {R"({"type":"conversation_reset","new_conversation_id":"n"})",
         R"({"type":"rate_limit_event","rate_limit_info":{"status":"allowed_warning"}})",
         R"({"type":"system","subtype":"status","status":"requesting"})",
         R"({"type":"system","subtype":"status","status":"compacting"})",
         R"({"type":"system","subtype":"status","status":null,"compact_result":"success"})",
         R"({"type":"system","subtype":"status","status":null,"permissionMode":"plan"})",
         R"({"type":"system","subtype":"hook_response","hook_name":"h","output":"o"})",
         R"({"type":"system","subtype":"of_tomorrow"})", R"({"type":"tool_progress","tool_use_id":"a"})",
         R"({"type":"tool_progress","tool_use_id":"a"})", R"({"type":"tool_progress","tool_use_id":"b"})",
         R"({"type":"user","isReplay":true,"message":{"content":"an echo"}})",
         R"({"type":"user","isReplay":true,"message":{"content":"<local-command-stdout>Compacted</local-command-stdout>"}})",
         R"({"type":"keep_alive"})",
         R"({"type":"system","subtype":"background_tasks_changed","tasks":[{"task_id":"b1","task_type":"local_bash","description":"Serve"},7]})"})
        script += std::string("send ") + line + "\n";
    ASSERT_TRUE(start(script + "end\nexit 0\n"));
    ASSERT_TRUE(run_until(io, [&] { return !events.background.empty(); }));
    std::vector<std::string> kinds;
    for (const auto& each : events.lines)
        kinds.emplace_back(each.line.at(each.line.at("type") == "system" ? "subtype" : "type").as_string());
    EXPECT_EQ(
        kinds, (std::vector<std::string>{
                   "conversation_reset", "rate_limit_event", "status", "status", "hook_response", "of_tomorrow",
                   "tool_progress", "tool_progress", "user"}));
    ASSERT_EQ(events.background[0].size(), 1u);
    EXPECT_EQ(events.background[0][0].id, "b1");
    EXPECT_EQ(events.background[0][0].what, "Serve");
    EXPECT_TRUE(events.unreadable.empty());
    EXPECT_TRUE(finish().good());
}

// Goal: no turn runs while a subagent works on in the background, whatever Claude Code calls that; another one may.
TEST_F(claude_driver, is_not_busy_while_only_the_background_is)
{
    const auto state = [](const char* word)
    { return std::string(R"(send {"type":"system","subtype":"session_state_changed","state":")") + word + "\"}\n"; };
    const auto tasks = [](const char* list)
    { return std::string(R"(send {"type":"system","subtype":"background_tasks_changed","tasks":)") + list + "}\n"; };
    const std::string begins = "send {\"type\":\"system\",\"subtype\":\"init\",\"session_id\":\"s\"}\n";
    const std::string ends = "send {\"type\":\"result\",\"subtype\":\"success\"}\n";
    const std::string helper = R"([{"task_id":"a","task_type":"local_agent","description":"Look around"}])";
    // A turn that leaves a subagent, another one beside it, and the one in which it is told of its end.
    ASSERT_TRUE(start(
        initialized + state("running") + begins + tasks(helper.c_str()) + ends + state("requires_action") +
        state("running") + begins + ends + tasks("[]") + begins + ends + state("idle") + begins + "end\nexit 0\n"));
    ASSERT_TRUE(run_until(io, [&] { return events.lines.size() == 7; }));
    EXPECT_EQ(events.busy, (std::vector<bool>{true, false, true, false, true, false}));
    EXPECT_FALSE(claude->busy());
    EXPECT_TRUE(finish().good());
}

TEST_F(claude_driver, asks_and_answers_permissions_and_drops_void_ones)
{
    ASSERT_TRUE(start(
        std::string(initialized) +
        R"(send {"type":"control_request","request_id":"q1","request":{"subtype":"can_use_tool","tool_name":"Bash","input":{"command":"x"},"tool_use_id":"t1"}})"
        "\n"
        R"(send {"type":"control_request","request_id":"q2","request":{"subtype":"something_new"}})"
        "\n"
        "expect \"subtype\":\"error\"\n"
        R"(send {"type":"control_cancel_request","request_id":"q9"})"
        "\n"
        "expect \"behavior\":\"allow\"\n"
        "end\nexit 0\n"));
    ASSERT_TRUE(run_until(io, [&] { return !events.voided.empty(); }));
    ASSERT_EQ(events.questions.size(), 1u);
    EXPECT_EQ(events.questions[0].id(), "t1");
    EXPECT_EQ(events.voided, std::vector<std::string>{"q9"});
    claude->answer("q1", R"({"behavior":"allow"})");
    EXPECT_TRUE(finish().good());
}

// Goal: the bytes of an input go from Claude to the person and back as they are. Method: numbers that Boost writes
// otherwise; the answer breaks its line where a person's text did, and is one line for Claude.
TEST_F(claude_driver, gives_an_input_back_to_the_last_digit)
{
    const std::string input = R"({"a":0.30000000000000004441,"b":12345678901234567890.123,"c":1.0e2})";
    ASSERT_TRUE(start(
        std::string(initialized) +
        R"(send {"type":"control_request","request_id":"q1","request":{"subtype":"can_use_tool","tool_name":"T","input":)" +
        input +
        "}}\n"
        "expect \"updatedInput\":" +
        input +
        "\n"
        "expect \"request_id\":\"q2\",\"response\":{ }\n"
        "end\nexit 0\n"));
    ASSERT_TRUE(run_until(io, [&] { return !events.questions.empty(); }));
    const auto& asked = events.questions[0];
    const auto ask = make_ask(asked, std::string(32, 'a'), "/p");
    EXPECT_NE(ask.find("\"arguments\":" + input), std::string::npos) << ask;
    verdict yes;
    yes.made = decision::approved;
    claude->answer("q1", answer_to(asked.kind, ask, yes).value());
    claude->answer("q2", "{\n}");
    EXPECT_TRUE(finish().good());
}

TEST_F(claude_driver, stop_cancels_what_is_queued_first)
{
    ASSERT_TRUE(start(
        std::string(initialized) +
        "expect \"uuid\":\"u1\"\n"
        R"(send {"type":"command_lifecycle","command_uuid":"u1","state":"started"})"
        "\n"
        "expect \"uuid\":\"u2\"\n"
        R"(send {"type":"command_lifecycle","command_uuid":"u2","state":"queued"})"
        "\n"
        "expect \"message_uuid\":\"u2\"\n"
        R"(send {"type":"control_response","response":{"subtype":"success","request_id":"$REQUEST_ID","response":{"cancelled":true}}})"
        "\n"
        "expect \"subtype\":\"interrupt\"\n"
        R"(send {"type":"control_response","response":{"subtype":"success","request_id":"$REQUEST_ID","response":{"still_queued":[]}}})"
        "\n"
        "end\nexit 1\n"));
    claude->prompt("u1", "first");
    claude->prompt("u2", "second");
    ASSERT_TRUE(run_until(io, [&] { return events.prompts.size() == 2; }));
    EXPECT_EQ(run(io, claude->stop_turn({"u2"})), std::vector<std::string>());
    EXPECT_EQ(events.prompts.back(), std::pair(std::string("u2"), prompt_step::dropped));
    EXPECT_EQ(finish().code, 1);
}

TEST_F(claude_driver, a_refused_request_comes_back_in_claudes_words)
{
    ASSERT_TRUE(start(
        std::string(initialized) + "expect set_permission_mode\n" +
        R"(send {"type":"control_response","response":{"subtype":"error","request_id":"$REQUEST_ID","error":"no such mode"}})"
        "\nend\nexit 0\n"));
    const auto refused = run(io, claude->control("set_permission_mode", {{"mode", "x"}}));
    ASSERT_EQ(refused.error(), errc::bad_request);
    EXPECT_EQ(refused.error().detail, "no such mode");
    EXPECT_TRUE(finish().good());
}

TEST_F(claude_driver, lines_may_be_long)
{
    ASSERT_TRUE(start(std::string(initialized) + "large 3000000\nend\nexit 0\n"));
    ASSERT_TRUE(run_until(io, [&] { return !events.lines.empty(); }));
    EXPECT_EQ(events.lines[0].line.at("message").at("content").at(0).at("text").as_string().size(), 3'000'000u);
    EXPECT_TRUE(finish().good());
}

TEST_F(claude_driver, whoever_waits_is_told_when_the_child_dies)
{
    ASSERT_TRUE(start(std::string(initialized) + "expect never_answered\nerror it broke\nexit 3\n"));
    EXPECT_EQ(run(io, claude->control("never_answered")).error(), errc::closed);
    const auto exit = run(io, claude->ended());
    EXPECT_EQ(exit.code, 3);
    EXPECT_EQ(exit.text(), "status 3");
    EXPECT_EQ(claude->last_words(), "it broke");
}

// Goal: a Claude whose agent was killed does not go on unwatched.
TEST_F(claude_driver, the_child_ends_with_its_agent)
{
    std::ofstream(directory / "script") << "end\nexit 0\n";
    std::array<int, 2> told{};
    ASSERT_EQ(::pipe(told.data()), 0);
    const pid_t agent = ::fork();
    if (agent == 0)
    {
        boost::asio::io_context own;
        auto child = child_process::spawn(
            own.get_executor(),
            {FAKE_CLAUDE, {}, {"FAKE_CLAUDE_SCRIPT=" + (directory / "script").string()}, directory});
        const pid_t pid = child ? (*child)->pid() : 0;
        (void)!::write(told[1], &pid, sizeof pid);
        ::pause();
        ::_exit(0);
    }
    pid_t child = 0;
    ASSERT_EQ(::read(told[0], &child, sizeof child), static_cast<ssize_t>(sizeof child));
    const auto known = identify_process(child);
    ASSERT_TRUE(known);
    EXPECT_TRUE(is_running(*known));
    ::kill(agent, SIGKILL);
    ::waitpid(agent, nullptr, 0);
    EXPECT_TRUE(run_until(io, [&] { return !is_running(*known); }, std::chrono::seconds(10)));
}

TEST_F(claude_driver, a_killed_child_is_reported_as_such)
{
    ASSERT_TRUE(start(std::string(initialized) + "end\nexit 0\n"));
    const auto known = identify_process(claude->pid());
    ASSERT_TRUE(known);
    EXPECT_TRUE(is_running(*known));
    claude->kill();
    const auto exit = run(io, claude->ended());
    EXPECT_EQ(exit.signal, SIGKILL);
    EXPECT_FALSE(is_running(*known));
}

TEST_F(claude_driver, a_child_runs_only_once_it_is_remembered)
{
    // It would leave a mark as soon as it runs.
    const auto options = [this](result<void> verdict)
    {
        return child_options{
            "/bin/sh",
            {"-c", "echo ran > mark"},
            {},
            directory,
            [verdict](const process_identity&) { return verdict; }};
    };
    const auto refused = child_process::spawn(io.get_executor(), options(fail(errc::io, "no room")));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().detail, "no room");
    EXPECT_FALSE(std::filesystem::exists(directory / "mark"));

    auto child = child_process::spawn(io.get_executor(), options({})).value();
    EXPECT_TRUE(run(io, child->wait()).good());
    EXPECT_TRUE(std::filesystem::exists(directory / "mark"));
}

TEST_F(claude_driver, what_a_crash_left_is_ended_for_certain)
{
    std::optional<process_identity> known;
    auto child = child_process::spawn(
                     io.get_executor(), {"/bin/sh",
                                         {"-c", "while :; do sleep 1; done"},
                                         {},
                                         directory,
                                         [&](const process_identity& it)
                                         {
                                             known = it;
                                             return result<void>();
                                         }})
                     .value();
    ASSERT_TRUE(known);
    EXPECT_EQ(known->pid, child->pid());
    auto another = *known;
    another.started += 1;
    EXPECT_TRUE(run(io, ends(another)));
    EXPECT_TRUE(will_go_on(*known));
    EXPECT_FALSE(will_go_on(another));
    EXPECT_TRUE(is_running(*known)) << "another process under the same number is left alone";
    EXPECT_TRUE(run(io, ends(*known)));
    EXPECT_FALSE(is_running(*known));
    EXPECT_FALSE(will_go_on(*known)) << "it is a zombie by now";
    EXPECT_EQ(run(io, child->wait()).signal, SIGKILL);
    EXPECT_TRUE(run(io, ends(*known))) << "gone already";
}
