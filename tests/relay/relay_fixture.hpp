#pragma once
#include "assets.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/device_chain.hpp"
#include "consortium/net/http_client.hpp"
#include "consortium/projections/views.hpp"
#include "readiness.hpp"
#include "server.hpp"
#include "socket_rules.hpp"
#include "unreadable_log.hpp"
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>
#include <unistd.h>

namespace consortium::relay
{

/// The relay in this process: the real log, network threads, routes. Talked to over HTTP.
class relay_fixture : public ::testing::Test
{
protected:
    static void SetUpTestSuite() { init_crypto(); }

    explicit relay_fixture(token_bucket::rate guest_rate = {1000, 1000})
        : server(listen()),
          commits(*server, {.queue_bytes_max = 1u << 20, .mark_every = 1000}),
          origins(*accepted_origins::make({.public_urls = {}, .own_hosts = {}, .port = server->port()})),
          challenges(clock),
          pairings(spans, {.pending_max = 100, .pending_per_address_max = 100}),
          guests(clock, {.each = guest_rate, .all = {1000, 1000}}),
          pollers(clock, {.each = {1000, 1000}, .all = {1000, 1000}}),
          guest_bytes({.all = limits::guest_bytes_max, .each = limits::guest_bytes_per_address_max}),
          account_bytes({.all = 10 * limits::account_body_bytes_max, .each = limits::account_body_bytes_max}),
          output({.account = 4u << 20, .strangers = 4u << 20}),
          proxies(*trusted_proxies::make(std::vector<std::string>{})),
          presence(
              commits, clock,
              {.session_timeout = std::chrono::minutes(1),
               .machine_timeout = std::chrono::minutes(1),
               .activity_interval = std::chrono::seconds(10)}),
          rpc(commits, *server, clock, {.timeout = std::chrono::seconds(30), .grace = std::chrono::seconds(5)}),
          assets({}),
          readers(2)
    {
        std::string pattern = (std::filesystem::temp_directory_path() / "relay-XXXXXX").string();
        place = ::mkdtemp(pattern.data());
        log::log_options options;
        options.directory = place / "data";
        options.master_secret = std::string(40, 's');
        events = std::move(*log::open_log(options, projections::rules(), commits, clock));
        reads = std::make_unique<unreadable_log>(*events);
        updates = std::make_unique<update_writer>(*events, output);
        tokens = std::make_unique<authenticator>(
            events->keys().token_seed,
            [this](const token_claims& claims) { return find_holder(*events->read(), claims.account, claims.device); });
        proofs = std::make_unique<prover>(*events, readers);
        ready = std::make_unique<readiness>(*events, options.directory, settings.disk_free_floor_bytes);
        shared = std::make_unique<services>(services{
            .settings = settings,
            .clock = clock,
            .log = *reads,
            .commits = commits,
            .updates = *updates,
            .tokens = *tokens,
            .challenges = challenges,
            .pairings = pairings,
            .origins = origins,
            .guests = guests,
            .pollers = pollers,
            .guest_bytes = guest_bytes,
            .account_bytes = account_bytes,
            .output = output,
            .proxies = proxies,
            .presence = presence,
            .rpc = rpc,
            .assets = assets,
            .readers = readers,
            .proofs = *proofs,
            .ready = *ready,
            .refusals = refusals,
        });
        rules = std::make_unique<socket_rules>(*shared);
        router = std::make_unique<request_router>(*shared);
        sockets = socket_server::make(*server, *rules);
        router->attach(*sockets);
        commits.attach(
            *events, *updates,
            {.committed = [this](const log::event& happened) { forget_voided(*shared, happened); },
             .pressure = [](bool) {},
             .failure = [](const error&) { std::abort(); },
             .elsewhere = {}});
        server->start(*router);
        client = std::move(*net::http_client::make(context.get_executor()));
    }
    ~relay_fixture() override
    {
        client.reset();
        server->drain(std::chrono::milliseconds(700));
        readers.join();
        events->close();
        server->stop();
        sockets.reset();
        events.reset();
        std::filesystem::remove_all(place);
    }

    static std::unique_ptr<net::http_server> listen()
    {
        net::http_server_options options;
        options.threads = 2;
        return std::move(*net::http_server::listen(std::move(options)));
    }

    struct answer
    {
        unsigned status = 0;
        boost::json::object body;
        std::string text;

        /// Of a refusal; else empty.
        std::string code() const
        {
            if (status < 400)
                return {};
            const auto* found = body.if_contains("code");
            return found && found->is_string() ? std::string(found->as_string()) : std::string();
        }
    };
    answer ask(const std::string& method, const std::string& path, const std::string& token, std::string body = {})
    {
        net::client_request wanted;
        wanted.method = method;
        wanted.url = "http://127.0.0.1:" + std::to_string(server->port()) + path;
        if (!token.empty())
            wanted.headers.set("Authorization", "Bearer " + token);
        if (!body.empty())
            wanted.headers.set("Content-Type", "application/json");
        wanted.body = std::move(body);
        answer out;
        boost::asio::co_spawn(
            context,
            [](net::http_client& from, net::client_request given, answer& to) -> boost::asio::awaitable<void>
            {
                auto got = co_await from.send(std::move(given));
                if (!got)
                    throw std::runtime_error(got.error().detail);
                to.status = got->status;
                to.text = std::move(got->body);
            }(*client, std::move(wanted), out),
            [this](std::exception_ptr failed)
            {
                // Sockets may be open beside it.
                context.stop();
                if (failed)
                    std::rethrow_exception(failed);
            });
        context.restart();
        context.run();
        if (auto parsed = boost::json::parse(out.text); parsed.is_object())
            out.body = parsed.as_object();
        return out;
    }
    answer get(const std::string& path, const std::string& token) { return ask("GET", path, token); }

    struct person
    {
        ed25519_key key = ed25519_key::random();
        ed25519_key device = ed25519_key::random();
        device_kind kind = device_kind::browser; ///< unnamed: it has no device key
        account_id account{};
        std::string token;
    };
    static std::string encoded(byte_view data) { return base64_encode(data); }
    static boost::json::object claim_of(const person& who)
    {
        return {{"publicKey", encoded(who.device.public_key())}, {"kind", protocol::v1::name(who.kind)}};
    }
    /// A login challenge for this key, and the account's signature of it.
    boost::json::object signed_challenge(const ed25519_key& account, const ed25519_key& by)
    {
        const auto challenge = challenges.make("http://localhost", account.public_key()).text;
        return {{"challenge", encoded(challenge)}, {"signature", encoded(by.sign(challenge))}};
    }
    /// The body of POST /v1/auth under this challenge, both signatures right.
    static boost::json::object login_body(const person& who, const bytes& challenge)
    {
        boost::json::object body{{"publicKey", encoded(who.key.public_key())}, {"challenge", encoded(challenge)}};
        auto text = challenge;
        if (who.kind != device_kind::unnamed)
        {
            append(text, byte_view(who.device.public_key()));
            body["device"] = claim_of(who);
            body["deviceSignature"] = encoded(who.device.sign(text));
        }
        body["signature"] = encoded(who.key.sign(text));
        return body;
    }
    bytes challenge_for(const ed25519_key& key) { return challenges.make("http://localhost", key.public_key()).text; }
    answer post(const std::string& path, const boost::json::object& body, const std::string& token = {})
    {
        return ask("POST", path, token, boost::json::serialize(body));
    }
    static std::vector<bytes> statements_of(const answer& said)
    {
        std::vector<bytes> out;
        for (const auto& one : said.body.at("statements").as_array())
            out.push_back(base64_decode(std::string(one.as_string())).value());
        return out;
    }
    /// What follows these statements and does `action` to the device of `about`, by the key of `by`.
    static bytes next_statement(
        const std::vector<bytes>& before, account_id account, const ed25519_key& by, const person& about,
        statement_action action = statement_action::add)
    {
        device_statement said{
            .account = account,
            .n = before.size() + 1,
            .previous = before.empty() ? byte_array<32>{} : statement_hash(before.back()),
            .action = action,
            .device = about.device.public_key(),
            .kind = about.kind,
            .time = 1'700'000'000'000,
            .sealed_name = {},
            .signature = {}};
        if (action == statement_action::add)
            said.sealed_name = to_bytes(random_array<80>());
        return sign_statement(by, said);
    }
    /// Signs in with a new device of this kind, "" for none: first without a statement, then with the one asked for.
    void sign_in(person& who, std::string_view kind)
    {
        who.device = ed25519_key::random();
        who.kind = kind.empty() ? device_kind::unnamed : kind == "agent" ? device_kind::agent : device_kind::browser;
        auto body = login_body(who, challenge_for(who.key));
        body["create"] = true;
        auto got = post("/v1/auth", body);
        if (!kind.empty())
        {
            ASSERT_EQ(got.status, 409u) << got.text;
            const auto account = *parse_uuid<account_id>(std::string(got.body.at("accountId").as_string()));
            body = login_body(who, base64_decode(std::string(got.body.at("challenge").as_string())).value());
            body["create"] = true;
            body["statement"] = encoded(next_statement(statements_of(got), account, who.key, who));
            got = post("/v1/auth", body);
        }
        ASSERT_EQ(got.status, 200u) << got.text;
        who.token = got.body.at("token").as_string();
        who.account = *parse_uuid<account_id>(std::string(got.body.at("accountId").as_string()));
    }
    person arrive()
    {
        person out;
        sign_in(out, "browser");
        return out;
    }
    /// Another device of the same account.
    person arrive_again(const person& first, std::string_view kind)
    {
        person out{.key = first.key, .account = {}, .token = {}};
        sign_in(out, kind);
        return out;
    }
    std::vector<bytes> chain_of(const person& who) { return statements_of(get("/v1/devices", who.token)); }
    answer post_statement(byte_view statement)
    {
        return post("/v1/devices/statements", {{"statements", boost::json::array{encoded(statement)}}});
    }
    /// By the account's key of `by`.
    void revoke(const person& by, const person& gone)
    {
        const auto said = next_statement(chain_of(by), by.account, by.key, gone, statement_action::revoke);
        const auto got = post_statement(said);
        ASSERT_EQ(got.status, 200u) << got.text;
    }
    /// The new session's id.
    std::string open_session(const person& who)
    {
        const boost::json::object body{
            {"tag", base64_encode(random_array<12>())}, {"metadata", base64_encode(random_array<30>())}};
        const auto got = ask("POST", "/v1/sessions", who.token, boost::json::serialize(body));
        EXPECT_EQ(got.status, 200u) << got.text;
        return std::string(got.body.at("session").as_object().at("id").as_string());
    }
    void say(const person& who, const std::string& session, std::size_t count)
    {
        boost::json::array messages;
        for (std::size_t i = 0; i < count; ++i)
            messages.push_back(boost::json::object{
                {"content", base64_encode(random_array<60>())}, {"localId", base64_encode(random_array<12>())}});
        const boost::json::object body{{"messages", std::move(messages)}};
        const auto got = ask("POST", "/v3/sessions/" + session + "/messages", who.token, boost::json::serialize(body));
        EXPECT_EQ(got.status, 200u) << got.text;
    }
    std::uint64_t last_revision(const person& who) const
    {
        return projections::last_revision(*events->read(), who.account)->value;
    }

    std::filesystem::path place;
    const system_clock_source clock;
    std::vector<std::string> refused; ///< what the refusal log said
    refusal_log refusals{{}, [this](const std::string& line) { refused.push_back(line); }};
    manual_boot_clock spans;
    const config settings;
    std::unique_ptr<net::http_server> server;
    hub commits;
    std::unique_ptr<log::event_log> events;
    std::unique_ptr<unreadable_log> reads; ///< what routes and sockets have of it
    std::unique_ptr<update_writer> updates;
    std::unique_ptr<authenticator> tokens;
    accepted_origins origins;
    challenge_book challenges;
    pairing_book pairings;
    rate_limiter guests;
    rate_limiter pollers;
    byte_budget guest_bytes;
    byte_budget account_bytes;
    output_budget output;
    const trusted_proxies proxies;
    presence_service presence;
    rpc_service rpc;
    const asset_store assets;
    boost::asio::thread_pool readers;
    std::unique_ptr<prover> proofs;
    std::unique_ptr<readiness> ready;
    std::unique_ptr<services> shared;
    std::unique_ptr<socket_rules> rules;
    std::unique_ptr<request_router> router;
    std::unique_ptr<socket_server> sockets;
    boost::asio::io_context context;
    std::unique_ptr<net::http_client> client;
};

} // namespace consortium::relay
