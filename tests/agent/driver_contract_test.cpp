// What every driver must do, whichever program is behind it. Method: each is put through the same scenes, played in its
// program's own words by its rig; a new driver brings a rig and passes what stands here.
#include "agent/fresh_directory.hpp"
#include "agent/run.hpp"
#include "drivers/claude_pipe.hpp"
#include <algorithm>
#include <boost/json.hpp>
#include <fstream>
#include <gtest/gtest.h>

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::testing;
namespace json = boost::json;

namespace
{

enum class scene
{
    turn,          ///< prompt "u1": thinks "Hm", calls tool Bash as "t1", which fails, says "Hello" in pieces, ends
    question,      ///< asks as "t1" whether Bash may run `make`; says "it ran" once it may, with that very command
    void_question, ///< asks the same, and takes the question back
    waiting,       ///< has begun with "u1"; when it is stopped, "u2" can be taken back and "u3" cannot
    choices,       ///< goes to mode acceptEdits when it is told to go to plan; knows no model "none"
    background,    ///< runs "b1", "Serve", in the background; stops it when told to
    rubbish,       ///< writes a line that nobody can read, then wants something that nobody knows, and goes on
    sudden_end,    ///< ends with status 3 and the words "it broke" as soon as it is asked for anything
    stays,         ///< does nothing until it is ended
};

class rig
{
public:
    virtual ~rig() = default;
    virtual std::shared_ptr<driver> start(boost::asio::io_context& io, driver_events& events, scene played) = 0;
};

class claude_pipe_rig final : public rig
{
public:
    std::shared_ptr<driver> start(boost::asio::io_context& io, driver_events& events, scene played) override
    {
        std::ofstream(place_.path() / "script") << script(played);
        const auto made = claude::pipe_driver::make(io.get_executor(), events);
        claude::driver_options options;
        options.child = {
            FAKE_CLAUDE, {"-p"}, {"FAKE_CLAUDE_SCRIPT=" + (place_.path() / "script").string()}, place_.path()};
        EXPECT_TRUE(run(io, made->start(std::move(options))));
        return made;
    }

private:
    static std::string send(const std::string& line) { return "send " + line + "\n"; }
    static std::string succeed(const std::string& with = "{}")
    {
        return send(
            R"({"type":"control_response","response":{"subtype":"success","request_id":"$REQUEST_ID","response":)" +
            with + "}}");
    }
    static std::string refuse(const std::string& why)
    {
        return send(
            R"({"type":"control_response","response":{"subtype":"error","request_id":"$REQUEST_ID","error":")" + why +
            "\"}}");
    }
    static std::string lifecycle(const std::string& uuid, const std::string& state)
    {
        return send(R"({"type":"command_lifecycle","command_uuid":")" + uuid + R"(","state":")" + state + "\"}");
    }
    static std::string turns(const std::string& state)
    {
        return send(R"({"type":"system","subtype":"session_state_changed","state":")" + state + "\"}");
    }
    static std::string stream(const std::string& event)
    {
        return send(R"({"type":"stream_event","parent_tool_use_id":null,"event":)" + event + "}");
    }
    static std::string assistant(const std::string& content, const std::string& id)
    {
        return send(
            R"({"type":"assistant","uuid":")" + id + R"(","parent_tool_use_id":null,"message":{"id":"m1","content":[)" +
            content + "]}}");
    }
    static std::string asks()
    {
        return send(
            R"({"type":"control_request","request_id":"q1","request":{"subtype":"can_use_tool","tool_name":"Bash",)"
            R"("input":{"command":"make"},"tool_use_id":"t1"}})");
    }
    static std::string script(scene played)
    {
        const auto begin = "expect \"subtype\":\"initialize\"\n" + succeed(R"({"current_permission_mode":"default"})");
        return begin + body(played) + (played == scene::sudden_end ? "" : "end\nexit 0\n");
    }
    static std::string body(scene played)
    {
        switch (played)
        {
        case scene::turn:
            return "expect \"uuid\":\"u1\"\n" + lifecycle("u1", "queued") + lifecycle("u1", "started") +
                   turns("running") +
                   send(R"({"type":"system","subtype":"init","session_id":"s1","model":"opus","uuid":"l1"})") +
                   assistant(R"({"type":"thinking","thinking":"Hm"})", "l2") +
                   assistant(R"({"type":"tool_use","id":"t1","name":"Bash","input":{"command":"make"}})", "l3") +
                   send(
                       R"({"type":"user","uuid":"l4","message":{"content":[{"type":"tool_result","tool_use_id":"t1","is_error":true}]}})") +
                   stream(R"({"type":"message_start","message":{"id":"m1"}})") +
                   stream(R"({"type":"content_block_start","index":2,"content_block":{"type":"text"}})") +
                   stream(R"({"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"Hel"}})") +
                   "expect \"subtype\":\"stop_task\"\n" + succeed() +
                   assistant(R"({"type":"text","text":"Hello"})", "l5") +
                   send(
                       R"({"type":"result","uuid":"l6","subtype":"success","is_error":false,"result":"Hello","total_cost_usd":0.5,"usage":{"input_tokens":7,"output_tokens":3}})") +
                   lifecycle("u1", "completed") + turns("idle");
        case scene::question:
            return asks() +
                   R"(expect "response":{"behavior":"allow","updatedInput":{"command":"make"}})"
                   "\n" +
                   assistant(R"({"type":"text","text":"it ran"})", "l1");
        case scene::void_question:
            return asks() + send(R"({"type":"control_cancel_request","request_id":"q1"})");
        case scene::waiting:
            return "expect \"uuid\":\"u1\"\n" + lifecycle("u1", "started") + turns("running") +
                   "expect \"uuid\":\"u2\"\nexpect \"uuid\":\"u3\"\n" + lifecycle("u3", "queued") +
                   "expect \"message_uuid\":\"u2\"\n" + succeed(R"({"cancelled":true})") +
                   "expect \"message_uuid\":\"u3\"\n" + succeed(R"({"cancelled":false})") +
                   "expect \"subtype\":\"interrupt\"\n" + succeed() +
                   send(
                       R"({"type":"result","subtype":"error_during_execution","is_error":true,"terminal_reason":"aborted_streaming"})") +
                   turns("idle");
        case scene::choices:
            return "expect \"mode\":\"plan\"\n" + succeed(R"({"mode":"acceptEdits"})") + "expect \"model\":\"none\"\n" +
                   refuse("no such model");
        case scene::background:
            return send(
                       R"({"type":"system","subtype":"background_tasks_changed","tasks":[{"task_id":"b1","task_type":"local_bash","description":"Serve"}]})") +
                   "expect \"task_id\":\"b1\"\n" + succeed() +
                   send(R"({"type":"system","subtype":"background_tasks_changed","tasks":[]})");
        case scene::rubbish:
            return "send no JSON at all\n" +
                   send(R"({"type":"control_request","request_id":"q9","request":{"subtype":"something_new"}})") +
                   "expect \"subtype\":\"error\"\n" + assistant(R"({"type":"text","text":"on it goes"})", "l1");
        case scene::sudden_end:
            return "expect \"mode\":\"plan\"\nerror it broke\nexit 3\n";
        case scene::stays:
            break;
        }
        return "";
    }

    fresh_directory place_;
};

/// What was heard, in order.
struct heard final : driver_events
{
    std::vector<std::string> order; ///< each event in a word or two
    std::vector<said> lines;
    std::vector<question> questions;
    std::vector<std::string> modes;
    std::vector<background_task> tasks;
    std::string unreadable;

    void on_said(said what) override
    {
        for (const auto& each : what.parts)
            std::visit([this](const auto& part) { note(part); }, each);
        lines.push_back(std::move(what));
    }
    void on_unreadable(std::string_view line) override { unreadable = line; }
    void on_partial() override { order.emplace_back("partial"); }
    void on_question(question asked) override { questions.push_back(std::move(asked)); }
    void on_unknown_request(const std::string& what) override { order.push_back("unknown " + what); }
    void on_question_end(const std::string& id) override { order.push_back("void " + id); }
    void on_busy(bool busy) override { order.emplace_back(busy ? "busy" : "idle"); }
    void on_prompt(const std::string& uuid, prompt_step step) override
    {
        order.push_back(std::string(word(step)) + " " + uuid);
    }
    void on_conversation(const std::string& id) override { order.push_back("conversation " + id); }
    void on_mode(const std::string& mode) override { modes.push_back(mode); }
    void on_model(const std::string& model) override { order.push_back("model " + model); }
    void on_title(const std::string&) override {}
    void on_background(std::vector<background_task> now) override
    {
        tasks = std::move(now);
        order.push_back("background " + std::to_string(tasks.size()));
    }

    bool has(const std::string& event) const { return std::ranges::find(order, event) != order.end(); }

private:
    void note(const text_said& part) { order.push_back("text " + part.text); }
    void note(const thought& part) { order.push_back("thought " + part.text); }
    void note(const tool_call& part)
    {
        order.push_back("call " + part.id + " " + part.tool + " " + json::serialize(part.arguments));
    }
    void note(const tool_result& part) { order.push_back((part.failed ? "failed " : "done ") + part.call); }
    void note(const turn_result& part)
    {
        order.push_back("result " + std::to_string(static_cast<int>(part.how)) + " " + part.words);
        result = part;
    }
    void note(memory_loss) { order.emplace_back("memory"); }
    void note(not_logged_in) { order.emplace_back("not logged in"); }

public:
    turn_result result;
};

struct named_rig
{
    const char* name;
    std::unique_ptr<rig> (*make)();
};

class driver_contract : public ::testing::TestWithParam<named_rig>
{
protected:
    driver& play(scene played)
    {
        player = GetParam().make();
        program = player->start(io, events, played);
        return *program;
    }
    bool hears(const std::string& event)
    {
        return run_until(io, [&] { return events.has(event); });
    }
    child_exit end()
    {
        program->close();
        return run(io, program->ended());
    }
    void TearDown() override
    {
        if (!program)
            return;
        program->kill();
        (void)run(io, program->ended());
    }

    boost::asio::io_context io;
    heard events;
    std::unique_ptr<rig> player;
    std::shared_ptr<driver> program;
};

INSTANTIATE_TEST_SUITE_P(
    drivers, driver_contract,
    ::testing::Values(named_rig{
        "claude_pipe", [] { return std::unique_ptr<rig>(std::make_unique<claude_pipe_rig>()); }}),
    [](const auto& each) { return std::string(each.param.name); });

} // namespace

// Goal: a turn is told whole and in order, each line with what the program wrote beside what we understand of it.
TEST_P(driver_contract, tells_a_turn_in_order)
{
    auto& of = play(scene::turn);
    EXPECT_TRUE(of.started());
    EXPECT_EQ(events.modes, std::vector<std::string>{"default"}) << "known before the first prompt";
    EXPECT_FALSE(of.busy());
    of.prompt("u1", "hello");
    ASSERT_TRUE(hears("partial"));
    EXPECT_TRUE(of.busy());
    const auto partial = of.take_partial();
    ASSERT_EQ(partial.size(), 1u);
    EXPECT_EQ(partial[0].text, "Hel");
    EXPECT_EQ(partial[0].offset, 0u);
    EXPECT_EQ(partial[0].kind, "text");
    EXPECT_TRUE(of.take_partial().empty()) << "each piece once";
    ASSERT_TRUE(run(io, of.stop_task("none"))) << "only lets the scene go on";
    ASSERT_TRUE(hears("idle"));
    EXPECT_FALSE(of.busy());

    EXPECT_EQ(
        events.order, (std::vector<std::string>{
                          "queued u1", "begun u1", "busy", "conversation s1", "model opus", "thought Hm",
                          R"(call t1 Bash {"command":"make"})", "failed t1", "partial", "text Hello", "result 0 Hello",
                          "done u1", "idle"}));
    ASSERT_TRUE(events.result.used);
    EXPECT_EQ(events.result.used->input, 7);
    EXPECT_EQ(events.result.used->output, 3);
    EXPECT_EQ(events.result.used->cost, 0.5);
    std::vector<std::string> ids;
    for (const auto& each : events.lines)
    {
        EXPECT_FALSE(each.line.empty()) << "the line itself";
        EXPECT_TRUE(each.within.empty());
        ids.push_back(each.id);
        const bool text =
            std::ranges::any_of(each.parts, [](const saying& part) { return std::holds_alternative<text_said>(part); });
        if (text)
            EXPECT_EQ(each.block, partial[0].block) << "the piece belongs to it";
    }
    std::ranges::sort(ids);
    EXPECT_EQ(std::ranges::adjacent_find(ids), ids.end()) << "each line has its own id";
}

// Goal: what runs is what stood in the ask, and nothing that the ask did not offer.
TEST_P(driver_contract, hands_an_answer_over_as_the_two_texts_say)
{
    auto& of = play(scene::question);
    ASSERT_TRUE(run_until(io, [&] { return !events.questions.empty(); }));
    const auto asked = events.questions.at(0);
    EXPECT_EQ(asked.id(), "t1");
    EXPECT_EQ(asked.tool, "Bash");
    const auto ask = make_ask(asked, std::string(32, 'a'), "/p");
    verdict said;
    said.made = decision::approved;
    said.grants = {asked.grants.size()};
    EXPECT_EQ(of.prepare_answer(asked.kind, ask, said).error(), errc::bad_request);
    said.grants.clear();
    said.mode = "of tomorrow";
    EXPECT_EQ(of.prepare_answer(asked.kind, ask, said).error(), errc::bad_request);
    said.mode.clear();
    said.answers = json::object();
    EXPECT_EQ(of.prepare_answer(asked.kind, ask, said).error(), errc::bad_request) << "it was no question";
    said.answers.reset();
    auto prepared = of.prepare_answer(asked.kind, ask, said);
    ASSERT_TRUE(prepared);
    of.answer(asked.request_id, std::move(*prepared));
    EXPECT_TRUE(hears("text it ran"));
    EXPECT_TRUE(end().good());
}

TEST_P(driver_contract, tells_that_a_question_is_void)
{
    play(scene::void_question);
    ASSERT_TRUE(run_until(io, [&] { return !events.questions.empty() && !events.order.empty(); }));
    EXPECT_EQ(events.order, std::vector<std::string>{"void " + events.questions.at(0).request_id});
    EXPECT_TRUE(end().good());
}

// Goal: stop means stop; what had begun is told apart from what never will.
TEST_P(driver_contract, a_stop_takes_back_what_waits_and_names_what_was_too_late)
{
    auto& of = play(scene::waiting);
    of.prompt("u1", "one");
    of.prompt("u2", "two");
    of.prompt("u3", "three");
    ASSERT_TRUE(hears("queued u3"));
    EXPECT_EQ(run(io, of.stop_turn({"u2", "u3"})), std::vector<std::string>{"u3"});
    EXPECT_TRUE(events.has("dropped u2"));
    EXPECT_FALSE(events.has("dropped u3"));
    ASSERT_TRUE(hears("idle"));
    EXPECT_EQ(events.result.how, turn_result::outcome::stopped) << "which is no failure";
}

TEST_P(driver_contract, says_which_mode_it_is_in_and_why_it_refuses)
{
    auto& of = play(scene::choices);
    EXPECT_EQ(run(io, of.set_mode("plan")), "acceptEdits");
    const auto refused = run(io, of.set_model("none"));
    ASSERT_EQ(refused.error(), errc::bad_request);
    EXPECT_EQ(refused.error().detail, "no such model");
    EXPECT_TRUE(end().good());
}

TEST_P(driver_contract, tells_what_runs_in_the_background_and_stops_it)
{
    auto& of = play(scene::background);
    ASSERT_TRUE(hears("background 1"));
    EXPECT_EQ(events.tasks.at(0).id, "b1");
    EXPECT_EQ(events.tasks.at(0).what, "Serve");
    EXPECT_TRUE(run(io, of.stop_task("b1")));
    EXPECT_TRUE(hears("background 0"));
}

TEST_P(driver_contract, nothing_that_nobody_understands_holds_it_up)
{
    play(scene::rubbish);
    EXPECT_TRUE(hears("text on it goes"));
    EXPECT_EQ(events.unreadable, "no JSON at all");
    EXPECT_TRUE(events.has("unknown something_new"));
    EXPECT_TRUE(end().good());
}

TEST_P(driver_contract, whoever_waits_is_told_that_it_ended)
{
    auto& of = play(scene::sudden_end);
    EXPECT_EQ(run(io, of.set_mode("plan")).error(), errc::closed);
    EXPECT_EQ(run(io, of.ended()).code, 3);
    EXPECT_EQ(of.last_words(), "it broke");
    EXPECT_FALSE(of.busy());
    EXPECT_EQ(run(io, of.set_mode("plan")).error(), errc::closed) << "afterwards too";
}

TEST_P(driver_contract, ends_when_it_is_asked_to_and_when_it_is_killed)
{
    play(scene::stays);
    EXPECT_TRUE(end().good());
    auto& of = play(scene::stays);
    of.kill();
    EXPECT_EQ(run(io, of.ended()).signal, SIGKILL);
}

// Goal: whoever listened may be gone before the program is.
TEST_P(driver_contract, says_nothing_to_who_went_away)
{
    auto& of = play(scene::turn);
    of.detach();
    const auto before = events.order.size();
    of.prompt("u1", "hello");
    of.kill();
    (void)run(io, of.ended());
    EXPECT_EQ(events.order.size(), before);
}
