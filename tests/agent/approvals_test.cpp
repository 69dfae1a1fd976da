#include "agent/feed_fixture.hpp"
#include "agent/silent_driver.hpp"
#include "base/agent_limits.hpp"
#include "consortium/common/limits.hpp"
#include "session/agent_state.hpp"
#include "session/approvals.hpp"

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::testing;

namespace
{

question asking(const std::string& id, const std::string& command = "make")
{
    question out;
    out.request_id = "r-" + id;
    out.tool = "Bash";
    out.tool_use_id = id;
    out.arguments = {{"command", command}};
    return out;
}

class approvals_test : public feed_fixture
{
protected:
    approvals_test()
    {
        asked.on_change = [this] { ++changes; };
    }
    json::object request(const std::string& id) const { return asked.to_json().at(id).as_object(); }
    /// What a browser signed: yes or no to the ask as it stands in the state.
    accepted_call call(const std::string& id, const char* decision)
    {
        const auto shown = request(id);
        return call(id, e2ee::ask_hash(text_at(shown, "ask")), decision);
    }
    accepted_call call(const std::string& id, const std::string& hash, const char* decision)
    {
        accepted_call out;
        out.method = call_method::permission;
        out.d = json::object{{"id", id}, {"ask", hash}, {"decision", decision}, {"grants", json::array()}};
        out.act = e2ee::signed_act{"what was signed", {}, {}};
        return out;
    }
    std::vector<json::object> told(const std::string& type)
    {
        std::vector<json::object> out_of_it;
        for (const auto& each : arrived())
        {
            const auto data = each.at("content").at("data").as_object();
            if (text_at(data, "type") == type)
                out_of_it.push_back(data);
        }
        return out_of_it;
    }

    std::shared_ptr<silent_driver> program = std::make_shared<silent_driver>();
    approvals asked{"/project", *feed, out, clock};
    int changes = 0;
};

} // namespace

TEST_F(approvals_test, shows_open_questions_as_one_text_each)
{
    asked.ask(asking("t1"), program);
    asked.ask(asking("t2"), program);
    EXPECT_EQ(changes, 2);
    const auto shown = request("t1");
    const auto ask = json::parse(text_at(shown, "ask"));
    EXPECT_EQ(ask.at("arguments").at("command"), "make");
    EXPECT_EQ(ask.at("cwd"), "/project");
    EXPECT_GT(number_at(shown, "createdAt"), 0);
    asked.close_request("r-t1");
    EXPECT_FALSE(asked.to_json().contains("t1"));
    asked.close_request("r-t1");
    EXPECT_EQ(changes, 3) << "it was closed already";
    asked.close("t2");
    EXPECT_TRUE(asked.to_json().empty());
    EXPECT_TRUE(program->refused.empty());
}

// Goal: an answer is carried out once, over the very text that was shown, and the history says so first.
TEST_F(approvals_test, carries_out_what_was_signed_once)
{
    connect();
    asked.ask(asking("t1"), program);
    const auto shown = text_at(request("t1"), "ask");
    const auto yes = call("t1", "approved");
    EXPECT_EQ(asked.take(call("t2", std::string(64, 'a'), "approved"), *program).error(), errc::not_found);
    EXPECT_EQ(asked.take(call("t1", std::string(64, 'a'), "approved"), *program).error(), errc::not_found);
    EXPECT_EQ(asked.take(call("t1", "perhaps"), *program).error(), errc::bad_request);
    program->takes_no_answer = true;
    EXPECT_EQ(asked.take(yes, *program).error(), errc::bad_request);
    program->takes_no_answer = false;
    EXPECT_TRUE(program->answered.empty());
    EXPECT_EQ(feed->waiting(), 0u) << "nothing was told either";

    program->on_answer = [&] { EXPECT_EQ(feed->waiting(), 1u) << "told before it is carried out"; };
    EXPECT_EQ(asked.take(yes, *program), json::value(json::object()));
    EXPECT_EQ(program->answered, std::vector<std::string>{"r-t1"});
    EXPECT_EQ(asked.take(yes, *program).error(), errc::not_found) << "once";
    EXPECT_EQ(program->answered.size(), 1u);
    ASSERT_TRUE(all_sent());
    const auto approvals_told = told("approval");
    ASSERT_EQ(approvals_told.size(), 1u);
    EXPECT_EQ(text_at(approvals_told[0], "ask"), shown);
    EXPECT_EQ(text_at(approvals_told[0], "text"), "what was signed");
}

TEST_F(approvals_test, what_nobody_waits_for_any_more_is_not_carried_out)
{
    asked.ask(asking("t1"), program);
    const auto yes = call("t1", "approved");
    asked.close_request("r-t1");
    EXPECT_EQ(asked.take(yes, *program).error(), errc::not_found);
    EXPECT_TRUE(program->answered.empty());
}

TEST_F(approvals_test, the_same_question_asked_again_is_another_text)
{
    asked.ask(asking("t1"), program);
    const auto before = call("t1", "approved");
    asked.ask(asking("t1"), program);
    EXPECT_EQ(asked.take(before, *program).error(), errc::not_found)
        << "a verdict on the first does not fit the second";
}

// Goal: no question takes the place of another that waits: the program would wait for that one's answer for ever.
TEST_F(approvals_test, two_questions_about_one_call_are_both_open)
{
    auto second = asking("t1");
    second.request_id = "another";
    second.tool = "Network";
    asked.ask(asking("t1"), program);
    const auto first = request("t1");
    asked.ask(second, program);
    EXPECT_EQ(request("t1"), first);
    EXPECT_EQ(json::parse(text_at(request("another"), "ask")).at("id"), "another") << "what is signed names it so too";

    auto named_like_another = asking("t1");
    named_like_another.request_id = "t9";
    asked.ask(asking("t9"), program);
    asked.ask(named_like_another, program);
    EXPECT_EQ(program->refused, std::vector<std::string>{"t9"});
    EXPECT_EQ(request("t1"), first);
    ASSERT_TRUE(asked.take(call("another", "approved"), *program));
    ASSERT_TRUE(asked.take(call("t1", "approved"), *program));
    EXPECT_EQ(program->answered, (std::vector<std::string>{"another", "r-t1"}));
}

TEST_F(approvals_test, a_large_question_travels_as_a_message)
{
    connect();
    asked.ask(asking("t1", std::string(limits::ask_in_state_bytes_max, 'x')), program);
    const auto shown = request("t1");
    EXPECT_TRUE(shown.at("ask").is_null());
    ASSERT_TRUE(all_sent());
    const auto told_ask = text_at(told("ask").at(0), "ask");
    EXPECT_EQ(text_at(shown, "hash"), e2ee::ask_hash(told_ask));
    EXPECT_EQ(base64_decode(text_at(shown, "in")), bytes(folder.said().at(0).begin(), folder.said().at(0).end()));
    ASSERT_TRUE(asked.take(call("t1", text_at(shown, "hash"), "denied"), *program));
    ASSERT_TRUE(all_sent());
    EXPECT_TRUE(told("approval").at(0).at("ask").is_null()) << "the history has it already";
}

TEST_F(approvals_test, what_nobody_can_be_shown_is_refused_in_words)
{
    connect();
    asked.ask(asking("t1", std::string(limits::ask_bytes_max - 1000, 'x')), program);
    EXPECT_TRUE(program->refused.empty());
    asked.ask(asking("t2", std::string(limits::ask_bytes_max, 'x')), program);
    // One of quotes alone grows with each time that it is written into another text.
    asked.ask(asking("t3", std::string(limits::ask_bytes_max / 2 - 1000, '"')), program);
    asked.ask(asking(std::string(limits::ask_id_bytes_max + 1, 'i')), program);
    EXPECT_EQ(program->refused.size(), 3u);
    EXPECT_EQ(asked.to_json().size(), 1u);
    ASSERT_TRUE(all_sent());
    EXPECT_EQ(told("message").size(), 3u);
}

// Goal: whatever is asked, what stands in the state stays small. Method: many questions that are each just small
// enough.
TEST_F(approvals_test, stay_small_by_construction)
{
    for (int i = 0; i < 400; ++i)
    {
        asked.ask(asking("t" + std::to_string(i), std::string(2'400, '"')), program);
        ASSERT_LE(json::serialize(asked.to_json()).size(), limits::asks_state_bytes_max + (64u << 10));
    }
    EXPECT_EQ(program->refused.size(), 400 - limits::asks_open_max);
}

// Goal: no text of the program's makes the state too large for a relay. Method: everything at once, as large as it
// comes.
TEST_F(approvals_test, fit_into_a_state_beside_all_else_whatever_things_are_called)
{
    const auto named = [](char first, std::size_t i) { return std::string(1, first) + std::to_string(i); };
    for (std::size_t i = 0; i < limits::asks_open_max; ++i)
    {
        auto id = named('t', i);
        id.resize(limits::ask_id_bytes_max, '\x1f'); // six bytes each once it is written
        asked.ask(asking(id, std::string(2'400, '"')), program);
    }
    EXPECT_TRUE(program->refused.empty());
    agent_state state;
    state.set_mode(std::string(2u << 20, '\x1f'));
    state.set_model(std::string(2u << 20, '\xff'));
    std::vector<background_task> tasks;
    for (std::size_t i = 0; i < 1000; ++i)
        tasks.push_back({named('b', i), "local_bash", std::string(100'000, '\x1f')});
    state.set_background(tasks, 5);
    auto shown = state.to_json();
    shown["requests"] = asked.to_json();
    const auto base64_size = json::serialize(shown).size() / 3 * 4;
    EXPECT_LT(base64_size + (64u << 10), limits::state_bytes_max) << "with what is held, and the seal";
    EXPECT_EQ(shown.at("background").as_array().size(), limits::background_tasks_max);
    EXPECT_EQ(shown.at("backgroundMore"), 1000 - limits::background_tasks_max);
}
