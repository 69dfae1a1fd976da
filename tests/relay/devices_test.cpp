#include "relay_fixture.hpp"

/// Sign-in, the chain of devices, pairing, tokens and signed deletions over HTTP: what is right is taken once, and each
/// refusal says its word and changes nothing.
namespace consortium::relay
{
namespace
{

namespace json = boost::json;
namespace v1 = protocol::v1;

class devices_test : public relay_fixture
{
protected:
    person newcomer(const person& of, device_kind kind = device_kind::browser)
    {
        return {.key = of.key, .device = ed25519_key::random(), .kind = kind, .account = {}, .token = {}};
    }
    static bytes challenge_in(const answer& said)
    {
        return base64_decode(std::string(said.body.at("challenge").as_string())).value();
    }
    static account_id account_in(const answer& said)
    {
        return *parse_uuid<account_id>(std::string(said.body.at("accountId").as_string()));
    }
    /// Asks to sign in without a statement.
    answer knock(const person& who, bool create = false)
    {
        auto body = login_body(who, challenge_for(who.key));
        if (create)
            body["create"] = true;
        return post("/v1/auth", body);
    }
    /// Signs in under the challenge of a conflict.
    answer enter(const person& who, const answer& offered, byte_view statement, bool create = false)
    {
        auto body = login_body(who, challenge_in(offered));
        body["statement"] = encoded(statement);
        if (create)
            body["create"] = true;
        return post("/v1/auth", body);
    }
    answer sign_in_alone(const person& who, account_id account)
    {
        return sign_in_alone(who, account, challenge_for(who.device), who.device);
    }
    answer sign_in_alone(const person& who, account_id account, const bytes& challenge, const ed25519_key& by)
    {
        auto text = challenge;
        append(text, byte_view(who.device.public_key()));
        return post(
            "/v1/auth", {{"accountId", to_string(account)},
                         {"device", claim_of(who)},
                         {"challenge", encoded(challenge)},
                         {"deviceSignature", encoded(by.sign(text))}});
    }
    static std::string token_in(const answer& said) { return std::string(said.body.at("token").as_string()); }
    answer log_out(const std::string& token) { return ask("POST", "/v1/auth/logout", token); }
};

TEST_F(devices_test, an_account_is_made_only_where_that_is_asked_for)
{
    const person who;
    EXPECT_EQ(knock(who).code(), "not-found");
    EXPECT_EQ(knock(who).code(), "not-found") << "nothing was made";

    const auto offered = knock(who, /*create=*/true);
    EXPECT_EQ(offered.status, 409u);
    EXPECT_EQ(offered.code(), "conflict");
    EXPECT_TRUE(statements_of(offered).empty());
    EXPECT_EQ(knock(who).code(), "not-found") << "nothing was made";

    const auto account = account_in(offered);
    const auto got = enter(who, offered, next_statement({}, account, who.key, who), /*create=*/true);
    ASSERT_EQ(got.status, 200u) << got.text;
    EXPECT_EQ(account_in(got), account);
    EXPECT_EQ(statements_of(get("/v1/devices", token_in(got))).size(), 1u);
}

TEST_F(devices_test, a_new_account_has_the_id_that_belongs_to_its_challenge)
{
    const person who;
    const auto first = knock(who, true);
    const auto second = knock(who, true);
    EXPECT_NE(account_in(first), account_in(second));
    const auto foreign = next_statement({}, account_in(first), who.key, who);
    EXPECT_EQ(enter(who, second, foreign, true).code(), "bad-request");
    EXPECT_EQ(knock(who).code(), "not-found");
    EXPECT_EQ(enter(who, first, foreign, /*create=*/false).code(), "not-found");
    EXPECT_EQ(enter(who, first, foreign, true).code(), "expired") << "its challenge is used up";
}

TEST_F(devices_test, a_device_enters_by_the_next_statement_and_no_other)
{
    const auto owner = arrive();
    const auto stranger = arrive();
    const auto chain = chain_of(owner);
    const auto who = newcomer(owner);
    const auto offered = knock(who);
    EXPECT_EQ(account_in(offered), owner.account);
    EXPECT_EQ(statements_of(offered), chain);

    const auto tried = [&](const bytes& statement) { return enter(who, knock(who), statement); };
    const auto good = next_statement(chain, owner.account, owner.key, who);
    const auto refused = [&](const bytes& statement, std::string_view code)
    {
        const auto got = tried(statement);
        EXPECT_EQ(got.code(), code) << got.text;
        EXPECT_EQ(got.body.contains("statements"), code == "conflict") << got.text;
        EXPECT_EQ(chain_of(owner), chain);
        return got;
    };
    refused(next_statement(chain, owner.account, stranger.key, who), "bad-request");
    refused(next_statement(chain, stranger.account, owner.key, who), "bad-request");
    refused(next_statement(chain, owner.account, owner.key, newcomer(owner)), "bad-request");
    refused(next_statement(chain, owner.account, owner.key, owner, statement_action::revoke), "bad-request");
    auto as_agent = who;
    as_agent.kind = device_kind::agent;
    refused(next_statement(chain, owner.account, owner.key, as_agent), "bad-request");
    refused(bytes(100, 1), "bad-request");
    auto longer = good;
    longer.push_back(0);
    refused(longer, "bad-request");
    auto broken = good;
    broken.back() ^= 1;
    refused(broken, "bad-request");
    refused(next_statement({}, owner.account, owner.key, who), "conflict");
    const auto too_early = refused(next_statement({chain[0], good}, owner.account, owner.key, who), "conflict");

    // What a conflict hands out is what is needed to get in.
    const auto got = enter(who, too_early, next_statement(statements_of(too_early), owner.account, owner.key, who));
    ASSERT_EQ(got.status, 200u) << got.text;
    EXPECT_EQ(chain_of(owner).size(), 2u);
}

TEST_F(devices_test, a_device_of_the_chain_needs_no_statement_and_is_never_added_twice)
{
    const auto owner = arrive();
    const auto again = knock(owner);
    ASSERT_EQ(again.status, 200u) << again.text;
    EXPECT_EQ(account_in(again), owner.account);
    const auto chain = chain_of(owner);
    auto body = login_body(owner, challenge_for(owner.key));
    body["statement"] = encoded(chain[0]);
    EXPECT_EQ(post("/v1/auth", body).status, 200u) << "the answer to the first was lost";
    EXPECT_EQ(chain_of(owner), chain);
    auto other_kind = owner;
    other_kind.kind = device_kind::agent;
    const auto got = knock(other_kind);
    EXPECT_EQ(got.code(), "conflict");
    EXPECT_FALSE(got.body.contains("statements"));
}

TEST_F(devices_test, both_keys_sign_and_a_challenge_is_good_once)
{
    const auto owner = arrive();
    const auto stranger = arrive();
    const auto challenge = challenge_for(owner.key);
    const auto good = login_body(owner, challenge);
    for (const auto* field : {"signature", "deviceSignature"})
    {
        auto body = good;
        auto text = challenge;
        append(text, byte_view(owner.device.public_key()));
        for (const auto& by : {stranger.key.sign(text), owner.key.sign(challenge), owner.device.sign(challenge)})
        {
            body[field] = encoded(by);
            EXPECT_EQ(post("/v1/auth", body).code(), "unauthorized") << field;
        }
    }
    EXPECT_EQ(post("/v1/auth", login_body(owner, challenge_for(stranger.key))).code(), "expired");
    EXPECT_EQ(post("/v1/auth", login_body(owner, bytes(100, 1))).code(), "expired");
    EXPECT_EQ(post("/v1/auth", good).status, 200u) << "what failed used nothing up";
    EXPECT_EQ(post("/v1/auth", good).code(), "expired");
    auto body = login_body(owner, challenge_for(owner.key));
    body["account"] = to_string(stranger.account);
    EXPECT_EQ(post("/v1/auth", body).code(), "not-found");
}

TEST_F(devices_test, a_device_signs_in_alone)
{
    const auto owner = arrive();
    const auto agent = arrive_again(owner, "agent");
    const auto stranger = arrive();
    for (const auto* who : {&owner, &agent})
    {
        const auto got = sign_in_alone(*who, owner.account);
        ASSERT_EQ(got.status, 200u) << got.text;
        EXPECT_EQ(account_in(got), owner.account);
        EXPECT_EQ(get("/v1/sessions", token_in(got)).status, 200u);
    }
    EXPECT_EQ(sign_in_alone(agent, stranger.account).code(), "not-found");
    EXPECT_EQ(sign_in_alone(agent, account_id{make_uuid_v7(1)}).code(), "not-found");
    EXPECT_EQ(sign_in_alone(newcomer(owner), owner.account).code(), "not-found");
    auto other_kind = agent;
    other_kind.kind = device_kind::browser;
    EXPECT_EQ(sign_in_alone(other_kind, owner.account).code(), "not-found");
    EXPECT_EQ(sign_in_alone(agent, owner.account, challenge_for(agent.device), owner.device).code(), "unauthorized");
    EXPECT_EQ(sign_in_alone(agent, owner.account, challenge_for(owner.key), agent.device).code(), "expired");
    const auto challenge = challenge_for(agent.device);
    EXPECT_EQ(sign_in_alone(agent, owner.account, challenge, agent.device).status, 200u);
    EXPECT_EQ(sign_in_alone(agent, owner.account, challenge, agent.device).code(), "expired");
    revoke(owner, agent);
    EXPECT_EQ(sign_in_alone(agent, owner.account).code(), "revoked");
}

TEST_F(devices_test, a_login_without_a_device_makes_its_account_and_is_in_no_chain)
{
    person who;
    sign_in(who, "");
    const auto devices = get("/v1/devices", who.token);
    EXPECT_TRUE(statements_of(devices).empty());
    const auto& only = devices.body.at("devices").as_array().at(0).as_object();
    EXPECT_EQ(only.at("kind"), "unnamed");
    EXPECT_EQ(only.at("stated"), false);
    EXPECT_TRUE(only.at("publicKey").is_null());
    const auto account = who.account;
    sign_in(who, "");
    EXPECT_EQ(who.account, account);
    // A device joins the same account by the chain's first statement.
    const auto browser = newcomer(who);
    const auto offered = knock(browser);
    EXPECT_EQ(account_in(offered), account);
    EXPECT_EQ(enter(browser, offered, next_statement({}, account, who.key, browser)).status, 200u);
}

TEST_F(devices_test, the_list_says_what_the_chain_says)
{
    const auto owner = arrive();
    const auto agent = arrive_again(owner, "agent");
    const auto seen_by_agent = get("/v1/devices", agent.token);
    EXPECT_EQ(seen_by_agent.text, get("/v1/devices", owner.token).text);
    device_chain chain(owner.account, owner.key.public_key());
    ASSERT_TRUE(chain.append(statements_of(seen_by_agent)));
    EXPECT_EQ(chain.find(agent.device.public_key())->kind, device_kind::agent);
    const auto& devices = seen_by_agent.body.at("devices").as_array();
    ASSERT_EQ(devices.size(), 2u);
    const auto& second = devices[1].as_object();
    EXPECT_EQ(second.at("publicKey"), json::value(encoded(agent.device.public_key())));
    EXPECT_EQ(second.at("kind"), "agent");
    EXPECT_EQ(second.at("stated"), true);
    EXPECT_TRUE(second.at("revokedAt").is_null());
    EXPECT_FALSE(second.contains("sealedName"));
}

TEST_F(devices_test, statements_prove_themselves_and_come_twice_without_harm)
{
    const auto owner = arrive();
    const auto agent = arrive_again(owner, "agent");
    const auto stranger = arrive();
    const auto chain = chain_of(owner);
    const auto gone = next_statement(chain, owner.account, owner.key, agent, statement_action::revoke);
    const auto expect_refused = [&](const answer& got, std::string_view code)
    {
        EXPECT_EQ(got.code(), code) << got.text;
        EXPECT_EQ(chain_of(owner), chain);
    };
    expect_refused(
        post_statement(next_statement(chain, owner.account, stranger.key, agent, statement_action::revoke)),
        "bad-request");
    expect_refused(
        post_statement(next_statement(chain, account_id{make_uuid_v7(1)}, owner.key, newcomer(owner))), "not-found");
    expect_refused(
        post_statement(next_statement(chain, owner.account, owner.key, newcomer(owner), statement_action::revoke)),
        "bad-request");
    expect_refused(post_statement(next_statement(chain, owner.account, owner.key, agent)), "bad-request");
    expect_refused(post_statement(bytes(200, 3)), "bad-request");
    const auto early =
        post_statement(next_statement({chain[0]}, owner.account, owner.key, agent, statement_action::revoke));
    expect_refused(early, "conflict");
    EXPECT_EQ(statements_of(early), chain);
    // What stands before an invalid one is taken.
    EXPECT_EQ(
        post("/v1/devices/statements", {{"statements", json::array{encoded(gone), encoded(bytes(200, 3))}}}).code(),
        "bad-request");
    EXPECT_EQ(chain_of(owner).size(), 3u);
    for (int i = 0; i < 2; ++i)
        EXPECT_EQ(post_statement(gone).status, 200u);
    EXPECT_EQ(
        post(
            "/v1/devices/statements",
            {{"statements", json::array{encoded(chain[0]), encoded(chain[1]), encoded(gone)}}})
            .status,
        200u);
    EXPECT_EQ(chain_of(owner).size(), 3u);
    // A key that was revoked never comes back.
    EXPECT_EQ(post_statement(next_statement(chain_of(owner), owner.account, owner.key, agent)).code(), "bad-request");
}

TEST_F(devices_test, more_statements_than_one_commit_holds)
{
    const auto owner = arrive();
    auto chain = chain_of(owner);
    json::array statements;
    while (chain.size() < limits::statements_per_commit_max + 50)
    {
        chain.push_back(next_statement(chain, owner.account, owner.key, newcomer(owner, device_kind::agent)));
        statements.push_back(json::string(encoded(chain.back())));
    }
    const auto got = post("/v1/devices/statements", {{"statements", statements}});
    EXPECT_EQ(got.status, 200u) << got.text;
    EXPECT_EQ(chain_of(owner), chain);
    EXPECT_EQ(post("/v1/devices/statements", {{"statements", statements}}).status, 200u);
    EXPECT_EQ(chain_of(owner), chain);
}

TEST_F(devices_test, a_revoked_device_reads_why_and_nothing_else)
{
    const auto owner = arrive();
    const auto gone = arrive_again(owner, "browser");
    revoke(owner, gone);
    EXPECT_EQ(get("/v1/sessions", gone.token).code(), "revoked");
    EXPECT_EQ(log_out(gone.token).code(), "revoked");
    const auto devices = get("/v1/devices", gone.token);
    EXPECT_EQ(devices.status, 200u);
    EXPECT_EQ(statements_of(devices), chain_of(owner));
    EXPECT_FALSE(devices.body.at("devices").as_array().at(1).as_object().at("revokedAt").is_null());
    EXPECT_EQ(get("/v1/devices", "nonsense").code(), "unauthorized");
    EXPECT_EQ(get("/v1/devices", {}).code(), "unauthorized");
    EXPECT_EQ(knock(gone).code(), "revoked");
    auto body = login_body(gone, challenge_for(gone.key));
    body["statement"] = encoded(next_statement(chain_of(owner), owner.account, owner.key, gone));
    EXPECT_EQ(post("/v1/auth", body).code(), "revoked");
}

TEST_F(devices_test, logging_out_voids_the_tokens_of_the_device)
{
    const auto owner = arrive();
    const auto agent = arrive_again(owner, "agent");
    const auto second = token_in(sign_in_alone(agent, owner.account));
    EXPECT_EQ(log_out(agent.token).status, 200u);
    for (const auto& token : {agent.token, second})
    {
        EXPECT_EQ(get("/v1/sessions", token).code(), "unauthorized");
        EXPECT_EQ(get("/v1/devices", token).code(), "unauthorized");
        EXPECT_EQ(log_out(token).code(), "unauthorized");
    }
    EXPECT_EQ(get("/v1/sessions", owner.token).status, 200u);
    EXPECT_EQ(chain_of(owner).size(), 2u) << "the chain names it still";
    EXPECT_EQ(get("/v1/sessions", token_in(sign_in_alone(agent, owner.account))).status, 200u);
}

/// An agent that wants to be paired, over HTTP.
class pairing_routes_test : public devices_test
{
protected:
    pairing_routes_test()
    {
        owner = arrive();
        agent = newcomer(owner, device_kind::agent);
        wanted = {
            .public_key = link,
            .device = agent.device.public_key(),
            .kind = device_kind::agent,
            .sealed_name = "eA==",
            .commit = pairing_commit(link, agent.device.public_key(), nonce),
            .signature = {},
            .mac = random_array<32>()};
        wanted.signature = agent.device.sign(pairing_request_text(wanted));
        auto device = claim_of(agent);
        device["sealedName"] = wanted.sealed_name;
        asks = {
            {"publicKey", encoded(link)},
            {"device", device},
            {"commit", encoded(wanted.commit)},
            {"signature", encoded(wanted.signature)},
            {"mac", encoded(wanted.mac)}};
    }
    answer step(const std::string& name, json::object fields, const std::string& token = {})
    {
        fields["publicKey"] = encoded(link);
        return post("/v1/auth/" + name, fields, token);
    }
    answer respond(const std::string& token, std::uint8_t first = 1)
    {
        return step("response", {{"response", encoded(bytes(257, first))}}, token);
    }
    answer reveal() { return step("reveal", {{"nonce", encoded(nonce)}}); }
    answer confirm(const std::string& token, const std::optional<bytes>& statement)
    {
        return step("confirm", statement ? json::object{{"statement", encoded(*statement)}} : json::object{}, token);
    }
    answer status() { return get("/v1/auth/request/status?publicKey=" + encoded_query(), {}); }
    std::string encoded_query() const
    {
        std::string out;
        for (const auto c : encoded(link))
            out += c == '+' ? "%2B" : c == '/' ? "%2F" : c == '=' ? "%3D" : std::string(1, c);
        return out;
    }
    std::string stage() { return std::string(status().body.at("status").as_string()); }
    bytes addition() { return next_statement(chain_of(owner), owner.account, owner.key, agent); }
    std::string refusal() const { return encoded(sign_pairing_refusal(agent.device, pairing_transcript(wanted))); }
    void reach_revealed()
    {
        ASSERT_EQ(post("/v1/auth/request", asks).status, 200u);
        ASSERT_EQ(respond(owner.token).status, 200u);
        ASSERT_EQ(reveal().status, 200u);
    }

    person owner, agent;
    const x25519_public link = random_array<32>();
    const byte_array<32> nonce = random_array<32>();
    pairing_request wanted;
    json::object asks;
};

TEST_F(pairing_routes_test, from_the_link_to_a_token)
{
    EXPECT_EQ(stage(), "not_found");
    for (int i = 0; i < 2; ++i)
        EXPECT_EQ(post("/v1/auth/request", asks).status, 200u);
    auto shown = status().body;
    EXPECT_EQ(shown.at("status"), "pending");
    for (const auto* field : {"device", "commit", "signature", "mac"})
        EXPECT_EQ(shown.at(field), asks.at(field)) << field;
    EXPECT_FALSE(shown.contains("response"));
    for (int i = 0; i < 2; ++i)
        EXPECT_EQ(respond(owner.token).status, 200u);
    shown = status().body;
    EXPECT_EQ(shown.at("status"), "answered");
    EXPECT_EQ(shown.at("response"), json::value(encoded(bytes(257, 1))));
    EXPECT_EQ(shown.at("mac"), asks.at("mac"));
    for (int i = 0; i < 2; ++i)
        EXPECT_EQ(reveal().status, 200u);
    shown = status().body;
    EXPECT_EQ(shown.at("status"), "revealed");
    EXPECT_EQ(shown.at("nonce"), json::value(encoded(nonce)));
    EXPECT_EQ(shown.at("response"), json::value(encoded(bytes(257, 1))));
    EXPECT_EQ(sign_in_alone(agent, owner.account).code(), "not-found") << "nothing exists before the confirmation";
    const auto before = last_revision(owner);

    const auto statement = addition();
    for (int i = 0; i < 2; ++i)
    {
        const auto got = confirm(owner.token, statement);
        EXPECT_EQ(got.status, 200u) << got.text;
    }
    EXPECT_EQ(last_revision(owner), before + 1) << "one event";
    const auto done = status();
    EXPECT_EQ(done.body.at("status"), "authorized");
    EXPECT_EQ(statements_of(done), chain_of(owner));
    EXPECT_FALSE(done.body.contains("response") || done.body.contains("nonce") || done.body.contains("device"));
    EXPECT_EQ(sign_in_alone(agent, owner.account).status, 200u);
}

TEST_F(pairing_routes_test, nothing_but_the_steps_in_their_order)
{
    EXPECT_EQ(respond(owner.token).code(), "not-found");
    EXPECT_EQ(reveal().code(), "not-found");
    EXPECT_EQ(confirm(owner.token, addition()).code(), "not-found");
    EXPECT_EQ(step("refuse", {{"signature", refusal()}}).code(), "not-found");

    // Cases 9 and 12.
    auto browser = asks;
    browser["device"].as_object()["kind"] = "browser";
    EXPECT_EQ(post("/v1/auth/request", browser).code(), "bad-request");
    for (const auto* field : {"publicKey", "commit", "signature"})
    {
        auto changed = asks;
        changed[field] = encoded(bytes(std::string_view(field) == "signature" ? 64u : 32u, 9));
        EXPECT_EQ(post("/v1/auth/request", changed).code(), "bad-request") << field;
    }
    auto other_device = asks;
    other_device["device"].as_object()["publicKey"] = encoded(owner.device.public_key());
    EXPECT_EQ(post("/v1/auth/request", other_device).code(), "bad-request");
    ASSERT_EQ(post("/v1/auth/request", asks).status, 200u);
    auto other_mac = asks;
    other_mac["mac"] = encoded(bytes(32, 9));
    EXPECT_EQ(post("/v1/auth/request", other_mac).code(), "conflict");
    EXPECT_EQ(reveal().code(), "conflict");
    EXPECT_EQ(stage(), "pending");

    const auto stranger = arrive();
    const auto laptop = arrive_again(owner, "browser");
    const auto old_agent = arrive_again(owner, "agent");
    EXPECT_EQ(respond(old_agent.token).code(), "forbidden");
    EXPECT_EQ(respond("").code(), "unauthorized");
    EXPECT_EQ(step("response", {{"response", encoded(bytes(256, 1))}}, owner.token).code(), "bad-request");
    ASSERT_EQ(respond(owner.token).status, 200u);
    EXPECT_EQ(respond(owner.token, 2).code(), "conflict");
    EXPECT_EQ(respond(laptop.token).code(), "conflict");
    EXPECT_EQ(respond(stranger.token).code(), "conflict");

    EXPECT_EQ(confirm(owner.token, addition()).code(), "conflict");
    EXPECT_EQ(step("reveal", {{"nonce", encoded(bytes(32, 9))}}).code(), "bad-request");
    ASSERT_EQ(reveal().status, 200u);

    EXPECT_EQ(confirm("", addition()).code(), "unauthorized");
    EXPECT_EQ(confirm(stranger.token, addition()).code(), "not-found");
    EXPECT_EQ(confirm(laptop.token, addition()).code(), "forbidden");
    EXPECT_EQ(confirm(old_agent.token, addition()).code(), "forbidden");
    EXPECT_EQ(step("refuse", {}).code(), "unauthorized");
    EXPECT_EQ(step("refuse", {{"signature", encoded(bytes(64, 9))}}).code(), "bad-request");
    EXPECT_EQ(step("refuse", {}, stranger.token).code(), "not-found");
    EXPECT_EQ(step("refuse", {}, laptop.token).code(), "forbidden");
    EXPECT_EQ(step("refuse", {}, old_agent.token).code(), "forbidden");
    EXPECT_EQ(step("refuse", {}, "nonsense").code(), "unauthorized");
    EXPECT_EQ(stage(), "revealed");
    EXPECT_EQ(confirm(owner.token, addition()).status, 200u);
    EXPECT_EQ(step("refuse", {{"signature", refusal()}}).code(), "conflict");
    EXPECT_EQ(step("refuse", {}, owner.token).code(), "conflict");
    EXPECT_EQ(stage(), "authorized");
}

TEST_F(pairing_routes_test, a_confirmation_adds_this_agent_and_nothing_else)
{
    reach_revealed();
    const auto chain = chain_of(owner);
    const auto refused = [&](const std::optional<bytes>& statement, std::string_view code)
    {
        const auto got = confirm(owner.token, statement);
        EXPECT_EQ(got.code(), code) << got.text;
        EXPECT_EQ(got.body.contains("statements"), code == "conflict");
        EXPECT_EQ(chain_of(owner), chain);
        EXPECT_EQ(stage(), "revealed");
    };
    auto as_browser = agent;
    as_browser.kind = device_kind::browser;
    refused(next_statement(chain, owner.account, owner.key, as_browser), "bad-request");
    refused(next_statement(chain, owner.account, owner.key, newcomer(owner, device_kind::agent)), "bad-request");
    refused(next_statement(chain, owner.account, owner.key, owner, statement_action::revoke), "bad-request");
    refused(next_statement(chain, owner.account, ed25519_key::random(), agent), "bad-request");
    refused(next_statement(chain, account_id{make_uuid_v7(1)}, owner.key, agent), "bad-request");
    refused(bytes(90, 1), "bad-request");
    refused(std::nullopt, "conflict");
    // Case 14.
    refused(next_statement({}, owner.account, owner.key, agent), "conflict");
    EXPECT_EQ(confirm(owner.token, addition()).status, 200u);
    EXPECT_EQ(stage(), "authorized");
}

TEST_F(pairing_routes_test, an_agent_of_the_chain_needs_no_statement_unless_it_was_revoked)
{
    reach_revealed();
    ASSERT_EQ(post_statement(addition()).status, 200u);
    const auto chain = chain_of(owner);
    EXPECT_EQ(confirm(owner.token, std::nullopt).status, 200u);
    EXPECT_EQ(chain_of(owner), chain);
    EXPECT_EQ(stage(), "authorized");
    revoke(owner, agent);
    EXPECT_EQ(confirm(owner.token, std::nullopt).code(), "revoked");
}

TEST_F(pairing_routes_test, either_end_ends_it)
{
    reach_revealed();
    for (int i = 0; i < 2; ++i)
        EXPECT_EQ(step("refuse", {{"signature", refusal()}}).status, 200u);
    EXPECT_EQ(status().text, R"({"status":"refused"})");
    EXPECT_EQ(confirm(owner.token, addition()).code(), "conflict");
    EXPECT_EQ(sign_in_alone(agent, owner.account).code(), "not-found");
    spans.advance(limits::pairing_lifetime);
    EXPECT_EQ(stage(), "not_found");
    // A new try of the same agent, ended by the dashboard.
    reach_revealed();
    EXPECT_EQ(step("refuse", {}, owner.token).status, 200u);
    EXPECT_EQ(stage(), "refused");
}

TEST_F(pairing_routes_test, a_deleted_account_answers_nothing_more)
{
    reach_revealed();
    EXPECT_EQ(
        ask("DELETE", "/v1/account", owner.token, json::serialize(signed_challenge(owner.key, owner.key))).status,
        200u);
    EXPECT_EQ(stage(), "not_found");
}

TEST_F(devices_test, a_deletion_says_whose_word_it_was)
{
    const auto owner = arrive();
    const auto agent = arrive_again(owner, "agent");
    const auto stranger = arrive();
    const auto gone = arrive_again(owner, "browser");
    revoke(owner, gone);
    const auto id = open_session(agent);
    const auto session = *parse_uuid<session_id>(id);
    const auto remove = [&](const std::string& text) { return ask("DELETE", "/v1/sessions/" + id, owner.token, text); };
    const auto body_of = [](const signed_deletion& word)
    { return json::serialize(json::object{{"device", encoded(word.device)}, {"signature", encoded(word.signature)}}); };
    const auto good = sign_deletion(owner.device, owner.account, session);
    for (const auto& bad :
         {sign_deletion(agent.device, owner.account, session), sign_deletion(gone.device, owner.account, session),
          sign_deletion(stranger.device, owner.account, session),
          sign_deletion(owner.device, stranger.account, session),
          sign_deletion(owner.device, owner.account, session_id{make_uuid_v7(1)}),
          signed_deletion{owner.device.public_key(), sign_deletion(agent.device, owner.account, session).signature}})
        EXPECT_EQ(remove(body_of(bad)).code(), "bad-request");
    EXPECT_EQ(remove(R"({"device":"x"})").code(), "bad-request");
    EXPECT_EQ(remove("nonsense").code(), "bad-request");
    EXPECT_EQ(get("/v1/sessions/" + id + "/messages", agent.token).status, 200u) << "nothing was deleted";

    const auto done = remove(body_of(good));
    ASSERT_EQ(done.status, 200u) << done.text;
    const auto word = json::value(json::parse(body_of(good)));
    for (const auto& [method, path, body] :
         {std::tuple("GET", "/v1/sessions/" + id + "/messages", ""),
          std::tuple("GET", "/v3/sessions/" + id + "/messages", ""),
          std::tuple("POST", "/v3/sessions/" + id + "/messages", R"({"messages":[{"content":"eA==","localId":"x"}]})"),
          std::tuple("POST", "/v1/sessions/" + id + "/archive", ""), std::tuple("DELETE", "/v1/sessions/" + id, "")})
    {
        const auto own = ask(method, path, agent.token, body);
        EXPECT_EQ(own.code(), "not-found") << path;
        EXPECT_EQ(own.body.at("deletion"), word) << path;
        EXPECT_FALSE(ask(method, path, stranger.token, body).body.contains("deletion")) << path;
    }
    // Without a word nobody can show one.
    const auto other = open_session(agent);
    EXPECT_EQ(ask("DELETE", "/v1/sessions/" + other, owner.token, "{}").status, 200u);
    EXPECT_FALSE(get("/v1/sessions/" + other + "/messages", agent.token).body.contains("deletion"));
}

} // namespace
} // namespace consortium::relay
