#pragma once
#include "assets.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/net/http_client.hpp"
#include "consortium/projections/views.hpp"
#include "server.hpp"
#include "socket_rules.hpp"
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

    relay_fixture()
        : server(listen()),
          commits(*server, {.queue_bytes_max = 1u << 20, .mark_every = 1000}),
          origins(*accepted_origins::make({.public_urls = {}, .own_hosts = {}, .port = server->port()})),
          challenges(clock),
          pairings(clock, {.pending_max = 100, .pending_per_address_max = 100}),
          guests(clock, {.each = {1000, 1000}, .all = {1000, 1000}}),
          pollers(clock, {.each = {1000, 1000}, .all = {1000, 1000}}),
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
        updates = std::make_unique<update_writer>(*events);
        tokens = std::make_unique<authenticator>(
            events->keys().token_seed, [this](const token_claims& claims)
            { return projections::find_principal(*events->read(), claims.account, claims.device); });
        proofs = std::make_unique<prover>(*events, readers);
        shared = std::make_unique<services>(services{
            .settings = settings,
            .clock = clock,
            .log = *events,
            .commits = commits,
            .updates = *updates,
            .tokens = *tokens,
            .challenges = challenges,
            .pairings = pairings,
            .origins = origins,
            .guests = guests,
            .pollers = pollers,
            .presence = presence,
            .rpc = rpc,
            .assets = assets,
            .readers = readers,
            .proofs = *proofs,
        });
        rules = std::make_unique<socket_rules>(*shared);
        router = std::make_unique<request_router>(*shared);
        sockets = socket_server::make(*server, *rules);
        router->attach(*sockets);
        commits.attach(
            *events, *updates,
            {.committed =
                 [this](const log::event& happened)
             {
                 if (happened.header.type == log::event_type::device_revoked)
                     tokens->forget(happened.header.stream.as<device_id>());
                 if (happened.header.type == log::event_type::account_deleted)
                     tokens->forget(happened.header.account);
             },
             .pressure = [](bool) {},
             .failure = [](const error&) { std::abort(); }});
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

        std::string code() const
        {
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
        account_id account{};
        std::string token;
    };
    /// A login challenge for this key, and the account's signature of it.
    boost::json::object signed_challenge(const ed25519_key& account, const ed25519_key& by)
    {
        const auto challenge = challenges.make("http://localhost", account.public_key()).text;
        return {{"challenge", base64_encode(challenge)}, {"signature", base64_encode(by.sign(challenge))}};
    }
    /// Signs in with a new device of this kind, "" for none.
    void sign_in(person& who, std::string_view kind)
    {
        const auto challenge = challenges.make("http://localhost", who.key.public_key()).text;
        boost::json::object body{
            {"publicKey", base64_encode(who.key.public_key())}, {"challenge", base64_encode(challenge)}};
        auto text = challenge;
        if (!kind.empty())
        {
            const auto device = ed25519_key::random();
            append(text, byte_view(device.public_key()));
            body["device"] = boost::json::object{
                {"publicKey", base64_encode(device.public_key())}, {"kind", kind}, {"sealedName", "name"}};
            body["deviceSignature"] = base64_encode(device.sign(text));
        }
        body["signature"] = base64_encode(who.key.sign(text));
        const auto got = ask("POST", "/v1/auth", {}, boost::json::serialize(body));
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
        return projections::last_revision(*events->read(), who.account).value;
    }

    std::filesystem::path place;
    const system_clock_source clock;
    const config settings;
    std::unique_ptr<net::http_server> server;
    hub commits;
    std::unique_ptr<log::event_log> events;
    std::unique_ptr<update_writer> updates;
    std::unique_ptr<authenticator> tokens;
    accepted_origins origins;
    challenge_book challenges;
    pairing_book pairings;
    rate_limiter guests;
    rate_limiter pollers;
    presence_service presence;
    rpc_service rpc;
    const asset_store assets;
    boost::asio::thread_pool readers;
    std::unique_ptr<prover> proofs;
    std::unique_ptr<services> shared;
    std::unique_ptr<socket_rules> rules;
    std::unique_ptr<request_router> router;
    std::unique_ptr<socket_server> sockets;
    boost::asio::io_context context;
    std::unique_ptr<net::http_client> client;
};

} // namespace consortium::relay
