#include "agent/fake_socket.hpp"
#include "agent/run.hpp"
#include "link/field_publisher.hpp"
#include <boost/asio/detached.hpp>
#include <gtest/gtest.h>
#include <random>
#include <rapidcheck/gtest.h>

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::testing;
namespace json = boost::json;

namespace
{

const std::string log_l = "01890a5d-ac96-774b-bcce-b302099a8058";
const std::string log_m = "01890a5d-ac96-774b-bcce-b302099a8059";

struct heard : link_events
{
    int online = 0;
    std::vector<error> offline;
    std::vector<bool> caught_up;
    std::vector<unchecked> updates;
    std::vector<std::pair<std::string, std::string>> calls;
    std::optional<relay_failure> refused;

    void on_caught_up(bool from_known_place) override { caught_up.push_back(from_known_place); }
    void on_online() override { ++online; }
    void on_offline(const error& reason) override { offline.push_back(reason); }
    void on_update(const unchecked& body) override { updates.push_back(body); }
    void on_rpc(const std::string& method, const std::string& params, std::function<void(std::string)> reply) override
    {
        calls.emplace_back(method, params);
        reply("answer");
    }
    void on_link_refused(const relay_failure& reason) override { refused = reason; }
};

class link : public ::testing::Test
{
protected:
    void start()
    {
        link_options options;
        options.server_url = "http://relay";
        options.token = "token";
        options.session_id = "sid";
        options.methods = {"abort", "permission"};
        options.dial = exchange.dialler();
        connection = session_link::make(io.get_executor(), std::move(options), events);
        asio::co_spawn(io, session_link::run(connection), asio::detached);
    }
    void dialled(std::size_t count)
    {
        ASSERT_TRUE(run_until(io, [&] { return exchange.handshakes.size() >= count; }));
        io.poll();
    }
    void TearDown() override
    {
        if (connection)
            connection->stop();
        io.restart();
        io.poll();
    }

    boost::asio::io_context io;
    fake_exchange exchange;
    heard events;
    std::shared_ptr<session_link> connection;
};

json::object update(int seq, const char* type = "none")
{
    return {{"id", "x"}, {"seq", seq}, {"body", json::object{{"t", type}}}, {"createdAt", 1}};
}

} // namespace

TEST_F(link, begins_now_and_goes_on_where_it_was)
{
    start();
    dialled(1);
    EXPECT_EQ(
        exchange.handshakes[0],
        json::value({{"token", "token"}, {"clientType", "session-scoped"}, {"sessionId", "sid"}, {"since", nullptr}}));
    auto& socket = *exchange.sockets[0];
    ASSERT_EQ(socket.emitted.size(), 2u);
    EXPECT_EQ(socket.emitted[0].first, "rpc-register");
    EXPECT_EQ(socket.emitted[0].second.at("method"), "sid:abort");
    EXPECT_EQ(events.online, 1);

    socket.say("caught-up", json::object{{"log", log_l}, {"revision", 5}});
    EXPECT_EQ(events.caught_up, std::vector<bool>{false});
    socket.say("update", update(6));
    socket.say("update", update(8, "new-message"));
    socket.say("update", update(7));
    ASSERT_EQ(events.updates.size(), 3u);
    socket.break_down({errc::closed, "gone", std::nullopt});
    dialled(2);
    EXPECT_EQ(events.offline.size(), 1u);
    EXPECT_EQ(exchange.handshakes[1].at("since"), json::value({{"log", log_l}, {"revision", 8}})) << "never back";
    exchange.sockets[1]->say("caught-up", json::object{{"log", log_l}, {"revision", 9}});
    EXPECT_EQ(events.caught_up, (std::vector<bool>{false, true}));
}

TEST_F(link, starts_over_when_the_relay_cannot_continue)
{
    start();
    dialled(1);
    exchange.sockets[0]->say("caught-up", json::object{{"log", log_l}, {"revision", 5}});
    exchange.sockets[0]->say("resync", json::object{{"reason", "another-log"}});
    EXPECT_FALSE(exchange.sockets[0]->is_open());
    dialled(2);
    EXPECT_TRUE(exchange.handshakes[1].at("since").is_null());
    exchange.sockets[1]->say("caught-up", json::object{{"log", log_m}, {"revision", 1}});
    EXPECT_EQ(events.caught_up, (std::vector<bool>{false, false})) << "what is stored must be read";
}

TEST_F(link, dials_again_while_that_may_help)
{
    exchange.failures = {
        {{errc::io, "connection refused", std::nullopt}},
        {{errc::unauthorized, "full", std::chrono::milliseconds(1)}, /*by_relay=*/true},
        {{errc::timeout, "slow", std::nullopt}}};
    start();
    dialled(4);
    EXPECT_EQ(events.online, 1);
    EXPECT_FALSE(events.refused);
}

TEST_F(link, gives_up_when_it_does_not)
{
    for (const auto code : {errc::unauthorized, errc::revoked, errc::not_found})
    {
        exchange.failures = {{{code, "no", std::nullopt}, /*by_relay=*/true}};
        events.refused.reset();
        start();
        ASSERT_TRUE(run_until(io, [&] { return events.refused.has_value(); }));
        EXPECT_EQ(*events.refused, code);
    }
}

TEST_F(link, serves_calls_without_the_sessions_prefix)
{
    start();
    dialled(1);
    std::string answered;
    exchange.sockets[0]->say(
        "rpc-request", json::object{{"method", "sid:abort"}, {"params", "p"}},
        [&](const json::array& args) { answered = args.at(0).as_string(); });
    EXPECT_EQ(events.calls, (std::vector<std::pair<std::string, std::string>>{{"abort", "p"}}));
    EXPECT_EQ(answered, "answer");
}

TEST_F(link, an_error_acknowledgement_is_an_error)
{
    start();
    dialled(1);
    exchange.sockets[0]->acknowledge = [](const std::string&, const json::object&)
    {
        return json::array{
            json::object{{"result", "error"}, {"message", "wait"}, {"code", "rate-limited"}, {"retry", 250}}};
    };
    const auto answer = run(io, connection->ask("message", {}));
    ASSERT_EQ(answer.error(), errc::rate_limited);
    EXPECT_EQ(answer.error().retry, std::chrono::milliseconds(250));
    exchange.sockets[0]->break_down({errc::closed, "gone", std::nullopt});
    EXPECT_EQ(run(io, connection->ask("message", {})).error(), errc::closed);
}

TEST_F(link, an_acknowledgement_in_no_known_form_says_nothing)
{
    start();
    dialled(1);
    for (const auto* said :
         {R"({})", R"({"result":"error","message":"gone"})", R"({"result":"error","message":"x","code":"not-found"})",
          R"({"result":"error","message":"x","code":"ENOENT","retry":false})", R"({"result":"fine"})", R"([])"})
    {
        exchange.sockets[0]->acknowledge = [&](const std::string&, const json::object&)
        { return json::array{json::parse(said)}; };
        const auto answer = run(io, connection->ask("message", {}));
        ASSERT_FALSE(answer) << said;
        EXPECT_FALSE(answer.error().by_relay) << said;
        EXPECT_TRUE(worth_retrying(answer.error())) << said;
    }
}

// Goal: what the relay will never take is said, and not offered again until it changes.
TEST(field_publisher, a_final_refusal_is_said_and_not_repeated)
{
    boost::asio::io_context io;
    int asked = 0;
    bool too_large = true;
    std::vector<std::string> refused;
    int taken = 0;
    const auto ask = [&](std::string, json::object) -> asio::awaitable<relay_answer<unchecked>>
    {
        ++asked;
        if (too_large)
            co_return std::unexpected(relay_failure{{errc::too_large, "too large", std::nullopt}, /*by_relay=*/true});
        co_return unchecked({{"result", "success"}, {"version", asked}, {"agentState", "x"}});
    };
    const auto field = std::make_shared<field_publisher>(
        io.get_executor(),
        field_publisher::options{
            "update-state",
            "agentState",
            "sid",
            0,
            [](std::int64_t) -> result<std::string> { return "ours"; },
            {},
            [&](const relay_failure& reason) { refused.push_back(reason.detail); },
            [&] { ++taken; }},
        ask);
    asio::co_spawn(io, field_publisher::run(field), asio::detached);
    field->changed();
    EXPECT_TRUE(run(io, field->settled(std::chrono::seconds(10))));
    field->nudge();
    EXPECT_TRUE(run(io, field->settled(std::chrono::seconds(10))));
    EXPECT_EQ(asked, 1) << "a connection that comes back changes nothing";
    EXPECT_EQ(refused, std::vector<std::string>{"too large"});
    too_large = false;
    field->changed();
    EXPECT_TRUE(run(io, field->settled(std::chrono::seconds(10))));
    EXPECT_EQ(asked, 2);
    EXPECT_EQ(taken, 1);
    field->stop();
    io.restart();
    io.poll();
}

// Goal: whoever else writes the field, in the end the relay holds our last value, written over a version that we knew.
RC_GTEST_PROP(field_publisher, our_last_value_wins_without_lost_updates, ())
{
    std::mt19937 random(*rc::gen::arbitrary<unsigned>());
    boost::asio::io_context io;
    std::int64_t version = 3;
    std::string stored = "theirs 3";
    std::vector<std::string> merged;
    int value = 0;
    const auto lost = [](const char* where)
    { return std::unexpected(relay_failure::not_reached({errc::closed, where, std::nullopt})); };
    const auto ask = [&](std::string event, json::object wanted) -> asio::awaitable<relay_answer<unchecked>>
    {
        RC_ASSERT(event == "update-state");
        if (random() % 4 == 0)
            co_return lost("on the way there");
        if (random() % 4 == 0)
            stored = "theirs " + std::to_string(++version);
        if (wanted.at("expectedVersion").to_number<std::int64_t>() != version)
            co_return unchecked({{"result", "version-mismatch"}, {"version", version}, {"agentState", stored}});
        stored = std::string(wanted.at("agentState").as_string());
        ++version;
        if (random() % 4 == 0)
            co_return lost("on the way back");
        co_return unchecked({{"result", "success"}, {"version", version}, {"agentState", stored}});
    };
    const auto field = std::make_shared<field_publisher>(
        io.get_executor(),
        field_publisher::options{
            "update-state",
            "agentState",
            "sid",
            0,
            [&](std::int64_t) -> result<std::string> { return "ours " + std::to_string(value); },
            [&](const std::string& theirs) { merged.push_back(theirs); },
            {},
            {}},
        ask);
    asio::co_spawn(io, field_publisher::run(field), asio::detached);
    for (int i = 0; i < 5; ++i)
    {
        value = i;
        field->changed();
        io.restart();
        io.poll();
        field->nudge();
    }
    for (int i = 0; i < 200 && !run(io, field->settled(std::chrono::milliseconds(5))); ++i)
        field->nudge();
    RC_ASSERT(stored == "ours 4");
    RC_ASSERT(!merged.empty() && merged.front().starts_with("theirs"));
    field->stop();
    io.restart();
    io.poll();
}
