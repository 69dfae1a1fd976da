#include "consortium/common/secret.hpp"
#include "link/socket_client.hpp"
#include "net/echo.hpp"
#include "net/loop.hpp"
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>
#include <latch>
#include <sstream>

namespace consortium
{
namespace
{
using agent::socket_client;
namespace json = boost::json;

class socket_client_test : public ::testing::Test
{
protected:
    void start(relay::socket_server_options options = {}, std::size_t threads = 1)
    {
        init_crypto();
        net::http_server_options listen;
        listen.threads = threads;
        server_ = net::http_server::listen(listen).value();
        sockets_ = relay::socket_server::make(*server_, rules_, options);
        rules_.sockets = sockets_.get();
        site_ = std::make_unique<echo_site>(*sockets_);
        server_->start(*site_);
    }
    ~socket_client_test() override
    {
        client_.reset();
        if (server_)
            server_->stop();
    }

    agent::socket_client_options options(json::object auth = {})
    {
        agent::socket_client_options out;
        out.server_url = "http://127.0.0.1:" + std::to_string(server_->port());
        out.auth = std::move(auth);
        return out;
    }
    socket_client::handlers handlers()
    {
        return {
            [this](std::string_view name, json::array& args, socket_client::answer reply)
            {
                events_.emplace_back(name);
                args_.push_back(args);
                if (reply)
                    reply({"yes", args.empty() ? json::value(nullptr) : args.front()});
                if (name == "tick" && close_on_tick_)
                    client_->close();
            },
            [this](error reason) { closed_ = std::move(reason); }};
    }
    void connect(json::object auth = {})
    {
        client_ = loop_.run(socket_client::connect(options(std::move(auth)), handlers())).value();
    }
    result<json::array> ask(std::string name, json::array args, milliseconds timeout = milliseconds(5000))
    {
        return loop_.run(client_->emit_with_ack(std::move(name), std::move(args), timeout));
    }

    std::ostringstream log_;
    echo_rules rules_{&log_};
    std::unique_ptr<net::http_server> server_;
    std::unique_ptr<relay::socket_server> sockets_;
    std::unique_ptr<echo_site> site_;
    loop loop_;
    std::shared_ptr<socket_client> client_;
    std::vector<std::string> events_;
    std::vector<json::array> args_;
    std::optional<error> closed_;
    bool close_on_tick_ = false;
};

TEST_F(socket_client_test, a_server_ends_while_somebody_polls)
{
    start();
    asio::io_context io;
    asio::ip::tcp::socket raw(io);
    raw.connect({asio::ip::address_v4::loopback(), server_->port()});
    asio::write(
        raw, asio::buffer(std::string_view("GET /v1/updates/?EIO=4&transport=polling HTTP/1.1\r\nHost: h\r\n\r\n")));
    std::string answer;
    asio::read_until(raw, asio::dynamic_buffer(answer), "\"sid\"");
    EXPECT_EQ(sockets_->counts().polling, 1u);
    // It is in the register yet, and goes with it: sanitizers see whether that comes too late.
    server_->stop();
    sockets_.reset();
}

TEST_F(socket_client_test, bytes_that_nobody_asked_for_cost_no_connection)
{
    start();
    connect();
    // The question's argument is bytes: what the handler gets in their place is no text.
    EXPECT_EQ(json::serialize(ask("bytes", {}).value()), R"([["yes",{"_placeholder":true,"num":0}]])");
    EXPECT_EQ(ask("echo", {"still here"}).value(), json::array{"still here"});
    EXPECT_FALSE(closed_);
}

TEST_F(socket_client_test, connects_with_auth_and_hears_what_was_emitted_meanwhile)
{
    start();
    connect({{"token", "t"}});
    EXPECT_EQ(client_->sid().size(), 20u);
    EXPECT_TRUE(events_.empty());
    loop_.run_until([&] { return events_.size() == 2; });
    EXPECT_EQ(events_, (std::vector<std::string>{"hello", "welcome"}));
    EXPECT_EQ(args_[0], (json::array{json::object{{"token", "t"}}}));
}

TEST_F(socket_client_test, acknowledges_in_both_directions)
{
    start();
    connect();
    EXPECT_EQ(ask("echo", {"x"}), (json::array{"x"}));
    const std::string large(2'000'000, 'y');
    EXPECT_EQ(ask("echo", {large}), (json::array{large}));
    const auto said = ask("ask", {7}).value();
    ASSERT_EQ(said.size(), 1u);
    EXPECT_EQ(said.front(), json::value({"yes", 7}));
}

TEST_F(socket_client_test, keeps_the_order_of_many_events)
{
    start();
    connect();
    std::vector<int> answers;
    for (int i = 0; i < 20'000; ++i)
        client_->emit_with_ack(
            "echo", {i}, milliseconds(20'000), [&](result<json::array> said)
            { answers.push_back(said ? static_cast<int>(said->front().as_int64()) : -1); });
    loop_.run_until([&] { return answers.size() == 20'000; });
    for (int i = 0; i < 20'000; ++i)
        ASSERT_EQ(answers[static_cast<std::size_t>(i)], i);
}

TEST_F(socket_client_test, an_unanswered_event_times_out)
{
    start();
    connect({});
    // Reading stops, so no answer can come in time.
    client_->emit("pause", {200});
    const auto said = ask("echo", {1}, milliseconds(50));
    ASSERT_FALSE(said);
    EXPECT_EQ(said.error(), errc::timeout);
    EXPECT_EQ(ask("echo", {2}), (json::array{2}));
}

TEST_F(socket_client_test, a_refusal_carries_code_and_text)
{
    start();
    const auto refused =
        loop_.run(socket_client::connect(options({{"refuse", "Invalid authentication token"}}), handlers()));
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().by_relay);
    EXPECT_EQ(refused.error(), errc::unauthorized);
    EXPECT_EQ(refused.error().detail, "Invalid authentication token");
    EXPECT_FALSE(refused.error().retry);
    EXPECT_FALSE(closed_);
}

TEST_F(socket_client_test, a_goodbye_is_told_from_a_lost_connection)
{
    start();
    connect();
    client_->emit("kick", {});
    loop_.run_until([&] { return closed_.has_value(); });
    EXPECT_EQ(*closed_, errc::forbidden);

    closed_.reset();
    connect();
    client_->emit("drop", {});
    loop_.run_until([&] { return closed_.has_value(); });
    EXPECT_EQ(*closed_, errc::closed);
    EXPECT_FALSE(client_->is_open());
    const auto said = ask("echo", {});
    ASSERT_FALSE(said);
    EXPECT_EQ(said.error(), errc::closed);
}

TEST_F(socket_client_test, waiting_acks_end_with_the_connection)
{
    start();
    connect();
    client_->emit("pause", {10'000});
    std::optional<result<json::array>> said;
    client_->emit_with_ack(
        "echo", {1}, milliseconds(10'000), [&](result<json::array> value) { said = std::move(value); });
    client_->close();
    loop_.run_until([&] { return said.has_value(); });
    EXPECT_EQ(said->error(), errc::closed);
    EXPECT_FALSE(closed_);
}

TEST_F(socket_client_test, may_be_closed_and_dropped_inside_a_handler)
{
    start();
    connect();
    close_on_tick_ = true;
    client_->emit("burst", {1000});
    loop_.run_until([&] { return !client_->is_open(); });
    EXPECT_EQ(std::ranges::count(events_, "tick"), 1);
}

TEST_F(socket_client_test, dropping_the_last_reference_says_goodbye)
{
    start();
    connect();
    client_.reset();
    loop_.run_until([&] { return sockets_->counts().connections == 0; });
}

TEST_F(socket_client_test, notices_a_server_that_falls_silent)
{
    relay::socket_server_options often;
    often.ping_interval = milliseconds(40);
    often.ping_timeout = milliseconds(120);
    start(often);
    connect();
    // Pings keep it.
    const auto until = std::chrono::steady_clock::now() + milliseconds(400);
    loop_.run_until([&] { return std::chrono::steady_clock::now() > until; });
    EXPECT_TRUE(client_->is_open());
    // Its thread does nothing any more.
    const auto awake = std::make_shared<std::latch>(1);
    server_->post(0, [awake] { awake->wait(); });
    loop_.run_until([&] { return closed_.has_value(); });
    EXPECT_EQ(*closed_, errc::timeout);
    awake->count_down();
}

TEST_F(socket_client_test, a_server_that_never_answers_is_given_up)
{
    start();
    // Accepts and says nothing.
    asio::ip::tcp::acceptor deaf(loop_.executor(), {asio::ip::make_address("127.0.0.1"), 0});
    auto to = options();
    to.server_url = "http://127.0.0.1:" + std::to_string(deaf.local_endpoint().port());
    to.net.connect_timeout = milliseconds(100);
    const auto failed = loop_.run(socket_client::connect(to, handlers()));
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error(), errc::timeout);
    // Neither the HTTP answer nor `40` comes in time from one that thinks too long.
    auto slow = options({{"slow", 5'000}});
    slow.net.connect_timeout = milliseconds(100);
    const auto late = loop_.run(socket_client::connect(slow, handlers()));
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error(), errc::timeout);
}

TEST_F(socket_client_test, says_why_it_cannot_connect)
{
    start();
    auto to = options();
    to.path = "/elsewhere/";
    const auto missing = loop_.run(socket_client::connect(to, handlers()));
    ASSERT_FALSE(missing);
    EXPECT_NE(missing.error().detail.find("404"), std::string::npos) << missing.error().detail;

    to.server_url = "ftp://x";
    const auto unusable = loop_.run(socket_client::connect(to, handlers()));
    ASSERT_FALSE(unusable);
    EXPECT_NE(unusable.error().detail.find("ftp://x"), std::string::npos) << unusable.error().detail;
    asio::ip::tcp::acceptor taken(loop_.executor(), {asio::ip::make_address("127.0.0.1"), 0});
    to.server_url = "http://127.0.0.1:" + std::to_string(taken.local_endpoint().port());
    taken.close();
    const auto refused = loop_.run(socket_client::connect(to, handlers()));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), errc::io);
    EXPECT_NE(refused.error().detail.find("refused"), std::string::npos) << refused.error().detail;
}

} // namespace
} // namespace consortium
