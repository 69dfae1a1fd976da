// The whole agent but for its terminal: a scripted Claude on one side, a played relay on the other.
#include "agent/a_page.hpp"
#include "agent/failing_disk.hpp"
#include "agent/fake_directory.hpp"
#include "agent/fake_socket.hpp"
#include "agent/fresh_directory.hpp"
#include "agent/played_relay.hpp"
#include "agent/run.hpp"
#include "commands/commands.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/ids.hpp"
#include "consortium/common/signed_deletion.hpp"
#include "consortium/e2ee/signed_box.hpp"
#include "e2ee/run_of.hpp"
#include "json_access.hpp"
#include "session_runner.hpp"
#include "trash.hpp"
#include <boost/asio/detached.hpp>
#include <fstream>
#include <gtest/gtest.h>

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::testing;
namespace json = boost::json;

namespace
{

const auto account = to_string(account_id{run_of<16>(0x10)});
constexpr auto initialized =
    "expect \"subtype\":\"initialize\"\n"
    R"(send {"type":"control_response","response":{"subtype":"success","request_id":"$REQUEST_ID","response":{"current_permission_mode":"default"}}})"
    "\n";

class session : public ::testing::Test
{
protected:
    session() { devices.add(page.device.public_key()); }
    void start(const std::string& script, bool resumed = false)
    {
        std::ofstream(place.path() / "script") << script;
        if (!folder)
        {
            session_record record;
            record.tag = "tag";
            record.server_url = relay.url();
            record.account_id = account;
            record.data_key = session_key;
            record.directory = project;
            folder.emplace(session_folder::create(store, record).value());
        }
        ASSERT_TRUE(store.save_device_seed(key_of(0x20)));
        who.server_url = relay.url();
        who.account_id = account;
        who.token = "token";
        who.content_key = content.public_key();
        client = relay_client::make(io.get_executor(), relay.url(), {}).value();
        run_options options;
        options.claude = claude;
        options.environment = {
            "FAKE_CLAUDE_SCRIPT=" + (place.path() / "script").string(), "HOME=" + place.path().string()};
        options.resumed = resumed;
        options.dial = exchange.dialler();
        runner = std::make_unique<session_runner>(
            io.get_executor(), store, who, std::move(*folder), *client, devices, out, clock, spans, std::move(options));
        folder.reset();
        asio::co_spawn(
            io, runner->run(),
            [this](const std::exception_ptr& thrown, int value)
            {
                EXPECT_FALSE(thrown);
                status = value;
            });
    }
    /// What a crash leaves: a session with a prompt in hand. Its uuid for Claude.
    std::string interrupted_with(const std::string& words)
    {
        session_record record;
        record.tag = "tag";
        record.server_url = relay.url();
        record.account_id = account;
        record.data_key = session_key;
        record.directory = place.path();
        record.session_id = sid;
        record.claude_id = "conversation";
        page.until = clock.now() + 600'000;
        const auto prompt = page.prompt(words);
        folder.emplace(session_folder::create(store, record).value());
        prompt_gate gate(*folder, page.account, devices, clock, spans);
        EXPECT_TRUE(gate.look_at(prompt.bundle, 1).refused.empty());
        EXPECT_TRUE(gate.judge().held.empty());
        relay.store(prompt.bundle, "");
        return gate.first_to_run().value().uuid;
    }
    fake_socket& online()
    {
        EXPECT_TRUE(run_until(io, [&] { return !exchange.sockets.empty(); }));
        auto& socket = *exchange.sockets.back();
        socket.acknowledge = [this](const std::string& name, const json::object& value)
        {
            if (name == "message")
                relay.store(text_at(value, "message"), text_at(value, "localId"));
            if (name == "update-state")
            {
                ++states_sent;
                state = json::parse(text(open("agentState", text_at(value, "agentState")))).as_object();
                if (state_refusal)
                    return json::array{json::object{
                        {"result", "error"}, {"message", *state_refusal}, {"code", "too-large"}, {"retry", false}}};
            }
            return json::array{json::object{{"result", "success"}, {"version", ++version}}};
        };
        socket.say("caught-up", json::object{{"log", log_name}, {"revision", 1}});
        return socket;
    }
    bytes open(const std::string& kind, const std::string& bundle)
    {
        return e2ee::bundle_open(session_key, {account, sid, kind}, *base64_decode(bundle)).value().plain;
    }
    /// What the agent said: the value `d` of each of its messages, in order, their chain checked.
    std::vector<json::object> said()
    {
        std::vector<json::object> result;
        e2ee::chain_reader chain;
        for (const auto& each : relay.messages())
        {
            const auto opened = e2ee::bundle_open(session_key, {account, sid, "message"}, *base64_decode(each.bundle));
            if (!opened)
                continue;
            const auto words = e2ee::envelope_parse(opened->plain).value();
            EXPECT_EQ(chain.judge(words), e2ee::chain_verdict::next);
            chain.accept(words, opened->id);
            result.push_back(words.d.as_object());
        }
        return result;
    }
    bool says(const std::string& what, std::chrono::milliseconds limit = std::chrono::seconds(10))
    {
        return run_until(
            io,
            [&]
            {
                for (const auto& each : said())
                {
                    if (json::serialize(each).find(what) != std::string::npos)
                        return true;
                }
                return false;
            },
            limit);
    }
    a_page::sealed prompt(fake_socket& socket, const std::string& words)
    {
        page.until = clock.now() + 600'000;
        const auto sealed = page.prompt(words);
        deliver(socket, sealed.bundle);
        return sealed;
    }
    void deliver(fake_socket& socket, const std::string& bundle)
    {
        relay.store(bundle, "");
        socket.say(
            "update",
            json::object{
                {"seq", 10},
                {"body", json::object{
                             {"t", "new-message"},
                             {"sid", sid},
                             {"message", json::object{
                                             {"seq", relay.messages().size()},
                                             {"content", json::object{{"t", "encrypted"}, {"c", bundle}}}}}}}});
    }
    /// What it acknowledges.
    std::string answer_to(fake_socket& socket, const std::string& method, const std::string& params)
    {
        std::optional<std::string> answer;
        socket.say(
            "rpc-request", json::object{{"method", sid + ":" + method}, {"params", params}},
            [&](const json::array& args) { answer = std::string(args.at(0).as_string()); });
        EXPECT_TRUE(run_until(io, [&] { return answer.has_value(); }));
        return answer.value_or("");
    }
    json::object begin(fake_socket& socket)
    {
        const json::object plain{{"devices", devices.digest()}};
        const auto id = random_array<16>();
        const auto answer =
            answer_to(socket, "begin", page.bundle(id, view(json::serialize(plain)), "rpc-request:begin"));
        return json::parse(text(open("rpc-response:begin", answer))).as_object();
    }
    std::string sealed_call(const std::string& method, json::value d, const std::string& challenge) const
    {
        const auto id = random_array<16>();
        const auto kind = "rpc-request:" + method;
        const auto act =
            e2ee::sign_act(page.device, {page.account, sid, kind, id}, e2ee::call_text({challenge, std::move(d)}));
        return page.bundle(id, view(e2ee::act_plain(act)), kind);
    }
    json::object call(fake_socket& socket, const std::string& method, json::value d)
    {
        const auto challenge = text_at(begin(socket), "challenge");
        const auto answer = answer_to(socket, method, sealed_call(method, std::move(d), challenge));
        return json::parse(text(open("rpc-response:" + method, answer))).as_object();
    }
    /// The verdict on the open question of that id.
    json::object verdict(const std::string& id, const char* decision)
    {
        const auto& request = state.at("requests").at(id).as_object();
        return {
            {"id", id},
            {"ask", e2ee::ask_hash(text_at(request, "ask"))},
            {"decision", decision},
            {"grants", json::array()}};
    }
    bool asks(const std::string& id)
    {
        return run_until(
            io,
            [&]
            {
                const auto* requests = object_at(state, "requests");
                return requests != nullptr && requests->contains(id);
            });
    }
    /// A folder that is not the person's own, with a server in it. What tells that Claude was started there.
    std::filesystem::path in_a_folder_with_servers()
    {
        project = place.path() / "theirs";
        std::filesystem::create_directory(project);
        std::ofstream(project / ".mcp.json") << R"({"mcpServers":{"desk":{"command":"evil"}}})";
        claude = place.path() / "claude";
        const auto started = place.path() / "claude-was-started";
        std::ofstream(claude) << "#!/bin/sh\nprintf '%s\\n' \"$@\" > '" << started.string()
                              << "'\nexec '" FAKE_CLAUDE "' \"$@\"\n";
        std::filesystem::permissions(claude, std::filesystem::perms::owner_all);
        return started;
    }
    /// The id of the one question that is open.
    std::string asked()
    {
        EXPECT_TRUE(run_until(
            io,
            [&]
            {
                const auto* requests = object_at(state, "requests");
                return requests != nullptr && requests->size() == 1;
            }));
        return std::string(state.at("requests").as_object().begin()->key());
    }
    std::vector<json::object> told(const std::string& type)
    {
        std::vector<json::object> result;
        for (const auto& each : said())
        {
            const auto* data = object_at(each.at("content").as_object(), "data");
            if (data != nullptr && text_at(*data, "type") == type)
                result.push_back(*data);
        }
        return result;
    }
    bool ends()
    {
        return run_until(io, [&] { return status.has_value(); });
    }
    void TearDown() override
    {
        if (runner && !status)
        {
            runner->end("the test is over");
            EXPECT_TRUE(ends());
        }
        runner.reset();
    }

    fresh_directory place;
    std::filesystem::path project = place.path();
    std::filesystem::path claude = FAKE_CLAUDE;
    boost::asio::io_context io;
    keystore store = keystore::open(place.path() / "state").value();
    system_clock_source clock;
    screen out;
    played_relay relay;
    fake_exchange exchange;
    key256 session_key = key_of(0x80);
    e2ee::x25519_key content = e2ee::x25519_key::random();
    a_page page{account_id{run_of<16>(0x10)}, sid, session_key};
    fake_directory devices;
    manual_boot_clock spans;
    identity who;
    std::optional<session_folder> folder;
    std::unique_ptr<relay_client> client;
    std::unique_ptr<session_runner> runner;
    json::object state;
    int states_sent = 0;
    /// Why the relay takes no state, while it takes none.
    std::optional<std::string> state_refusal;
    std::int64_t version = 1;
    std::optional<int> status;
};

} // namespace

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

namespace
{
constexpr auto asks_for_make =
    R"(send {"type":"control_request","request_id":"q1","request":{"subtype":"can_use_tool","tool_name":"Bash","input":{"command":"make"},"tool_use_id":"t1"}})"
    "\n";
}

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

// Goal: a state that the relay never takes is not offered for ever in silence: the person learns of it at the terminal,
// in the session and, later, where he asks how it stands.
TEST_F(session, what_the_relay_never_takes_of_it_is_said_in_the_session_and_by_auth_status)
{
    start(std::string(initialized) + asks_for_make + "end\nexit 0\n");
    state_refusal = "a mebibyte";
    auto& socket = online();
    EXPECT_TRUE(says("The relay does not take the state of this session: a mebibyte"));
    const auto status = [&]
    {
        ::testing::internal::CaptureStdout();
        screen terminal;
        surroundings with{io, store, clock, terminal};
        run(io, auth_status(with));
        return ::testing::internal::GetCapturedStdout();
    };
    ASSERT_TRUE(store.save_identity(who));
    const auto words = status();
    EXPECT_NE(words.find("Refused"), std::string::npos) << words;
    EXPECT_NE(words.find("does not take the state of this session: a mebibyte"), std::string::npos) << words;
    EXPECT_EQ(told("message").size(), 1u) << "once";

    // Claude's question is void: the state has changed, is offered again, and now is taken.
    state_refusal.reset();
    const auto tries = states_sent;
    EXPECT_EQ(call(socket, "permission", verdict("t1", "denied")), json::object());
    EXPECT_TRUE(run_until(io, [&] { return states_sent > tries; }));
    EXPECT_TRUE(run_until(io, [&] { return status().find("Refused") == std::string::npos; }));
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

TEST_F(session, what_is_said_while_the_relay_is_away_arrives_afterwards_in_order)
{
    relay.refuse_with = 503;
    start(
        std::string(initialized) +
        R"(send {"type":"result","subtype":"success","is_error":false,"result":"first words"})"
        "\n"
        R"(send {"type":"result","subtype":"success","is_error":false,"result":"second words"})"
        "\nend\nexit 0\n");
    // It cannot have said anything yet; give it the chance to try.
    EXPECT_FALSE(run_until(io, [&] { return !relay.messages().empty(); }, std::chrono::seconds(1)));
    relay.refuse_with = 0;
    online();
    ASSERT_TRUE(says("second words"));
    EXPECT_EQ(text_at(said()[0].at("content").at("data").as_object(), "result"), "first words");
}

// Goal: nothing that somebody on the way says costs a session, a key or a word. Method: each of his answers stands in
// for the relay's, over HTTP and for the dial, while Claude speaks; then the relay is there again.
TEST_F(session, a_proxys_pages_cost_nothing)
{
    const std::vector<net::http_response> pages{
        net::http_response::text(404, "404 page not found\n"),
        net::http_response::with(404, "text/html", std::string("<html><body>Not Found</body></html>")),
        net::http_response::with(200, "text/html", std::string("<html>Sign in to the network</html>")),
        net::http_response::with(302, "text/html", std::string("<a href=\"https://hotel.example\">Found</a>")),
        net::http_response::with(413, "text/html", std::string("<h1>413 Request Entity Too Large</h1>")),
        net::http_response::text(403, ""),
        net::http_response::text(401, ""),
        net::http_response::json(404, R"({"error":"no route","code":"ENOENT","retry":false})"),
        net::http_response::json(404, R"({"message":"Not Found"})"),
        net::http_response::json(200, R"({"ok":true,"messages":[]})"),
        net::http_response::json(401, R"({"error":"unauthorized"})")};
    start(
        std::string(initialized) +
        "expect hello there\n"
        R"(send {"type":"result","subtype":"success","is_error":false,"result":"spoken into the page"})"
        "\nend\nexit 0\n");
    auto& first = online();
    ASSERT_TRUE(run_until(io, [&] { return !state.empty(); }));
    for (int i = 0; i < 3; ++i)
        exchange.failures.push_back(
            relay_failure::not_reached({errc::unavailable, "no WebSocket was opened: HTTP 403", std::nullopt}));
    relay.stand_in_with(pages[0]);
    prompt(first, "hello there");
    first.break_down({errc::closed, "cut", std::nullopt});
    for (const auto& each : pages)
    {
        relay.stand_in_with(each);
        EXPECT_FALSE(run_until(io, [&] { return status.has_value(); }, std::chrono::milliseconds(150))) << each.status;
        EXPECT_EQ(session_folder::list(store).size(), 1u);
    }
    EXPECT_TRUE(list_trash(store).empty());
    relay.stand_in_with(std::nullopt);
    ASSERT_TRUE(run_until(io, [&] { return exchange.sockets.size() == 2; }));
    online();
    EXPECT_TRUE(says("spoken into the page"));
}

TEST_F(session, a_deletion_that_is_not_proved_ends_it_and_keeps_its_key_in_the_trash)
{
    start(std::string(initialized) + "end\nexit 0\n");
    auto& socket = online();
    socket.say("update", json::object{{"seq", 2}, {"body", json::object{{"t", "delete-session"}, {"sid", sid}}}});
    ASSERT_TRUE(ends());
    EXPECT_EQ(status, 0);
    EXPECT_TRUE(session_folder::list(store).empty());
    const auto trash = list_trash(store);
    ASSERT_EQ(trash.size(), 1u);
    EXPECT_EQ(trash[0].session_id, sid);
    EXPECT_EQ(trash[0].why, hearsay::unsigned_deletion);
}

TEST_F(session, a_deletion_that_a_browser_signed_destroys_it_at_once)
{
    start(std::string(initialized) + "end\nexit 0\n");
    auto& socket = online();
    const auto given = sign_deletion(page.device, page.account, parse_uuid<session_id>(sid).value());
    socket.say(
        "update", json::object{
                      {"seq", 2},
                      {"body", json::object{
                                   {"t", "delete-session"},
                                   {"sid", sid},
                                   {"device", base64_encode(given.device)},
                                   {"signature", base64_encode(given.signature)}}}});
    ASSERT_TRUE(ends());
    EXPECT_TRUE(session_folder::list(store).empty());
    EXPECT_TRUE(list_trash(store).empty());
}

TEST_F(session, what_the_relay_itself_refuses_ends_it_and_destroys_nothing)
{
    exchange.failures = {relay_failure{{errc::unauthorized, "no such token", std::nullopt}, /*by_relay=*/true}};
    start(std::string(initialized) + "end\nexit 0\n");
    ASSERT_TRUE(ends());
    EXPECT_EQ(status, 1);
    ASSERT_EQ(list_trash(store).size(), 1u);
    EXPECT_EQ(list_trash(store)[0].why, hearsay::no_access);
}

// Goal: nothing leaves a machine that was revoked, and what Claude does there is nobody's business but the person's.
TEST_F(session, a_machine_that_was_revoked_lets_claude_run)
{
    exchange.failures = {relay_failure{{errc::revoked, "this device was revoked", std::nullopt}, /*by_relay=*/true}};
    start(std::string(initialized) + "end\nexit 0\n");
    ASSERT_TRUE(run_until(io, [&] { return list_trash(store).size() == 1; }));
    EXPECT_EQ(list_trash(store)[0].why, hearsay::device_revoked);
    EXPECT_FALSE(run_until(io, [&] { return status.has_value(); }, std::chrono::seconds(1)));
    runner->interrupt();
    runner->interrupt();
    ASSERT_TRUE(ends());
    EXPECT_EQ(status, 1);
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

// ----------------------------------------------------------------------------------------------------- what it runs in

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

// ------------------------------------------------------------------------------------------------------------ faults

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

// Goal: a relay that shows another session under our random name is neither believed nor a reason to end.
TEST_F(session, another_session_under_its_name_is_asked_about_again)
{
    relay.confuses = true;
    start(
        std::string(initialized) +
        R"(send {"type":"result","subtype":"success","is_error":false,"result":"spoken meanwhile"})"
        "\nend\nexit 0\n");
    EXPECT_TRUE(run_until(io, [&] { return relay.sessions_asked >= 2 || status.has_value(); }));
    EXPECT_FALSE(status.has_value());
    relay.confuses = false;
    online();
    EXPECT_TRUE(says("spoken meanwhile"));
}

TEST_F(session, finds_its_session_again_that_was_made_before_a_crash)
{
    for (const bool again : {false, true})
    {
        start(std::string(initialized) + "end\nexit 0\n", again);
        online();
        runner->end("");
        ASSERT_TRUE(ends());
        runner.reset();
        status.reset();
        exchange.sockets.clear();
        folder.emplace(session_folder::open(store, "tag").value());
        // As if it had crashed before the id was written down.
        EXPECT_EQ(folder->record().session_id, sid);
        folder->record().session_id.clear();
    }
}

std::string turn(const std::string& result)
{
    return R"(send {"type":"system","subtype":"session_state_changed","state":"running"})"
           "\n"
           R"(send {"type":"result","subtype":"success","is_error":false,"result":")" +
           result +
           "\"}\n"
           R"(send {"type":"system","subtype":"session_state_changed","state":"idle"})"
           "\n";
}

// Goal: what the disk refused is nowhere, not even as a hole in what the session said.
TEST_F(session, what_could_not_be_kept_leaves_no_hole)
{
    start(
        std::string(initialized) + "expect first\n" + turn("one") + "expect second\n" + turn("two") + "end\nexit 0\n");
    auto& socket = online();
    prompt(socket, "first");
    ASSERT_TRUE(says("one"));
    {
        int syncs = 0;
        const failing_disk disk([&](std::string_view call) { return call == "fdatasync" && ++syncs > 0 ? ENOSPC : 0; });
        prompt(socket, "second");
        ASSERT_TRUE(run_until(io, [&] { return syncs >= 2; }));
    }
    runner->interrupt(); // says something again
    runner->on_device_alarm({device_finding::lacking, "", 1, 1, 1});
    EXPECT_TRUE(says("could not be written down"));
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
