// What a session asks a person, and what it takes from whom.
#include "agent/session_fixture.hpp"
#include <fstream>

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::testing;
namespace json = boost::json;

TEST_F(session, asks_the_dashboard_and_hands_the_answer_back)
{
    start(
        std::string(initialized) + asks_for_make +
        R"(expect "behavior":"allow")"
        "\n"
        R"(send {"type":"result","subtype":"success","is_error":false,"result":"it was allowed"})"
        "\nend\nexit 0\n");
    auto& socket = online();
    ASSERT_TRUE(asks("t1"));
    const auto ask = text_at(state.at("requests").at("t1").as_object(), "ask");
    auto wrong = verdict("t1", "approved");
    wrong["id"] = "unknown";
    EXPECT_TRUE(call(socket, "permission", wrong).contains("error"));
    wrong = verdict("t1", "approved");
    wrong["ask"] = std::string(64, 'a');
    EXPECT_TRUE(call(socket, "permission", wrong).contains("error")) << "another text";
    wrong = verdict("t1", "approved");
    wrong["grants"] = json::array{7};
    EXPECT_TRUE(call(socket, "permission", wrong).contains("error"));
    const auto right = verdict("t1", "approved");
    EXPECT_EQ(call(socket, "permission", right), json::object());
    EXPECT_TRUE(says("it was allowed"));
    EXPECT_TRUE(call(socket, "permission", right).contains("error")) << "once";
    ASSERT_TRUE(run_until(io, [&] { return object_at(state, "requests")->empty(); }));
    EXPECT_FALSE(state.contains("completedRequests"));

    // The history has who allowed what, so that anybody with the chain can see it.
    const auto approvals = told("approval");
    ASSERT_EQ(approvals.size(), 1u);
    EXPECT_EQ(text_at(approvals[0], "ask"), ask);
    const auto id = to_array<16>(base64_decode(text_at(approvals[0], "id")).value());
    const e2ee::signed_act kept{
        text_at(approvals[0], "text"), to_array<32>(base64_decode(text_at(approvals[0], "device")).value()),
        to_array<64>(base64_decode(text_at(approvals[0], "signature")).value())};
    EXPECT_TRUE(e2ee::verify_act({page.account, sid, "rpc-request:permission", id}, kept));
    EXPECT_EQ(json::parse(kept.text).at("d"), json::value(right));
}

TEST_F(session, claude_is_not_started_in_a_folder_with_servers_before_a_person_trusts_it)
{
    const auto started = in_a_folder_with_servers();
    start(std::string(initialized) + "end\nexit 0\n");
    auto& socket = online();
    const auto id = asked();
    const auto ask = json::parse(text_at(state.at("requests").at(id).as_object(), "ask")).as_object();
    EXPECT_EQ(text_at(ask, "tool"), "trust");
    EXPECT_EQ(text_at(*object_at(ask, "arguments"), "folder"), project.string());
    EXPECT_NE(json::serialize(ask).find("evil"), std::string::npos);
    prompt(socket, "hello there");
    EXPECT_TRUE(call(socket, "abort", json::object()).contains("end"));
    EXPECT_TRUE(call(socket, "set-mode", json::object{{"mode", "plan"}}).contains("error"));
    auto odd = verdict(id, "approved");
    odd["answers"] = json::object();
    EXPECT_TRUE(call(socket, "permission", odd).contains("error"));
    EXPECT_FALSE(std::filesystem::exists(started));

    const auto yes = verdict(id, "approved");
    EXPECT_EQ(call(socket, "permission", yes), json::object());
    EXPECT_TRUE(run_until(io, [&] { return std::filesystem::exists(started); }));
    EXPECT_TRUE(call(socket, "permission", yes).contains("error")) << "once";
    ASSERT_TRUE(run_until(io, [&] { return object_at(state, "requests")->empty(); }));
    std::ifstream kept(place.path() / ".claude.json");
    const std::string words{std::istreambuf_iterator<char>(kept), {}};
    EXPECT_TRUE(json::parse(words).at("projects").at(project.string()).at("hasTrustDialogAccepted").as_bool());
    EXPECT_EQ(told("approval").size(), 1u);
}

TEST_F(session, ends_where_the_folder_is_not_trusted)
{
    const auto started = in_a_folder_with_servers();
    start(std::string(initialized) + "end\nexit 0\n");
    auto& socket = online();
    const auto id = asked();
    EXPECT_EQ(call(socket, "permission", verdict(id, "denied")), json::object());
    ASSERT_TRUE(ends());
    EXPECT_EQ(status, 1);
    EXPECT_FALSE(std::filesystem::exists(started));
    EXPECT_FALSE(std::filesystem::exists(place.path() / ".claude.json"));
}

TEST_F(session, can_be_ended_while_nobody_says_whether_the_folder_is_trusted)
{
    const auto started = in_a_folder_with_servers();
    start(std::string(initialized) + "end\nexit 0\n");
    online();
    (void)asked();
    runner->interrupt();
    ASSERT_TRUE(ends());
    EXPECT_FALSE(std::filesystem::exists(started));
}

TEST_F(session, a_large_question_goes_through_the_history_and_a_huge_one_is_refused_in_words)
{
    const auto ask_with = [](const std::string& id, std::size_t size)
    {
        return R"(send {"type":"control_request","request_id":")" + id +
               R"(","request":{"subtype":"can_use_tool","tool_name":"Bash","input":{"command":")" +
               std::string(size, 'x') + R"("},"tool_use_id":")" + id + "\"}}\n";
    };
    start(
        std::string(initialized) + ask_with("big", 100'000) +
        R"(expect "behavior":"allow")"
        "\n" +
        ask_with("huge", 5'000'000) +
        R"(expect "behavior":"deny")"
        "\nend\nexit 0\n");
    auto& socket = online();
    ASSERT_TRUE(asks("big"));
    const auto request = state.at("requests").at("big").as_object();
    EXPECT_TRUE(request.at("ask").is_null());
    ASSERT_TRUE(run_until(io, [&] { return !told("ask").empty(); }));
    const auto ask = text_at(told("ask").at(0), "ask");
    EXPECT_EQ(text_at(request, "hash"), e2ee::ask_hash(ask));
    EXPECT_LT(json::serialize(state).size(), 1000u);
    const json::object yes{
        {"id", "big"}, {"ask", e2ee::ask_hash(ask)}, {"decision", "approved"}, {"grants", json::array()}};
    EXPECT_EQ(call(socket, "permission", yes), json::object());
    EXPECT_TRUE(says("too large to be shown"));
    EXPECT_TRUE(told("approval").at(0).at("ask").is_null()) << "the history has it already";
}

TEST_F(session, a_folder_that_is_named_in_no_utf8_is_said_in_text)
{
    project = place.path() / "pro\xffject";
    std::filesystem::create_directory(project);
    start(std::string(initialized) + asks_for_make + "end\nexit 0\n");
    online();
    ASSERT_TRUE(asks("t1"));
    const auto ask = json::parse(text_at(state.at("requests").at("t1").as_object(), "ask")).as_object();
    EXPECT_EQ(text_at(ask, "cwd"), (place.path() / "pro\xef\xbf\xbdject").string());
    EXPECT_EQ(session_folder::look_at(store, "tag").value().directory, project.string());
}

TEST_F(session, what_claude_wants_and_nobody_knows_is_refused_and_said)
{
    start(
        std::string(initialized) +
        R"(send {"type":"control_request","request_id":"q1","request":{"subtype":"something_new"}})"
        "\nexpect \"subtype\":\"error\"\nend\nexit 0\n");
    online();
    EXPECT_TRUE(says("something_new"));
}

// Goal: whatever anybody can bring about is answered with nothing that could be taken for the agent's word.
TEST_F(session, answers_under_seal_only_what_used_its_challenge_up)
{
    start(std::string(initialized) + asks_for_make + "end\nexit 0\n");
    auto& socket = online();
    ASSERT_TRUE(asks("t1"));
    const auto yes = verdict("t1", "approved");
    EXPECT_EQ(answer_to(socket, "permission", base64_encode(bytes(80, 1))), "");
    EXPECT_EQ(answer_to(socket, "permission", ""), "");
    EXPECT_EQ(answer_to(socket, "spawn", sealed_call("spawn", json::object(), "")), "");
    EXPECT_EQ(answer_to(socket, "permission", sealed_call("permission", yes, std::string(32, 'a'))), "");
    const auto late = sealed_call("permission", yes, text_at(begin(socket), "challenge"));
    spans.advance(std::chrono::seconds(61));
    EXPECT_EQ(answer_to(socket, "permission", late), "");
    EXPECT_TRUE(state.at("requests").as_object().contains("t1")) << "nothing was done";

    // A browser that was revoked may say no, and nothing else.
    devices.revoke(page.device.public_key());
    const auto refused = call(socket, "permission", yes);
    EXPECT_EQ(text_at(refused, "code"), "forbidden");
    EXPECT_EQ(text_at(call(socket, "set-mode", json::object{{"mode", "plan"}}), "code"), "forbidden");
    EXPECT_EQ(call(socket, "permission", verdict("t1", "denied")), json::object());
}

TEST_F(session, who_begins_learns_where_the_agent_stands)
{
    start(std::string(initialized) + "end\nexit 0\n");
    auto& socket = online();
    ASSERT_TRUE(run_until(io, [&] { return number_at(state, "v") > 0; }));
    const auto before = begin(socket);
    EXPECT_EQ(text_at(before, "challenge").size(), 32u);
    EXPECT_EQ(before.at("v"), state.at("v"));
    EXPECT_EQ(text_at(before, "devices"), devices.digest());
    EXPECT_TRUE(before.at("last").is_null());
    EXPECT_EQ(before.at("unsent"), 0);
    EXPECT_LE(std::abs(number_at(before, "now") - clock.now()), 10'000);
    EXPECT_NE(text_at(begin(socket), "challenge"), text_at(before, "challenge"));

    prompt(socket, "hello");
    ASSERT_TRUE(says("prompt-taken"));
    ASSERT_TRUE(run_until(io, [&] { return begin(socket).at("unsent") == 0; }));
    const auto newest = base64_decode(relay.messages().back().bundle).value();
    EXPECT_EQ(text_at(begin(socket), "last"), base64_encode(e2ee::bundle_claimed_id(newest).value()));
}
