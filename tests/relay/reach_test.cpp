#include "api/events.hpp"
#include "link/socket_client.hpp"
#include "relay_fixture.hpp"
#include <boost/asio/detached.hpp>
#include <map>
#include <regex>
#include <set>

namespace consortium::relay
{
namespace
{

namespace json = boost::json;

// Goal: what a principal may not touch stays untouched, whichever way it comes.
// Method: every route and every event of the tables is tried by another agent of the account, a revoked device, another
// account and nobody. What each gets is written down here; a route or event that is not fails the test.
class reach_test : public relay_fixture
{
protected:
    reach_test()
    {
        owner = arrive();
        maker = arrive_again(owner, "agent");
        other_agent = arrive_again(owner, "agent");
        revoked = arrive_again(owner, "browser");
        stranger = arrive();

        tag = base64_encode(random_array<12>());
        live = make_session(tag);
        ended = make_session(base64_encode(random_array<12>()));
        EXPECT_EQ(ask("POST", "/v1/sessions/" + ended + "/archive", maker.token).status, 200u);
        machine = "laptop";
        EXPECT_EQ(make_machine(maker).status, 200u);
        say(maker, live, 3);
        revision = last_revision(owner);

        const auto device = ed25519_key::random();
        pairing_request asks{
            .public_key = link,
            .device = device.public_key(),
            .kind = device_kind::agent,
            .sealed_name = "eA==",
            .commit = {},
            .signature = {},
            .mac = {}};
        asks.signature = device.sign(pairing_request_text(asks));
        EXPECT_TRUE(pairings.request(asks, {}));
        const json::object answered{{"publicKey", encoded(link)}, {"response", encoded(bytes(257, 7))}};
        EXPECT_EQ(post("/v1/auth/response", answered, owner.token).status, 200u);
    }

    std::string make_session(const std::string& with)
    {
        const json::object body{{"tag", with}, {"metadata", secret}};
        const auto got = ask("POST", "/v1/sessions", maker.token, json::serialize(body));
        EXPECT_EQ(got.status, 200u) << got.text;
        return std::string(got.body.at("session").as_object().at("id").as_string());
    }
    answer make_machine(const person& who)
    {
        const json::object body{{"id", machine}, {"metadata", secret}};
        return ask("POST", "/v1/machines", who.token, json::serialize(body));
    }
    /// One that is good although another route signed the device out.
    std::string current_token(const person& who)
    {
        const auto claims = token_signer(events->keys().token_seed).verify(who.token);
        if (!claims)
            return who.token;
        const auto holder = find_holder(*events->read(), claims->account, claims->device);
        return tokens->issue({claims->account, claims->device, holder->sign_outs}, clock.now());
    }
    void revoke() { relay_fixture::revoke(owner, revoked); }

    /// All that the four could have changed, as its owner sees it.
    std::string whole_account()
    {
        std::string out;
        for (const auto& path :
             {std::string("/v1/sessions"), std::string("/v1/machines"), std::string("/v1/devices"),
              "/v3/sessions/" + live + "/messages"})
            out += get(path, owner.token).text + "\n";
        // How far the stream has come is no part of it: signing out is an event.
        return std::regex_replace(out, std::regex(R"(,"log":"[^"]*","revision":\d+)"), "");
    }

    person owner, maker, other_agent, revoked, stranger;
    /// Under way, answered by a browser of the owner.
    const x25519_public link = random_array<32>();
    const std::string secret = base64_encode(random_array<30>());
    std::string tag, live, ended, machine;
    std::uint64_t revision = 0;
};

/// What one of them gets: HTTP status, and the error's code unless it is 200.
struct outcome
{
    unsigned status = 0;
    std::string code;
    bool operator==(const outcome&) const = default;
};
std::ostream& operator<<(std::ostream& out, const outcome& value)
{
    return out << value.status << ' ' << value.code;
}
const outcome fine{200, ""};
const outcome hidden{404, "not-found"};
const outcome forbidden{403, "forbidden"};

struct http_expectation
{
    std::string path;
    std::string body;
    outcome other_agent;
    outcome stranger;
    /// anyone: everybody gets what `stranger` gets.
    api::access needs = api::access::token;
};

TEST_F(reach_test, every_route)
{
    revoke();
    const auto text = [](json::object body) { return json::serialize(body); };
    const auto key = base64_encode(random_array<32>());
    const auto pairing = encoded(link);
    const auto metadata = base64_encode(random_array<30>());
    const auto session = "/v1/sessions/" + live;
    const auto unsigned_login = text(
        {{"publicKey", key},
         {"challenge", base64_encode(random_array<64>())},
         {"signature", base64_encode(random_array<64>())}});
    const std::map<std::string, http_expectation> expected = {
        {"POST /v1/auth/challenge",
         {"/v1/auth/challenge", text({{"publicKey", key}, {"origin", "http://localhost"}}), fine, fine,
          api::access::anyone}},
        {"POST /v1/auth", {"/v1/auth", unsigned_login, {401, "expired"}, {401, "expired"}, api::access::anyone}},
        {"POST /v1/auth/logout", {"/v1/auth/logout", {}, fine, fine}},
        {"POST /v1/auth/request",
         {"/v1/auth/request", "{}", {400, "bad-request"}, {400, "bad-request"}, api::access::anyone}},
        {"GET /v1/auth/request/status", {"/v1/auth/request/status", {}, fine, fine, api::access::anyone}},
        {"POST /v1/auth/response",
         {"/v1/auth/response", text({{"publicKey", key}, {"response", encoded(bytes(257, 7))}}), forbidden, hidden}},
        {"POST /v1/auth/reveal",
         {"/v1/auth/reveal", text({{"publicKey", key}, {"nonce", key}}), hidden, hidden, api::access::anyone}},
        {"POST /v1/auth/confirm", {"/v1/auth/confirm", text({{"publicKey", pairing}}), forbidden, hidden}},
        {"POST /v1/auth/refuse",
         {"/v1/auth/refuse", text({{"publicKey", pairing}}), forbidden, hidden, api::access::maybe_token}},
        {"GET /v1/devices", {"/v1/devices", {}, fine, fine, api::access::token_of_revoked}},
        {"POST /v1/devices/statements",
         {"/v1/devices/statements",
          text({{"statements", json::array{key}}}),
          {400, "bad-request"},
          {400, "bad-request"},
          api::access::anyone}},
        {"POST /v1/invitations", {"/v1/invitations", {}, forbidden, fine}},
        {"GET /v1/sessions", {"/v1/sessions", {}, fine, fine}},
        {"GET /v1/sessions/:id", {session, {}, hidden, hidden}},
        {"GET /v2/sessions", {"/v2/sessions", {}, fine, fine}},
        {"POST /v1/sessions", {"/v1/sessions", text({{"tag", tag}, {"metadata", metadata}}), forbidden, fine}},
        {"DELETE /v1/sessions/:id", {session, {}, forbidden, hidden}},
        {"POST /v1/sessions/:id/archive", {session + "/archive", {}, forbidden, hidden}},
        {"GET /v1/sessions/:id/messages", {session + "/messages", {}, hidden, hidden}},
        {"GET /v3/sessions/:id/messages", {"/v3/sessions/" + live + "/messages", {}, hidden, hidden}},
        {"POST /v3/sessions/:id/messages",
         {"/v3/sessions/" + live + "/messages",
          text({{"messages", json::array{json::object{{"content", "eA=="}, {"localId", "x"}}}}}), forbidden, hidden}},
        {"POST /v1/machines", {"/v1/machines", text({{"id", machine}, {"metadata", metadata}}), forbidden, fine}},
        {"GET /v1/machines", {"/v1/machines", {}, fine, fine}},
        {"GET /v1/machines/:id", {"/v1/machines/" + machine, {}, hidden, fine}},       // its own, of the same name
        {"DELETE /v1/machines/:id", {"/v1/machines/" + machine, {}, forbidden, fine}}, // likewise
        {"DELETE /v1/account",
         {"/v1/account", text(signed_challenge(owner.key, stranger.key)), forbidden, {401, "expired"}}},
        {"GET /v1/account/profile", {"/v1/account/profile", {}, fine, fine}},
        {"GET /v1/changes", {"/v1/changes", {}, forbidden, fine}},
        {"GET /health", {"/health", {}, fine, fine, api::access::anyone}},
        {"GET /ready", {"/ready", {}, fine, fine, api::access::anyone}},
        {"GET /v1/log/key", {"/v1/log/key", {}, fine, fine, api::access::anyone}},
        {"GET /v1/log/checkpoint", {"/v1/log/checkpoint", {}, fine, fine}},
        {"GET /v1/log/proof", {"/v1/log/proof?revision=" + std::to_string(revision), {}, hidden, hidden}},
    };
    const auto before = whole_account();
    std::set<std::string> met;
    for (const auto& route : api::all_routes())
    {
        const auto name = std::string(route.method) + " " + std::string(route.pattern);
        met.insert(name);
        const auto wanted = expected.find(name);
        if (wanted == expected.end())
        {
            ADD_FAILURE() << name << ": say here what others get";
            continue;
        }
        const auto& how = wanted->second;
        EXPECT_EQ(route.needs, how.needs) << name;
        const auto attempt = [&](const person& who, const outcome& due, std::string_view by)
        {
            const auto got = ask(std::string(route.method), how.path, current_token(who), how.body);
            EXPECT_EQ((outcome{got.status, got.code()}), due) << name << " by " << by << ": " << got.text;
            EXPECT_FALSE(got.text.contains(secret)) << name << " by " << by << ": " << got.text;
        };
        attempt(other_agent, how.other_agent, "another agent");
        attempt(stranger, how.stranger, "another account");
        const bool open = how.needs == api::access::anyone;
        const bool opens_revoked = open || how.needs == api::access::token_of_revoked;
        attempt(revoked, opens_revoked ? how.stranger : outcome{401, "revoked"}, "a revoked device");
        attempt(person{}, open ? how.stranger : outcome{401, "unauthorized"}, "nobody");
    }
    for (const auto& [name, how] : expected)
        EXPECT_TRUE(met.contains(name)) << name << " is served no more";
    EXPECT_EQ(whole_account(), before);
}

/// A socket of one of them, and what it heard.
struct listener
{
    std::shared_ptr<agent::socket_client> socket;
    std::vector<std::pair<std::string, json::value>> heard;
    bool closed = false;
    std::optional<error> refused;
};

class socket_reach_test : public reach_test
{
protected:
    ~socket_reach_test() override
    {
        for (auto& one : listeners)
            if (one->socket)
                one->socket->close();
        run_for(std::chrono::milliseconds(50));
    }
    listener& connect(const std::string& token, json::object scope = {})
    {
        auto& out = *listeners.emplace_back(std::make_unique<listener>());
        scope["token"] = token;
        agent::socket_client_options options;
        options.server_url = "http://127.0.0.1:" + std::to_string(server->port());
        options.auth = std::move(scope);
        boost::asio::co_spawn(
            context,
            [](agent::socket_client_options with, listener& to) -> boost::asio::awaitable<void>
            {
                auto made = co_await agent::socket_client::connect(
                    std::move(with),
                    {[&to](std::string_view name, json::array& args, agent::socket_client::answer reply)
                     {
                         to.heard.emplace_back(name, args.empty() ? json::value(nullptr) : args.front());
                         if (reply)
                             reply({"served"});
                     },
                     [&to](const error&) { to.closed = true; }});
                if (made)
                    to.socket = std::move(*made);
                else
                    to.refused = made.error();
            }(std::move(options), out),
            boost::asio::detached);
        run_until([&] { return out.socket || out.refused; });
        return out;
    }
    json::value say_event(listener& by, const std::string& name, json::object fields)
    {
        std::optional<result<json::array>> got;
        by.socket->emit_with_ack(
            name, {std::move(fields)}, std::chrono::seconds(15),
            [&](result<json::array> answer) { got = std::move(answer); });
        run_until([&] { return got.has_value(); });
        if (!*got)
            return json::value(got->error().detail);
        return (*got)->empty() ? json::value(nullptr) : (*got)->front();
    }
    void run_until(const std::function<bool()>& done)
    {
        const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!done() && std::chrono::steady_clock::now() < limit)
        {
            context.restart();
            context.run_one_for(std::chrono::milliseconds(20));
        }
        ASSERT_TRUE(done());
    }
    void run_for(std::chrono::milliseconds time)
    {
        context.restart();
        context.run_for(time);
    }

    std::vector<std::unique_ptr<listener>> listeners;
};

std::string code_of(const json::value& said)
{
    const auto* object = said.if_object();
    const auto* code = object ? object->if_contains("code") : nullptr;
    return code ? std::string(code->as_string()) : std::string();
}

TEST_F(socket_reach_test, every_scope_of_socket)
{
    auto& open = connect(revoked.token);
    revoke();
    run_until([&] { return open.closed; });

    const json::object by_user;
    const json::object by_session{{"clientType", "session-scoped"}, {"sessionId", live}};
    const json::object by_machine{{"clientType", "machine-scoped"}, {"machineId", machine}};
    const auto refusal = [&](const person& who, const json::object& scope)
    {
        const auto& got = connect(who.token, scope);
        return got.refused ? std::string(word(got.refused->code)) : std::string("connected");
    };
    person nobody;
    nobody.token = "nonsense";
    for (const auto& scope : {by_user, by_session, by_machine})
    {
        EXPECT_EQ(refusal(revoked, scope), "revoked") << json::serialize(scope);
        EXPECT_EQ(refusal(nobody, scope), "unauthorized") << json::serialize(scope);
        EXPECT_EQ(refusal(maker, scope), "connected") << json::serialize(scope);
    }
    for (const auto* who : {&other_agent, &stranger})
    {
        EXPECT_EQ(refusal(*who, by_user), "connected");
        EXPECT_EQ(refusal(*who, by_session), "not-found");
    }
    EXPECT_EQ(refusal(other_agent, by_machine), "not-found");
    EXPECT_EQ(refusal(stranger, by_machine), "connected") << "its own of that name, which may come";
}

TEST_F(socket_reach_test, every_event)
{
    auto& serving = connect(maker.token);
    const auto method = live + ":permission";
    say_event(serving, "rpc-register", {{"method", method}});

    struct expectation
    {
        json::object fields;
        std::string other_agent; ///< the acknowledgement's code
        std::string stranger;
    };
    const json::object message{{"sid", live}, {"message", "eA=="}};
    const auto now = clock.now();
    const std::map<std::string, expectation> expected = {
        {"ping", {{}, "", ""}},
        {"app-state", {{}, "", ""}},
        {"message", {message, "forbidden", "not-found"}},
        {"stream", {{{"sid", live}, {"c", "eA=="}}, "not-found", "not-found"}},
        {"update-metadata", {{{"sid", live}, {"metadata", "x"}, {"expectedVersion", 1}}, "forbidden", "not-found"}},
        {"update-state", {{{"sid", live}, {"agentState", "x"}, {"expectedVersion", 0}}, "forbidden", "not-found"}},
        {"machine-update-metadata",
         {{{"machineId", machine}, {"metadata", "x"}, {"expectedVersion", 1}}, "forbidden", "not-found"}},
        {"machine-update-state",
         {{{"machineId", machine}, {"daemonState", "x"}, {"expectedVersion", 0}}, "forbidden", "not-found"}},
        {"session-lease", {{{"sid", live}}, "forbidden", "not-found"}},
        // These say nothing; whether something happened is seen in the account.
        {"session-alive", {{{"sid", ended}, {"time", now}}, "", ""}},
        {"session-end", {{{"sid", live}, {"time", now}}, "", ""}},
        {"machine-alive", {{{"machineId", machine}, {"time", now}}, "", ""}},
        {"rpc-register", {{{"method", live + ":taken"}}, "", ""}},
        {"rpc-unregister", {{{"method", method}}, "", ""}},
        {"rpc-call", {{{"method", method}, {"params", ""}}, "not-found", "not-found"}},
    };
    auto& agent = connect(other_agent.token);
    auto& foreign = connect(stranger.token);
    auto& watching = connect(owner.token);
    const auto before = whole_account();
    std::set<std::string> met;
    for (const auto& event : api::all_events())
    {
        const std::string name(event.name);
        met.insert(name);
        const auto wanted = expected.find(name);
        if (wanted == expected.end())
        {
            ADD_FAILURE() << name << ": say here what others get";
            continue;
        }
        EXPECT_EQ(code_of(say_event(agent, name, wanted->second.fields)), wanted->second.other_agent) << name;
        EXPECT_EQ(code_of(say_event(foreign, name, wanted->second.fields)), wanted->second.stranger) << name;
    }
    for (const auto& [name, how] : expected)
        EXPECT_TRUE(met.contains(name)) << name << " is heard no more";
    for (auto* by : {&agent, &foreign, &watching})
        say_event(*by, "ping", {});

    EXPECT_EQ(whole_account(), before);
    EXPECT_TRUE(watching.heard.empty()) << watching.heard.front().first;
    EXPECT_EQ(agent.heard.size(), 2u) << "the refusal to serve, and that it serves no more";
    EXPECT_EQ(agent.heard.front().first, "rpc-error");
    EXPECT_EQ(code_of(agent.heard.front().second), "forbidden");
    // Its maker serves still, and nobody took the other one.
    EXPECT_EQ(say_event(watching, "rpc-call", {{"method", method}, {"params", ""}}).at("result"), "served");
    EXPECT_EQ(code_of(say_event(watching, "rpc-call", {{"method", live + ":taken"}, {"params", ""}})), "not-found");
}

} // namespace
} // namespace consortium::relay
