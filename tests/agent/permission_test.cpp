#include "consortium/protocol/foreign_json.hpp"
#include "consortium/protocol/raw_json.hpp"
#include "drivers/claude/permission.hpp"
#include <boost/json.hpp>
#include <gtest/gtest.h>

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::claude;
namespace json = boost::json;

namespace
{

// The shape of docs/claude-code.md, "Permissions", as the real program sends it.
question bash_question()
{
    const auto request = json::parse(R"({"subtype":"can_use_tool","tool_name":"Bash",
        "input":{"command":"touch a.txt"},"description":"Make a file","blocked_path":"/p/a.txt","tool_use_id":"toolu_1",
        "permission_suggestions":[
          {"type":"addRules","rules":[{"toolName":"Bash","ruleContent":"touch a.txt"}],"behavior":"allow","destination":"localSettings"},
          {"type":"addDirectories","directories":["/p"],"destination":"session"},
          {"type":"setMode","mode":"acceptEdits","destination":"session"}]})");
    return parse_question("r1", request.as_object()).value();
}

std::string ask_of(const question& asked)
{
    return make_ask(asked, std::string(32, 'a'), "/p");
}

result<json::object> answer(const question& asked, const std::string& fields)
{
    const auto said = parse_verdict(json::parse(R"({"id":"x","ask":"h",)" + fields + "}"));
    if (!said)
        return std::unexpected(said.error());
    const auto text = answer_to(asked.kind, ask_of(asked), *said);
    if (!text)
        return std::unexpected(text.error());
    return json::parse(*text).as_object();
}

json::object yes(const question& asked, const std::string& more)
{
    return answer(asked, R"("decision":"approved",)" + more).value();
}

} // namespace

TEST(claude_question, is_read_whole)
{
    const auto asked = bash_question();
    EXPECT_EQ(asked.id(), "toolu_1");
    EXPECT_EQ(asked.tool, "Bash");
    EXPECT_EQ(asked.blocked_path, "/p/a.txt");
    EXPECT_EQ(asked.grants.size(), 4u);
    EXPECT_FALSE(parse_question("r1", json::object{{"tool_name", "Bash"}}));
    EXPECT_FALSE(parse_question("r1", json::object{{"subtype", "can_use_tool"}, {"tool_name", "Bash"}}));
    EXPECT_FALSE(parse_question("r1", json::object{{"subtype", "something_new"}}));
}

TEST(claude_question, a_tool_cannot_pass_for_a_question_of_ours)
{
    for (const auto* name : {"question", "elicitation", "dialog", "trust"})
        EXPECT_FALSE(parse_question(
            "r1", json::object{{"subtype", "can_use_tool"}, {"tool_name", name}, {"input", json::object()}}));
}

TEST(claude_ask, says_all_that_can_be_given)
{
    const auto ask = json::parse(ask_of(bash_question()));
    EXPECT_EQ(ask.at("id"), "toolu_1");
    EXPECT_EQ(ask.at("tool"), "Bash");
    EXPECT_EQ(ask.at("arguments"), json::parse(R"({"command":"touch a.txt"})"));
    EXPECT_EQ(ask.at("toolUseId"), "toolu_1");
    EXPECT_EQ(ask.at("cwd"), "/p");
    EXPECT_EQ(ask.at("description"), "Make a file");
    EXPECT_EQ(ask.at("blockedPath"), "/p/a.txt");
    EXPECT_EQ(ask.at("grants"), json::parse(R"([
        {"type":"addRules","rules":[{"toolName":"Bash","ruleContent":"touch a.txt"}],"behavior":"allow","destination":"localSettings"},
        {"type":"addDirectories","directories":["/p"],"destination":"session"},
        {"type":"setMode","mode":"acceptEdits","destination":"session"},
        {"type":"addRules","rules":[{"toolName":"Bash","ruleContent":"touch a.txt"}],"behavior":"allow","destination":"session"}])"));
}

TEST(claude_ask, without_suggestions_the_rule_is_for_the_same_command)
{
    auto asked = bash_question();
    EXPECT_EQ(grants_of(asked, {}), json::parse(R"([
        {"type":"addRules","rules":[{"toolName":"Bash","ruleContent":"touch a.txt"}],"behavior":"allow","destination":"session"},
        {"type":"addRules","rules":[{"toolName":"Bash","ruleContent":"touch a.txt"}],"behavior":"allow","destination":"localSettings"}])"));
    // In a rule a star is any text.
    asked.arguments["command"] = "rm *.o";
    EXPECT_TRUE(grants_of(asked, {}).empty());
}

TEST(claude_ask, without_suggestions_the_rule_is_for_the_same_file)
{
    auto asked = bash_question();
    const auto suggestions =
        json::parse(R"([{"type":"setMode","mode":"acceptEdits","destination":"session"}])").as_array();
    for (const auto& [tool, name] :
         {std::pair("Write", "file_path"), std::pair("Edit", "file_path"), std::pair("NotebookEdit", "notebook_path")})
    {
        asked.tool = tool;
        asked.arguments = {{name, "/p/a [1]*.txt"}};
        EXPECT_EQ(grants_of(asked, suggestions), json::parse(R"([
            {"type":"setMode","mode":"acceptEdits","destination":"session"},
            {"type":"addRules","rules":[{"toolName":"Edit","ruleContent":"//p/a \\[1\\]\\*.txt"}],"behavior":"allow","destination":"session"},
            {"type":"addRules","rules":[{"toolName":"Edit","ruleContent":"//p/a \\[1\\]\\*.txt"}],"behavior":"allow","destination":"localSettings"}])"));
    }
}

// Goal: the agent never makes a rule by itself that lets pass more than what is asked.
TEST(claude_ask, without_suggestions_nothing_is_offered_that_is_wider_than_what_is_asked)
{
    auto asked = bash_question();
    for (const auto* tool : {"Read", "WebFetch", "Agent", "mcp__desk__book", "SomethingNew"})
    {
        asked.tool = tool;
        asked.arguments = {{"file_path", "/p/a.txt"}, {"url", "https://example.org"}};
        EXPECT_TRUE(grants_of(asked, {}).empty()) << tool;
    }
    asked.tool = "Write";
    for (const auto* path : {"", "a.txt", "/", "/p/", "/p/../etc/passwd", "/p//a", "/p/a\nb", "/p/a "})
    {
        asked.arguments = {{"file_path", path}};
        EXPECT_TRUE(grants_of(asked, {}).empty()) << path;
    }
    asked.arguments = {{"file_path", 1}};
    EXPECT_TRUE(grants_of(asked, {}).empty());
}

TEST(claude_ask, of_a_subagent_says_so_and_why_it_is_asked)
{
    auto request = json::parse(R"({"subtype":"can_use_tool","tool_name":"Bash","input":{"command":"ls"},
        "agent_id":"aa690ca2","decision_reason":"Path is outside allowed working directories"})");
    const auto ask = json::parse(ask_of(parse_question("r1", request.as_object()).value()));
    EXPECT_EQ(ask.at("subagent"), "aa690ca2");
    EXPECT_EQ(ask.at("reason"), "Path is outside allowed working directories");
    EXPECT_FALSE(json::parse(ask_of(bash_question())).as_object().contains("subagent"));
}

TEST(claude_ask, a_long_command_stands_in_it_once)
{
    const std::string command(3u << 20, 'x');
    auto request = json::parse(R"({"subtype":"can_use_tool","tool_name":"Bash","tool_use_id":"toolu_1"})").as_object();
    request["input"] = json::object{{"command", command}};
    EXPECT_LT(ask_of(parse_question("r1", request).value()).size(), command.size() + 1000);
    request["permission_suggestions"] = json::parse(
        R"([{"type":"addRules","rules":[{"toolName":"Bash","ruleContent":"RULE"}],"behavior":"allow","destination":"session"}])");
    request["permission_suggestions"].as_array()[0].as_object()["rules"].as_array()[0].as_object()["ruleContent"] =
        command;
    EXPECT_LT(ask_of(parse_question("r1", request).value()).size(), command.size() + 1000);
}

TEST(claude_answer, allow_runs_what_was_shown_and_keeps_no_rule)
{
    EXPECT_EQ(
        yes(bash_question(), R"("grants":[])"),
        json::parse(R"({"behavior":"allow","updatedInput":{"command":"touch a.txt"}})"));
}

TEST(claude_answer, only_the_grants_that_were_named_reach_claude)
{
    const auto grants = bash_question().grants;
    EXPECT_EQ(yes(bash_question(), R"("grants":[0])").at("updatedPermissions"), json::array{grants[0]});
    EXPECT_EQ(yes(bash_question(), R"("grants":[3,1])").at("updatedPermissions"), (json::array{grants[3], grants[1]}));
    EXPECT_EQ(
        yes(bash_question(), R"("grants":[],"mode":"acceptEdits")").at("updatedPermissions"),
        json::parse(R"([{"type":"setMode","mode":"acceptEdits","destination":"session"}])"));
}

// Goal: what a verdict brings about stood in the ask: a mode too.
TEST(claude_answer, a_mode_is_given_where_the_ask_offers_it)
{
    const auto plan =
        parse_question(
            "r1", json::parse(R"({"subtype":"can_use_tool","tool_name":"ExitPlanMode","input":{"plan":"Do it"}})")
                      .as_object())
            .value();
    const auto offered = json::parse(R"([{"type":"setMode","mode":"acceptEdits","destination":"session"}])");
    EXPECT_EQ(json::value(plan.grants), offered);
    EXPECT_EQ(yes(plan, R"("grants":[0])").at("updatedPermissions"), offered);
    EXPECT_EQ(yes(plan, R"("grants":[],"mode":"acceptEdits")").at("updatedPermissions"), offered);
    EXPECT_EQ(yes(plan, R"("grants":[0],"mode":"acceptEdits")").at("updatedPermissions"), offered) << "once";
    EXPECT_EQ(answer(plan, R"("decision":"approved","grants":[],"mode":"auto")").error(), errc::bad_request);
    auto asked = bash_question();
    asked.grants = grants_of(asked, {});
    EXPECT_EQ(answer(asked, R"("decision":"approved","grants":[],"mode":"acceptEdits")").error(), errc::bad_request);
}

TEST(claude_answer, a_denial_carries_its_reason_and_abort_ends_the_turn)
{
    EXPECT_EQ(
        answer(bash_question(), R"("decision":"denied","grants":[],"reason":"Use make.")").value(),
        json::parse(R"({"behavior":"deny","message":"Use make."})"));
    EXPECT_EQ(
        answer(bash_question(), R"("decision":"abort","grants":[])").value(),
        json::parse(R"({"behavior":"deny","message":"The user said no to this.","interrupt":true})"));
}

TEST(claude_answer, answers_to_questions_travel_in_the_input)
{
    const auto asked =
        parse_question(
            "r1", json::parse(R"({"subtype":"can_use_tool","tool_name":"AskUserQuestion","input":{"questions":[]}})")
                      .as_object())
            .value();
    EXPECT_EQ(asked.tool, "question");
    EXPECT_TRUE(asked.grants.empty());
    EXPECT_EQ(
        yes(asked, R"("grants":[],"answers":{"Which?":"The first"})").at("updatedInput"),
        json::parse(R"({"questions":[],"answers":{"Which?":"The first"}})"));
}

TEST(claude_answer, forms_and_dialogs_are_asked_and_answered_too)
{
    const auto form = parse_question(
                          "r1", json::parse(R"({"subtype":"elicitation","mcp_server_name":"s","message":"Who?",
        "requested_schema":{"type":"object"}})")
                                    .as_object())
                          .value();
    EXPECT_EQ(form.tool, "elicitation");
    EXPECT_EQ(form.arguments, json::parse(R"({"server":"s","message":"Who?","schema":{"type":"object"}})"));
    EXPECT_EQ(
        yes(form, R"("grants":[],"answers":{"name":"me"})"),
        json::parse(R"({"action":"accept","content":{"name":"me"}})"));
    EXPECT_EQ(answer(form, R"("decision":"denied","grants":[])").value(), json::parse(R"({"action":"decline"})"));
    EXPECT_EQ(answer(form, R"("decision":"abort","grants":[])").value(), json::parse(R"({"action":"cancel"})"));

    const auto link =
        parse_question(
            "r3", json::parse(R"({"subtype":"elicitation","mcp_server_name":"s","message":"Sign in","mode":"url",
                "url":"https://example.org","elicitation_id":"e1","title":"t","property_order":[]})")
                      .as_object())
            .value();
    EXPECT_EQ(link.arguments, json::parse(R"({"server":"s","message":"Sign in","mode":"url","url":"https://example.org",
            "elicitation_id":"e1","title":"t"})"));

    const auto dialog =
        parse_question(
            "r2", json::parse(R"({"subtype":"request_user_dialog","dialog_kind":"k","payload":{"a":1}})").as_object())
            .value();
    EXPECT_EQ(dialog.arguments, json::parse(R"({"kind":"k","payload":{"a":1}})"));
    EXPECT_EQ(
        yes(dialog, R"("grants":[],"answers":{"b":2})"), json::parse(R"({"behavior":"completed","result":{"b":2}})"));
    EXPECT_EQ(answer(dialog, R"("decision":"denied","grants":[])").value(), json::parse(R"({"behavior":"cancelled"})"));
}

TEST(claude_answer, what_the_ask_has_not_cannot_be_named)
{
    for (const auto* bad : {
             R"("grants":[4])",
             R"("grants":[0,0])",
             R"("grants":[-1])",
             R"("grants":[0.5])",
             R"("grants":["0"])",
             R"("grants":{"0":0})",
             R"("grants":null)",
             R"("mode":"default")",
             R"("grants":[],"mode":"whatever")",
             R"("grants":[],"mode":"bypassPermissions")",
             R"("grants":[],"mode":"default")",
             R"("grants":[],"answers":{"a":"b"})",
         })
        EXPECT_EQ(answer(bash_question(), R"("decision":"approved",)" + std::string(bad)).error(), errc::bad_request)
            << bad;
}

// Goal: nothing unclear is ever taken as a yes.
TEST(claude_verdict, one_that_contradicts_itself_is_refused)
{
    for (const auto* bad : {
             R"("yes")",
             R"({})",
             R"({"id":"x","ask":"h"})",
             R"({"id":"x","decision":"approved","grants":[]})",
             R"({"ask":"h","decision":"approved","grants":[]})",
             R"({"id":"x","ask":"h","decision":"approved"})",
             R"({"id":"x","ask":"h","decision":"approved_always","grants":[]})",
             R"({"id":"x","ask":"h","decision":1,"grants":[]})",
             R"({"id":"x","ask":"h","approved":true,"grants":[]})",
             R"({"id":"x","ask":"h","decision":"denied","grants":[0]})",
             R"({"id":"x","ask":"h","decision":"denied","grants":[],"mode":"default"})",
             R"({"id":"x","ask":"h","decision":"abort","grants":[],"answers":{}})",
             R"({"id":"x","ask":"h","decision":"approved","grants":[],"answers":[]})",
             R"({"id":"x","ask":"h","decision":"approved","grants":[],"mode":1})",
             R"({"id":"x","ask":"h","decision":"approved","grants":[],"reason":{}})",
         })
        EXPECT_EQ(parse_verdict(json::parse(bad)).error(), errc::bad_request) << bad;
}

// Goal: whatever Claude asks, what runs equals what stands in the ask.
TEST(claude_ask, what_runs_is_what_it_says)
{
    for (const auto* input : {
             R"({"path":"/tmp/a","path":"/etc/passwd"})",
             R"({"n":9007199254740993})",
             R"({"n":18446744073709551616})",
             R"({"n":1.0,"m":1e300,"o":1e999})",
             R"({"x":"\u202e\u0000\n\n\n"})",
             R"({"x":"\ud83d\ude00","y":"\ud800","z":"\udc00\ud800"})",
             R"({"b":1,"a":{"10":1,"9":2}})",
         })
    {
        const auto request = protocol::read_foreign_object(
            R"({"subtype":"can_use_tool","tool_name":"T","input":)" + std::string(input) + "}");
        ASSERT_TRUE(request) << input;
        const auto asked = parse_question("r", *request).value();
        const auto ask = ask_of(asked);
        EXPECT_EQ(
            json::serialize(yes(asked, R"("grants":[])").at("updatedInput")),
            json::serialize(protocol::read_foreign_object(ask)->at("arguments")))
            << input;
        EXPECT_EQ(ask.find("\\ud8"), std::string::npos) << "no lone surrogates";
    }
}

// Goal: the input that runs is the one that was shown, and both are Claude's own bytes: Boost writes a number otherwise
// than it came.
TEST(claude_answer, hands_numbers_on_as_claude_wrote_them)
{
    constexpr std::string_view input =
        R"({"a":0.30000000000000004441, "b":[12345678901234567890.123,-0.0,1E+2],"c\u0022":{"d":1.50},"e":"\u0041"})";
    const auto raw =
        R"({"input":{"x":"of that name the last counts"},"subtype":"can_use_tool","tool_name":"T","input": )" +
        std::string(input) + " }";
    const auto asked = parse_question("r", protocol::read_foreign_object(raw).value(), raw).value();
    const auto ask = ask_of(asked);
    constexpr std::string_view spelt =
        R"({"a":0.30000000000000004441,"b":[12345678901234567890.123,-0.0,1E+2],"c\"":{"d":1.50},"e":"A"})";
    EXPECT_EQ(protocol::raw_member(ask, "arguments"), spelt);
    verdict said;
    said.made = decision::approved;
    EXPECT_EQ(
        answer_to(asked.kind, ask, said).value(), R"({"behavior":"allow","updatedInput":)" + std::string(spelt) + "}");
    EXPECT_EQ(json::parse(ask).at("tool"), "T");

    // What no reader takes for a number was shown as text, and is handed on as that.
    const std::string beyond =
        R"({"subtype":"can_use_tool","tool_name":"T","input":{"a":1e400,"b":0.30000000000000004}})";
    const auto mended = parse_question("r", protocol::read_foreign_object(beyond).value(), beyond).value();
    EXPECT_EQ(mended.raw_arguments, "");
    EXPECT_EQ(protocol::raw_member(ask_of(mended), "arguments"), R"({"a":"1e400","b":3.0000000000000004E-1})");
    EXPECT_EQ(
        answer_to(mended.kind, ask_of(mended), said).value(),
        R"({"behavior":"allow","updatedInput":{"a":"1e400","b":3.0000000000000004E-1}})");
}

TEST(claude_answer, hands_a_persons_numbers_on_as_they_were_signed)
{
    const auto form = parse_question("r", json::object{{"subtype", "elicitation"}}).value();
    const std::string text =
        R"({"id":"x","ask":"h","decision":"approved","grants":[],"answers":{"n": 0.30000000000000004441}})";
    const auto said = parse_verdict(protocol::read_foreign_json(text).value(), text).value();
    EXPECT_EQ(
        answer_to(form.kind, ask_of(form), said).value(),
        R"({"action":"accept","content":{"n":0.30000000000000004441}})");

    const std::string raw =
        R"({"subtype":"can_use_tool","tool_name":"AskUserQuestion","input":{ "questions":[1.10] }})";
    const auto asked = parse_question("r", protocol::read_foreign_object(raw).value(), raw).value();
    EXPECT_EQ(
        answer_to(asked.kind, ask_of(asked), said).value(),
        R"({"behavior":"allow","updatedInput":{"questions":[1.10],"answers":{"n":0.30000000000000004441}}})");
    auto other = said;
    other.raw_answers.clear();
    const auto empty =
        parse_question(
            "r", json::parse(R"({"subtype":"can_use_tool","tool_name":"AskUserQuestion","input":{}})").as_object())
            .value();
    EXPECT_EQ(
        answer_to(empty.kind, ask_of(empty), other).value(),
        R"({"behavior":"allow","updatedInput":{"answers":{"n":3.0000000000000004E-1}}})");
}

// Goal: a text that is not what was read of it never stands in for it.
TEST(claude_question, takes_no_text_that_says_something_else)
{
    const auto request = json::parse(R"({"subtype":"can_use_tool","tool_name":"T","input":{"a":1}})").as_object();
    for (const auto* odd :
         {R"({"input":{"a":2}})", R"({"input":{"a":1},"input":{"a":3}})", R"({"other":{"a":1}})", "", "{",
          R"({"input":{"a":1)", R"({"input":[]})"})
        EXPECT_EQ(parse_question("r", request, odd).value().raw_arguments, "") << odd;
}
