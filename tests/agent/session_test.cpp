// A session from its start to its end.
#include "agent/session_fixture.hpp"
#include "consortium/e2ee/signed_box.hpp"
#include <fstream>

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::testing;
namespace json = boost::json;

TEST_F(session, is_made_for_the_account_and_relays_a_turn)
{
    start(
        std::string(initialized) +
        "expect hello there\n"
        R"(send {"type":"command_lifecycle","command_uuid":"$UUID","state":"started"})"
        "\n"
        R"(send {"type":"system","subtype":"session_state_changed","state":"running"})"
        "\n"
        R"(send {"type":"assistant","message":{"id":"m1","content":[{"type":"text","text":"good day"}]},"parent_tool_use_id":null})"
        "\n"
        R"(send {"type":"result","subtype":"success","is_error":false,"result":"good day"})"
        "\n"
        R"(send {"type":"system","subtype":"session_state_changed","state":"idle"})"
        "\nend\nexit 0\n");
    auto& socket = online();
    const auto made = relay.created();
    EXPECT_EQ(text_at(made, "tag"), "tag");
    const auto key =
        e2ee::open_data_key(
            content, parse_uuid<account_id>(account).value(), "session", text_at(made, "dataEncryptionKey"))
            .value();
    EXPECT_EQ(key.data_key, session_key);
    EXPECT_EQ(key.device, ed25519_key::from_seed(key_of(0x20)).public_key());
    ASSERT_TRUE(run_until(io, [&] { return number_at(state, "v") > 0; }));

    prompt(socket, "hello there");
    ASSERT_TRUE(says("\"ready\""));
    const auto words = said();
    std::vector<std::string> order;
    for (const auto& each : words)
    {
        const auto& content_of = each.at("content").as_object();
        const auto& data = content_of.at("data").as_object();
        order.push_back(text_at(data, "type"));
    }
    EXPECT_EQ(order, (std::vector<std::string>{"prompt-taken", "assistant", "result", "ready"}));
    EXPECT_EQ(words[1].at("meta").at("block"), "m1:0");
    EXPECT_TRUE(std::ranges::any_of(
        socket.emitted,
        [](const auto& each) { return each.first == "session-alive" && flag_at(each.second, "thinking"); }))
        << "told at once that it works";
}

TEST_F(session, a_new_server_of_a_trusted_folder_runs_only_where_a_person_allows_it)
{
    const auto started = in_a_folder_with_servers();
    const json::object trusted{{"hasTrustDialogAccepted", true}};
    std::ofstream(place.path() / ".claude.json")
        << json::serialize(json::object{{"projects", json::object{{project.string(), trusted}}}});
    start(std::string(initialized) + "end\nexit 0\n");
    auto& socket = online();
    const auto id = asked();
    const auto ask = json::parse(text_at(state.at("requests").at(id).as_object(), "ask")).as_object();
    EXPECT_EQ(text_at(ask, "tool"), "server");
    EXPECT_EQ(text_at(*object_at(ask, "arguments"), "server"), "desk");
    EXPECT_FALSE(std::filesystem::exists(started));

    EXPECT_EQ(call(socket, "permission", verdict(id, "denied")), json::object());
    const auto arguments = [&]
    {
        std::ifstream file(started);
        return std::string{std::istreambuf_iterator<char>(file), {}};
    };
    EXPECT_TRUE(run_until(io, [&] { return arguments().contains(R"("disabledMcpjsonServers":["desk"])"); }))
        << arguments();
    ASSERT_TRUE(run_until(io, [&] { return object_at(state, "requests")->empty(); }));
    EXPECT_EQ(told("approval").size(), 1u);
    const auto kept = store.load_object("servers.json").value().value();
    EXPECT_EQ(kept.at("files").at((project / ".mcp.json").string()).at("server desk").at("runs"), false);
}

// Goal: no word about the folder covers a plugin that came later, and a no to one holds for what it was.
TEST_F(session, a_new_plugin_of_a_trusted_folder_runs_only_where_a_person_allows_it)
{
    const auto started = in_a_folder_with_servers();
    std::filesystem::remove(project / ".mcp.json");
    const auto manifest = project / ".claude" / "skills" / "late" / ".claude-plugin" / "plugin.json";
    std::filesystem::create_directories(manifest.parent_path());
    std::ofstream(manifest) << R"({"name":"late"})";
    const json::object trusted{{"hasTrustDialogAccepted", true}};
    std::ofstream(place.path() / ".claude.json")
        << json::serialize(json::object{{"projects", json::object{{project.string(), trusted}}}});
    start(std::string(initialized) + "end\nexit 0\n");
    auto& socket = online();
    const auto id = asked();
    const auto ask = json::parse(text_at(state.at("requests").at(id).as_object(), "ask")).as_object();
    EXPECT_EQ(text_at(ask, "tool"), "plugin");
    EXPECT_EQ(text_at(*object_at(ask, "arguments"), "plugin"), "late@skills-dir");
    EXPECT_FALSE(std::filesystem::exists(started));

    EXPECT_EQ(call(socket, "permission", verdict(id, "denied")), json::object());
    const auto arguments = [&]
    {
        std::ifstream file(started);
        return std::string{std::istreambuf_iterator<char>(file), {}};
    };
    EXPECT_TRUE(run_until(io, [&] { return arguments().contains(R"("enabledPlugins":{"late@skills-dir":false})"); }))
        << arguments();
    ASSERT_TRUE(run_until(io, [&] { return object_at(state, "requests")->empty(); }));
    EXPECT_EQ(told("approval").size(), 1u);
    std::ifstream as_before(manifest);
    EXPECT_EQ((std::string{std::istreambuf_iterator<char>(as_before), {}}), R"({"name":"late"})");
}

// Goal: nothing runs in the background of a session that has ended, whatever Claude Code said of it while it ended.
TEST_F(session, that_has_ended_has_nothing_in_the_background)
{
    const std::string tasks =
        R"(send {"type":"system","subtype":"background_tasks_changed","tasks":[{"task_id":"b","task_type":"local_bash","description":"Serve"}]})"
        "\n";
    start(std::string(initialized) + tasks + "end\n" + tasks + "exit 0\n");
    online();
    const auto background = [&]
    {
        const auto* list = array_at(state, "background");
        return list != nullptr ? list->size() : 0;
    };
    ASSERT_TRUE(run_until(io, [&] { return background() == 1; }));
    runner->end("");
    ASSERT_TRUE(ends());
    EXPECT_EQ(background(), 0u);
}

TEST_F(session, ends_in_order_and_is_not_resumed)
{
    start(std::string(initialized) + "end\nexit 0\n");
    auto& socket = online();
    ASSERT_TRUE(run_until(io, [&] { return number_at(state, "v") > 0; }));
    EXPECT_EQ(call(socket, "killSession", json::object()), json::object());
    ASSERT_TRUE(ends());
    EXPECT_EQ(socket.emitted.back().first, "session-end");
    ASSERT_EQ(told("ended").size(), 1u);
    EXPECT_EQ(text_at(told("ended")[0], "why"), "dashboard");
    EXPECT_TRUE(told("resumed").empty());
    runner.reset();
    identity mine = who;
    EXPECT_FALSE(find_interrupted(store, place.path(), mine));
    EXPECT_EQ(session_folder::list(store).size(), 1u) << "its key stays until it is deleted";
}

// Goal: what ended in order is the same session when it is taken up again, and says so; so does what a crash left.
TEST_F(session, goes_on_after_its_end_and_says_after_what)
{
    for (const auto* after : {"", "end", "crash"})
    {
        start(std::string(initialized) + "end\nexit 0\n", /*resumed=*/*after != '\0');
        online();
        if (*after != '\0')
            ASSERT_TRUE(run_until(
                io, [&] { return !told("resumed").empty() && text_at(told("resumed").back(), "after") == after; }));
        runner->end("");
        ASSERT_TRUE(ends());
        runner.reset();
        status.reset();
        exchange.sockets.clear();
        ASSERT_FALSE(session_folder::open(store, "other"));
        folder.emplace(find_session(store, sid, who).value());
        EXPECT_TRUE(folder->record().ended);
        EXPECT_GT(folder->record().ended_at, 0);
        folder->record().claude_id.clear(); // nothing was asked of it, so that there is nothing to resume
        folder->record().ended = std::string_view(after) != "end";
        EXPECT_EQ(sessions_of(store, place.path(), who).size(), 1u);
    }
    EXPECT_EQ(told("resumed").size(), 2u);
    EXPECT_EQ(told("ended").size(), 3u);
    folder.reset();
}

// Goal: a conversation that is older than its session is shown in it, once, and before anything else.
TEST_F(session, shows_what_was_said_before_it_began)
{
    const auto transcript = place.path() / ".claude/projects/-here/conversation.jsonl";
    std::filesystem::create_directories(transcript.parent_path());
    for (int i = 0; i < 8; ++i)
        std::ofstream(transcript, std::ios::app) << R"({"type":"user","uuid":"u)" << i
                                                 << R"(","timestamp":"2026-11-23T05:27:04.616Z","message":{"content":")"
                                                 << std::string(60'000, 'x') << "\"}}\n";
    session_record record;
    record.tag = "tag";
    record.server_url = relay.url();
    record.account_id = account;
    record.data_key = session_key;
    record.directory = place.path();
    record.claude_id = "conversation";
    record.earlier = "conversation";
    folder.emplace(session_folder::create(store, record).value());
    for (const bool again : {false, true})
    {
        start("argument --resume\nargument conversation\n" + std::string(initialized) + "end\nexit 0\n", again);
        online();
        ASSERT_TRUE(run_until(io, [&] { return told("earlier").size() >= 2; }));
        runner->end("");
        ASSERT_TRUE(ends());
        runner.reset();
        status.reset();
        exchange.sockets.clear();
        folder.emplace(session_folder::open(store, "tag").value());
        EXPECT_TRUE(folder->record().earlier.empty());
        const auto parts = told("earlier");
        ASSERT_EQ(parts.size(), 2u);
        EXPECT_EQ(text_at(said()[0].at("content").as_object().at("data").as_object(), "type"), "earlier");
        std::size_t lines = 0;
        for (const auto& each : parts)
        {
            lines += array_at(each, "lines")->size();
            EXPECT_EQ(number_at(each, "parts"), 2);
            EXPECT_FALSE(flag_at(each, "meanwhile"));
        }
        EXPECT_EQ(lines, 8u);
    }
    // Said elsewhere, after Consortium's own had ended.
    std::ofstream(transcript, std::ios::app)
        << R"({"type":"user","uuid":"later","timestamp":"2199-11-23T05:27:04.616Z","message":{"content":"aside"}})"
        << "\n";
    start("argument --resume\nargument conversation\n" + std::string(initialized) + "end\nexit 0\n", /*resumed=*/true);
    online();
    ASSERT_TRUE(run_until(io, [&] { return told("earlier").size() == 3; }));
    EXPECT_TRUE(flag_at(told("earlier")[2], "meanwhile"));
    EXPECT_EQ(array_at(told("earlier")[2], "lines")->size(), 1u);
}

TEST_F(session, claude_ending_by_itself_is_said_plainly)
{
    start(std::string(initialized) + "expect go\nerror something broke inside\nexit 7\n");
    prompt(online(), "go");
    ASSERT_TRUE(ends());
    EXPECT_EQ(status, 1);
    EXPECT_TRUE(says("something broke inside"));
}

// Goal: that nobody is logged in is taken from Claude's mark, not from what an answer says.
TEST_F(session, says_that_claude_is_not_logged_in_where_claude_marks_it)
{
    for (const bool marked : {false, true})
    {
        start(
            std::string(initialized) +
                R"(send {"type":"assistant","message":{"id":"m","content":[{"type":"text","text":"Invalid API key: run /login"}]})" +
                (marked ? R"(,"error":"authentication_failed")" : "") +
                "}\n"
                R"(send {"type":"result","is_error":true,"result":"Invalid API key: run /login"})"
                "\nend\nexit 0\n",
            /*resumed=*/marked);
        online();
        ASSERT_TRUE(run_until(io, [&] { return said().size() >= (marked ? 6u : 2u); }));
        runner->end("");
        ASSERT_TRUE(ends());
        EXPECT_EQ(told("message").size(), marked ? 1u : 0u);
        runner.reset();
        status.reset();
        exchange.sockets.clear();
        folder.emplace(session_folder::open(store, "tag").value());
        folder->record().claude_id.clear();
    }
    folder.reset();
}

TEST_F(session, what_fails_inside_is_said_in_its_words)
{
    exchange.thrown = "a socket with \x1b[2J two ends";
    ::testing::internal::CaptureStdout();
    start(std::string(initialized) + "end\nexit 0\n");
    EXPECT_TRUE(ends());
    const auto printed = ::testing::internal::GetCapturedStdout();
    EXPECT_NE(printed.find("two ends"), std::string::npos) << printed;
    EXPECT_EQ(printed.find("\x1b[2J"), std::string::npos);
}

TEST_F(session, a_conversation_that_cannot_be_resumed_begins_under_another_id)
{
    interrupted_with("left behind");
    // It ends as Claude Code does; the next one is not asked to resume.
    start(
        "unless --session-id send "
        R"({"type":"result","is_error":true,"errors":["No conversation found with session ID: conversation"]})"
        "\nunless --session-id exit 1\n" +
            std::string(initialized) +
            "expect left behind\n"
            R"(send {"type":"result","subtype":"success","is_error":false,"result":"done after all"})"
            "\nend\nexit 0\n",
        /*resumed=*/true);
    online();
    EXPECT_TRUE(says("done after all"));
    runner->end("");
    ASSERT_TRUE(ends());
    runner.reset();
    const auto record = session_folder::open(store, "tag").value().record();
    EXPECT_TRUE(parse_uuid<message_id>(record.claude_id)) << record.claude_id;
}
