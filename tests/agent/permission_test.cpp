#include "claude/permission.hpp"
#include <boost/json.hpp>
#include <gtest/gtest.h>

using namespace consortium;
using namespace consortium::agent::claude;
namespace json = boost::json;

namespace
{

// The shape of docs/claude-code.md, "Permissions", as the real program sends it.
permission_request bash_request()
{
    const auto request = json::parse(R"({"subtype":"can_use_tool","tool_name":"Bash",
        "input":{"command":"touch a.txt"},"description":"Make a file","blocked_path":"/p/a.txt","tool_use_id":"toolu_1",
        "permission_suggestions":[
          {"type":"addRules","rules":[{"toolName":"Bash","ruleContent":"touch a.txt"}],"behavior":"allow","destination":"localSettings"},
          {"type":"addDirectories","directories":["/p"],"destination":"session"},
          {"type":"setMode","mode":"acceptEdits","destination":"session"}]})");
    return parse_permission_request("r1", request.as_object()).value();
}

json::object answer_to(const permission_request& asked, const char* verdict)
{
    return permission_answer(asked, parse_permission_verdict(json::parse(verdict)).value());
}

} // namespace

TEST(claude_permission, a_request_is_read_whole)
{
    const auto asked = bash_request();
    EXPECT_EQ(asked.id(), "toolu_1");
    EXPECT_EQ(asked.tool, "Bash");
    EXPECT_EQ(asked.blocked_path, "/p/a.txt");
    EXPECT_EQ(asked.suggestions.size(), 3u);
    EXPECT_FALSE(parse_permission_request("r1", json::object{{"tool_name", "Bash"}}));
}

TEST(claude_permission, allow_once_runs_the_same_input_and_keeps_no_rule)
{
    const auto answer = answer_to(bash_request(), R"({"id":"toolu_1","approved":true})");
    EXPECT_EQ(answer, json::parse(R"({"behavior":"allow","updatedInput":{"command":"touch a.txt"}})"));
}

TEST(claude_permission, a_changed_input_is_what_runs)
{
    const auto answer =
        answer_to(bash_request(), R"({"id":"toolu_1","approved":true,"updatedInput":{"command":"touch b.txt"}})");
    EXPECT_EQ(answer.at("updatedInput"), json::parse(R"({"command":"touch b.txt"})"));
}

TEST(claude_permission, allow_for_the_session_keeps_the_suggested_rules_in_the_session)
{
    const auto answer =
        answer_to(bash_request(), R"({"id":"toolu_1","approved":true,"decision":"approved_for_session"})");
    EXPECT_EQ(answer.at("updatedPermissions"), json::parse(R"([
        {"type":"addRules","rules":[{"toolName":"Bash","ruleContent":"touch a.txt"}],"behavior":"allow","destination":"session"},
        {"type":"addDirectories","directories":["/p"],"destination":"session"}])"));
}

TEST(claude_permission, allow_always_writes_the_rule_into_the_local_settings)
{
    const auto answer = answer_to(bash_request(), R"({"id":"toolu_1","approved":true,"decision":"approved_always"})");
    EXPECT_EQ(answer.at("updatedPermissions").at(0).at("destination"), "localSettings");
    EXPECT_EQ(answer.at("updatedPermissions").at(1).at("destination"), "session");
}

TEST(claude_permission, without_suggestions_the_rule_is_for_the_same_command_or_the_tool)
{
    auto asked = bash_request();
    asked.suggestions.clear();
    const auto answer = answer_to(asked, R"({"id":"toolu_1","approved":true,"decision":"approved_for_session"})");
    EXPECT_EQ(
        answer.at("updatedPermissions"),
        json::parse(
            R"([{"type":"addRules","rules":[{"toolName":"Bash","ruleContent":"touch a.txt"}],"behavior":"allow","destination":"session"}])"));
    asked.tool = "Write";
    EXPECT_EQ(
        answer_to(asked, R"({"id":"toolu_1","approved":true,"decision":"approved_for_session"})")
            .at("updatedPermissions"),
        json::parse(
            R"([{"type":"addRules","rules":[{"toolName":"Write"}],"behavior":"allow","destination":"session"}])"));
}

TEST(claude_permission, a_denial_carries_its_reason_and_abort_ends_the_turn)
{
    EXPECT_EQ(
        answer_to(bash_request(), R"({"id":"x","approved":false,"reason":"Use make."})"),
        json::parse(R"({"behavior":"deny","message":"Use make."})"));
    EXPECT_EQ(
        answer_to(bash_request(), R"({"id":"x","approved":false,"decision":"abort"})"),
        json::parse(R"({"behavior":"deny","message":"The user said no to this.","interrupt":true})"));
}

TEST(claude_permission, answers_to_questions_travel_in_the_input)
{
    auto asked = bash_request();
    asked.tool = "AskUserQuestion";
    asked.input = {{"questions", json::array{}}};
    const auto answer = answer_to(asked, R"({"id":"x","approved":true,"answers":{"Which?":"The first"}})");
    EXPECT_EQ(answer.at("updatedInput"), json::parse(R"({"questions":[],"answers":{"Which?":"The first"}})"));
}

TEST(claude_permission, leaving_plan_mode_may_choose_the_mode)
{
    auto asked = bash_request();
    asked.tool = "ExitPlanMode";
    const auto answer = answer_to(asked, R"({"id":"x","approved":true,"mode":"acceptEdits"})");
    EXPECT_EQ(
        answer.at("updatedPermissions"),
        json::parse(R"([{"type":"setMode","mode":"acceptEdits","destination":"session"}])"));
}

// Goal: nothing unclear is ever taken as a yes.
TEST(claude_permission, a_verdict_that_contradicts_itself_is_refused)
{
    for (const auto* bad : {
             R"("yes")",
             R"({})",
             R"({"id":"x"})",
             R"({"approved":true})",
             R"({"id":"x","approved":"true"})",
             R"({"id":"x","approved":true,"decision":"denied"})",
             R"({"id":"x","approved":true,"decision":"abort"})",
             R"({"id":"x","approved":false,"decision":"approved"})",
             R"({"id":"x","approved":true,"decision":"whatever"})",
             R"({"id":"x","approved":true,"decision":1})",
             R"({"id":"x","approved":true,"updatedInput":"rm"})",
             R"({"id":"x","approved":true,"answers":[]})",
         })
        EXPECT_EQ(parse_permission_verdict(json::parse(bad)).error(), errc::bad_request) << bad;
}
