#pragma once
#include "agent/a_page.hpp"
#include "agent/fake_directory.hpp"
#include "agent/fake_socket.hpp"
#include "agent/fresh_directory.hpp"
#include "agent/played_relay.hpp"
#include "agent/run.hpp"
#include "base/json_access.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/ids.hpp"
#include "e2ee/run_of.hpp"
#include "session/session_runner.hpp"
#include <boost/asio/detached.hpp>
#include <fstream>
#include <gtest/gtest.h>

namespace consortium::agent::testing
{

inline const auto account = to_string(account_id{run_of<16>(0x10)});
inline constexpr auto initialized =
    "expect \"subtype\":\"initialize\"\n"
    R"(send {"type":"control_response","response":{"subtype":"success","request_id":"$REQUEST_ID","response":{"current_permission_mode":"default"}}})"
    "\n";

inline constexpr auto asks_for_make =
    R"(send {"type":"control_request","request_id":"q1","request":{"subtype":"can_use_tool","tool_name":"Bash","input":{"command":"make"},"tool_use_id":"t1"}})"
    "\n";

/// A session with a scripted Claude on one side and a played relay on the other: the whole agent but for its terminal.
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

} // namespace consortium::agent::testing
