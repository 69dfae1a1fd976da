#include "consortium/common/secret.hpp"
#include "consortium/net/http_client.hpp"
#include "consortium/net/http_server.hpp"
#include "consortium/net/websocket_client.hpp"
#include "net/loop.hpp"
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <gtest/gtest.h>
#include <latch>
#include <set>

namespace consortium::net
{
namespace
{
using std::chrono::milliseconds;
using tcp = asio::ip::tcp;

/// Paths: /echo answers body and method; /slow waits for `go`, and /watched counts who does not hear the answer; /fault
/// throws; /where names the thread; /text?n= answers n bytes; /ws echoes messages, /elsewhere does so on the server's
/// other thread, /count answers their number per read, /flood sends and never reads.
class test_site final : public http_handler
{
public:
    asio::awaitable<http_response> handle(http_request request, connection_info from) override
    {
        ++handled;
        if (request.path == "/echo")
        {
            auto out = http_response::text(200, request.method + " " + request.body);
            out.headers.add("X-Remote", from.remote_address);
            co_return out;
        }
        if (request.path == "/where")
            co_return http_response::text(200, std::to_string(from.thread));
        if (request.path == "/text")
            co_return http_response::with(
                200, "text/plain",
                std::make_shared<const std::string>(std::stoul(std::string(*request.query_value("n"))), 'x'));
        if (request.path == "/fault")
            throw std::runtime_error("asked for");
        if (request.path == "/smuggle")
        {
            auto out = http_response::text(200, "x");
            out.headers.add("X-A", "1\r\nX-Evil: 2");
            co_return out;
        }
        if (request.path == "/slow" || request.path == "/watched")
        {
            asio::steady_timer timer(co_await asio::this_coro::executor);
            while (!go)
            {
                timer.expires_after(milliseconds(2));
                co_await timer.async_wait(asio::use_awaitable);
            }
            co_return http_response::text(200, "done");
        }
        co_return http_response::text(404, "not here");
    }
    admission admit(const http_request& head, connection_info&) override
    {
        admission out;
        if (head.path == "/forbidden")
            out.refusal = http_response::text(403, "not you");
        if (head.path == "/small")
            out.body_bytes_max = 16;
        if (head.path == "/watched")
            out.unheard = [this] { ++unheard; };
        out.known = head.header("Authorization").has_value();
        EXPECT_TRUE(head.body.empty());
        return out;
    }
    asio::awaitable<void>
    upgraded(http_request request, connection_info from, std::unique_ptr<websocket> connection) override
    {
        ++websockets;
        if (request.path == "/signed-in")
            connection->set_known({});
        if (request.path == "/metered")
            connection->set_known(
                {.output = output,
                 .input_room = [this](std::size_t bytes) -> std::shared_ptr<void>
                 {
                     if (input_held + bytes > input_most)
                         return nullptr;
                     input_held += bytes;
                     return {this, [this, bytes](void*) { input_held -= bytes; }};
                 }});
        if (request.path == "/flood")
        {
            for (int i = 0; i < 100'000 && connection->is_open(); ++i)
                connection->send(std::string(1000, 'f'));
            connection->flush();
            flooded = connection->queued_bytes();
            asio::steady_timer timer(connection->executor());
            while (connection->is_open())
            {
                timer.expires_after(milliseconds(2));
                co_await timer.async_wait(asio::use_awaitable);
            }
            co_return;
        }
        if (request.path == "/goodbye")
        {
            for (int i = 0; i < 1000; ++i)
                connection->send(std::to_string(i));
            connection->close(close_code::going_away, "bye");
            co_return;
        }
        if (request.path == "/elsewhere")
        {
            const auto there = server->executor(1 - from.thread);
            connection = use_from(there, std::move(connection));
            co_await asio::co_spawn(there, echo(std::move(connection), false), asio::use_awaitable);
            co_return;
        }
        co_await echo(std::move(connection), request.path == "/count");
    }
    asio::awaitable<void> echo(std::unique_ptr<websocket> connection, bool count)
    {
        while (true)
        {
            const auto messages = co_await connection->read();
            if (!messages)
            {
                const std::lock_guard lock(mutex_);
                if (!first_end_)
                    first_end_ = messages.error();
                co_return;
            }
            if (count)
                connection->send(std::to_string(messages->size()));
            else
                for (const auto& [what, each] : *messages)
                    if (what == websocket_message::kind::binary)
                        connection->send_binary(each);
                    else
                        each.size() % 2 == 0 ? connection->send(each) : connection->send(encode_text_frame(each));
            connection->flush();
        }
    }
    http_response refuse(unsigned status, std::string_view detail) override
    {
        return http_response::json(status, R"({"error":")" + std::string(detail) + "\"}");
    }

    void crowded(place_table::crowd, const std::string&) override { ++crowded_count; }

    http_server* server = nullptr;
    std::atomic<int> handled = 0;
    std::atomic<int> unheard = 0;
    std::atomic<int> crowded_count = 0;
    std::atomic<int> websockets = 0;
    std::atomic<bool> go = false;
    std::atomic<std::size_t> flooded = 0;
    const std::shared_ptr<output_meter> output = std::make_shared<output_meter>();
    std::atomic<std::size_t> input_held = 0;
    std::size_t input_most = 1u << 20;

    /// How the first of the WebSockets ended, if one has.
    std::optional<error> first_end()
    {
        const std::lock_guard lock(mutex_);
        return first_end_;
    }

private:
    std::mutex mutex_;
    std::optional<error> first_end_;
};

class http_server_test : public ::testing::Test
{
protected:
    http_server_test() { init_crypto(); }
    ~http_server_test() override
    {
        client_.reset();
        if (server_)
            server_->stop();
        if (!directory_.empty())
            std::filesystem::remove_all(directory_);
    }

    void start(http_server_options options = {})
    {
        server_ = http_server::listen(std::move(options)).value();
        site_.server = server_.get();
        server_->start(site_);
    }
    std::string base(std::string_view scheme = "http") const
    {
        return std::string(scheme) + "://127.0.0.1:" + std::to_string(server_->port());
    }
    client_response get(std::string path) { return send({.url = base() + path, .headers = {}, .body = {}}).value(); }
    result<client_response> send(client_request request)
    {
        if (!client_)
            client_ = http_client::make(loop_.executor()).value();
        return loop_.run(client_->send(std::move(request)));
    }

    tcp::socket dial()
    {
        tcp::socket out(loop_.executor());
        out.connect({asio::ip::make_address("127.0.0.1"), server_->port()});
        return out;
    }
    /// Sends `text` and reads until the server closes, or until `count` answers' worth of `marker` came.
    std::string raw(std::string text, std::string_view marker = {}, std::size_t count = 0)
    {
        auto socket = dial();
        asio::write(socket, asio::buffer(text));
        std::string got;
        std::array<char, 4096> chunk;
        boost::system::error_code failed;
        while (!failed)
        {
            got.append(chunk.data(), socket.read_some(asio::buffer(chunk), failed));
            std::size_t seen = 0;
            for (auto at = got.find(marker); count > 0 && at != std::string::npos; at = got.find(marker, at + 1))
                ++seen;
            if (count > 0 && seen >= count)
                break;
        }
        return got;
    }

    /// A certificate for 127.0.0.1, localhost and relay.example, signed by itself.
    void make_certificate()
    {
        auto pattern = (std::filesystem::temp_directory_path() / "consortium-net-XXXXXX").string();
        directory_ = mkdtemp(pattern.data());
        const auto command =
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
            "-subj /CN=localhost -addext 'subjectAltName=DNS:localhost,DNS:relay.example,IP:127.0.0.1' -keyout " +
            (directory_ / "key.pem").string() + " -out " + (directory_ / "cert.pem").string() + " 2>/dev/null";
        ASSERT_EQ(std::system(command.c_str()), 0);
    }
    http_server_options tls_options()
    {
        http_server_options out;
        out.certificate_file = directory_ / "cert.pem";
        out.key_file = directory_ / "key.pem";
        return out;
    }

    std::unique_ptr<client_websocket> open_websocket(const std::string& path, client_options options = {})
    {
        return loop_.run(connect_websocket(base("ws") + path, {}, std::move(options))).value();
    }
    std::vector<std::string> read_messages(client_websocket& from, std::size_t count)
    {
        std::vector<std::string> out;
        loop_.run(
            [](client_websocket& from_, std::size_t count_, std::vector<std::string>& out_) -> asio::awaitable<void>
            {
                while (out_.size() < count_)
                {
                    const auto message = co_await from_.read();
                    if (!message)
                        co_return;
                    out_.emplace_back(message->payload);
                }
            }(from, count, out));
        return out;
    }
    error read_error(client_websocket& from)
    {
        return loop_.run(
            [](client_websocket& from_) -> asio::awaitable<error>
            {
                while (true)
                    if (const auto message = co_await from_.read(); !message)
                        co_return message.error();
            }(from));
    }
    /// For what no client does: frames as they are, all in one write, masked with zeros.
    std::string upgrade(std::string_view path)
    {
        return "GET " + std::string(path) +
               " HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    }

    loop loop_;
    test_site site_;
    std::unique_ptr<http_server> server_;
    std::unique_ptr<http_client> client_;
    std::filesystem::path directory_;
};

// Goal: new connections use what lies in the files when it is asked to read them again; broken files change nothing.
TEST_F(http_server_test, reads_its_certificate_again)
{
    make_certificate();
    start(tls_options());
    const auto first = directory_;
    const auto trusts = [&](const std::filesystem::path& certificate)
    {
        client_options options;
        options.extra_ca_file = certificate;
        auto client = http_client::make(loop_.executor(), std::move(options)).value();
        return loop_.run(client->send({.url = base("https") + "/echo", .headers = {}, .body = {}})).has_value();
    };
    std::filesystem::copy(first / "cert.pem", first / "old.pem");
    ASSERT_TRUE(trusts(first / "old.pem"));

    std::filesystem::resize_file(first / "cert.pem", 10);
    const auto broken = server_->reload_tls();
    ASSERT_FALSE(broken);
    EXPECT_TRUE(broken.error().detail.contains("cert.pem")) << broken.error().detail;
    EXPECT_TRUE(trusts(first / "old.pem"));

    make_certificate();
    for (const auto* name : {"cert.pem", "key.pem"})
        std::filesystem::copy(directory_ / name, first / name, std::filesystem::copy_options::overwrite_existing);
    ASSERT_TRUE(server_->reload_tls());
    EXPECT_FALSE(trusts(first / "old.pem"));
    EXPECT_TRUE(trusts(directory_ / "cert.pem"));
    std::filesystem::remove_all(first);
}

// Goal: what a posted task throws ends the task: its thread serves on, and the program hears of it.
TEST_F(http_server_test, a_task_that_throws_leaves_its_thread_running)
{
    std::vector<std::string> bugs;
    http_server_options options;
    options.on_bug = [&](std::string_view what) { bugs.emplace_back(what); };
    start(std::move(options));
    server_->post(0, [] { throw std::runtime_error("a bug"); });
    server_->post(0, [] { throw 1; });
    EXPECT_EQ(get("/echo").body, "GET ");
    EXPECT_EQ(bugs, (std::vector<std::string>{"a bug", "an exception of no known type"}));
}

TEST_F(http_server_test, answers_and_keeps_the_connection)
{
    start();
    const auto first = send({.method = "POST", .url = base() + "/echo", .headers = {}, .body = "hello"}).value();
    EXPECT_EQ(first.status, 200u);
    EXPECT_EQ(first.body, "POST hello");
    EXPECT_EQ(first.headers.find("X-Remote"), "127.0.0.1");
    EXPECT_EQ(get("/nowhere").status, 404u);
    EXPECT_EQ(server_->connection_count(), 1u);
}

TEST_F(http_server_test, carries_large_bodies_both_ways)
{
    start();
    const std::string large(16u << 20, 'b');
    EXPECT_EQ(send({.method = "POST", .url = base() + "/echo", .headers = {}, .body = large})->body, "POST " + large);
    EXPECT_EQ(get("/text?n=30000000").body.size(), 30'000'000u);
}

TEST_F(http_server_test, refuses_a_body_above_the_bound_with_413_and_the_client_sees_it)
{
    start();
    const auto answer =
        send({.method = "POST", .url = base() + "/echo", .headers = {}, .body = std::string((16u << 20) + 1, 'b')});
    ASSERT_TRUE(answer) << answer.error().detail;
    EXPECT_EQ(answer->status, 413u);
    EXPECT_EQ(answer->body, R"({"error":"Request body is too large"})");
    EXPECT_EQ(site_.handled, 0);
}

TEST_F(http_server_test, answers_pipelined_requests_in_order)
{
    start();
    std::string requests;
    for (int i = 0; i < 50; ++i)
    {
        const auto body = "n" + std::to_string(i) + "!";
        requests +=
            "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    }
    const auto got = raw(requests, "!", 50);
    std::size_t at = 0;
    for (int i = 0; i < 50; ++i)
    {
        at = got.find("POST n" + std::to_string(i) + "!", at);
        ASSERT_NE(at, std::string::npos) << i;
    }
}

TEST_F(http_server_test, says_continue_only_when_asked_and_before_the_body)
{
    start();
    const std::string head = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n";
    auto socket = dial();
    asio::write(socket, asio::buffer(head + "\r\n"));
    std::string got;
    asio::read_until(socket, asio::dynamic_buffer(got), "\r\n\r\n");
    EXPECT_EQ(got, "HTTP/1.1 100 Continue\r\n\r\n");
    asio::write(socket, asio::buffer("ok", 2));
    got.clear();
    asio::read_until(socket, asio::dynamic_buffer(got), "POST ok");
    EXPECT_TRUE(got.starts_with("HTTP/1.1 200 OK\r\n"));
    EXPECT_FALSE(raw(head + "Connection: close\r\n\r\nok").contains("100 Continue"));
}

TEST_F(http_server_test, obeys_connection_close_and_http_1_0)
{
    start();
    EXPECT_TRUE(raw("GET /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").contains("Connection: close\r\n"));
    EXPECT_TRUE(raw("GET /echo HTTP/1.0\r\n\r\n").ends_with("GET "));
    const auto head = raw("HEAD /text?n=5 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    EXPECT_TRUE(head.contains("Content-Length: 5\r\n"));
    EXPECT_TRUE(head.ends_with("\r\n\r\n"));
}

TEST_F(http_server_test, malformed_requests_get_an_answer_and_the_connection_ends)
{
    start();
    EXPECT_TRUE(raw("nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
    EXPECT_TRUE(raw("GET / HTTP/1.1\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n").starts_with("HTTP/1.1 431 "));
    const std::string upgrade = "Connection: close\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n";
    EXPECT_TRUE(raw("GET /ws HTTP/1.1\r\nHost: h\r\n" + upgrade + "\r\n").contains(" 400 "));
    EXPECT_TRUE(raw("GET /ws HTTP/1.1\r\nHost: h\r\n" + upgrade +
                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n\r\n")
                    .contains("Sec-WebSocket-Version: 13\r\n"));
}

TEST_F(http_server_test, a_header_value_cannot_smuggle_another_field)
{
    start();
    const auto answer = get("/smuggle");
    EXPECT_EQ(answer.headers.find("X-A"), "1  X-Evil: 2");
    EXPECT_FALSE(answer.headers.contains("X-Evil"));
}

TEST_F(http_server_test, an_exception_is_a_500_and_the_connection_goes_on)
{
    start();
    EXPECT_EQ(get("/fault").status, 500u);
    EXPECT_EQ(get("/echo").status, 200u);
    EXPECT_EQ(server_->connection_count(), 1u);
}

TEST_F(http_server_test, ends_connections_that_dawdle)
{
    http_server_options options;
    options.header_timeout = milliseconds(60);
    options.idle_timeout = milliseconds(60);
    options.body_span = milliseconds(60);
    start(options);
    EXPECT_EQ(raw(""), "");
    EXPECT_EQ(raw("GET / HT"), "");
    EXPECT_EQ(raw("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab"), "");
    EXPECT_TRUE(raw("GET /echo HTTP/1.1\r\nHost: h\r\n\r\n").ends_with("GET "));
    EXPECT_EQ(site_.handled, 1);
}

// Goal: a body that trickles is judged by what came last, however much came before; one that comes at the rate it
// should is taken, however long that takes.
TEST_F(http_server_test, ends_bodies_that_trickle)
{
    http_server_options options;
    options.body_span = milliseconds(60);
    options.body_bytes_per_second_min = 10'000;
    start(options);
    const std::string head = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n";
    const auto send_slowly = [&](tcp::socket& to, std::size_t bytes, milliseconds every) -> std::size_t
    {
        std::size_t sent = 0;
        boost::system::error_code failed;
        asio::steady_timer timer(loop_.executor());
        for (; sent < 100'000 && !failed; sent += bytes)
        {
            asio::write(to, asio::buffer(std::string(std::min(bytes, 100'000 - sent), 'b')), failed);
            timer.expires_after(every);
            timer.wait();
        }
        return sent;
    };
    auto slow = dial();
    asio::write(slow, asio::buffer(head + std::string(50'000, 'b')));
    EXPECT_LT(send_slowly(slow, 1, milliseconds(5)), 1000u);
    auto steady = dial();
    asio::write(steady, asio::buffer(head));
    EXPECT_EQ(send_slowly(steady, 2000, milliseconds(5)), 100'000u);
    std::string got;
    asio::read_until(steady, asio::dynamic_buffer(got), "POST bbb");
    EXPECT_TRUE(got.starts_with("HTTP/1.1 200 OK\r\n"));
}

// Goal: a new connection has the time of a header, not that of an idle connection.
TEST_F(http_server_test, a_silent_connection_ends_with_the_time_of_a_header)
{
    http_server_options options;
    options.header_timeout = milliseconds(60);
    options.idle_timeout = std::chrono::minutes(10);
    start(options);
    EXPECT_EQ(raw(""), "");
    // It counts for the whole header, whatever comes meanwhile.
    auto drips = dial();
    boost::system::error_code failed;
    asio::steady_timer timer(loop_.executor());
    std::size_t sent = 0;
    for (asio::write(drips, asio::buffer("GET / HTTP/1.1\r\nX: ", 19)); !failed && sent < 10'000; ++sent)
    {
        asio::write(drips, asio::buffer("x", 1), failed);
        timer.expires_after(milliseconds(2));
        timer.wait();
    }
    EXPECT_LT(sent, 10'000u);
    EXPECT_EQ(site_.handled, 0);
}

// Goal: what a route does not take is refused on the header: no byte of the body is waited for.
TEST_F(http_server_test, judges_a_body_by_what_its_header_announces)
{
    start();
    EXPECT_TRUE(raw("POST /small HTTP/1.1\r\nHost: h\r\nContent-Length: 17\r\n\r\n").starts_with("HTTP/1.1 413 "));
    EXPECT_TRUE(raw("POST /small HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 17\r\n\r\n")
                    .starts_with("HTTP/1.1 413 "));
    EXPECT_TRUE(
        raw("POST /forbidden HTTP/1.1\r\nHost: h\r\nContent-Length: 9999999\r\n\r\n").starts_with("HTTP/1.1 403 "));
    EXPECT_TRUE(
        raw("POST /forbidden HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n").starts_with("HTTP/1.1 403 "));
    EXPECT_EQ(site_.handled, 0);
}

// Goal: after a refusal the connection goes on where the rest of the request is small, and the next request is its own.
TEST_F(http_server_test, reads_the_body_of_a_refused_request_away)
{
    start();
    const auto got =
        raw("POST /forbidden HTTP/1.1\r\nHost: h\r\nContent-Length: 30\r\n\r\nGET /where HTTP/1.1\r\nHost: h\r\n"
            "GET /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    EXPECT_TRUE(got.starts_with("HTTP/1.1 403 "));
    EXPECT_TRUE(got.ends_with("GET ")) << got;
    EXPECT_EQ(site_.handled, 1);
}

// Goal: whoever is silent keeps nobody out, and whoever has shown who it is stays.
TEST_F(http_server_test, the_oldest_silent_stranger_of_an_address_makes_room)
{
    http_server_options options;
    options.connections_per_address_max = 6;
    options.strangers_per_address_max = 4;
    start(options);
    const auto ask = [](tcp::socket& from, const std::string& fields)
    {
        asio::write(from, asio::buffer("GET /echo HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n"));
        std::string got;
        asio::read_until(from, asio::dynamic_buffer(got), "GET ");
        return got;
    };
    auto known = dial();
    EXPECT_TRUE(ask(known, "Authorization: x\r\n").contains(" 200 "));
    std::vector<tcp::socket> silent;
    for (int i = 0; i < 40; ++i)
    {
        silent.push_back(dial());
        EXPECT_TRUE(ask(known, "").contains(" 200 "));
    }
    loop_.run_until([&] { return server_->connection_count() <= 6; });
    EXPECT_TRUE(ask(silent.back(), "").contains(" 200 "));
    EXPECT_GT(site_.crowded_count, 30);
    boost::system::error_code failed;
    char byte = 0;
    EXPECT_EQ(silent.front().read_some(asio::buffer(&byte, 1), failed), 0u);
    EXPECT_TRUE(failed);
}

// Goal: a WebSocket has small bounds until it has signed in.
TEST_F(http_server_test, a_stranger_may_send_small_messages_only)
{
    http_server_options options;
    options.stranger_frame_bytes_max = 100;
    start(options);
    auto stranger = open_websocket("/ws");
    stranger->send(std::string(101, 'x'));
    EXPECT_EQ(read_error(*stranger), errc::closed);
    loop_.run_until([&] { return site_.first_end().has_value(); });
    EXPECT_EQ(*site_.first_end(), errc::too_large);

    auto known = open_websocket("/signed-in");
    known->send(std::string(10'000, 'x'));
    EXPECT_EQ(read_messages(*known, 1).front().size(), 10'000u);
}

// Goal: what waits for a known peer is counted wherever it waits, and no more once it was taken or the peer has gone.
// Method: echoes of odd and even sizes are frames of their own and copies in the queue.
TEST_F(http_server_test, what_waits_for_a_known_peer_is_counted)
{
    start();
    auto slow = open_websocket("/metered");
    constexpr std::size_t sent_bytes = 24u << 20;
    const std::string messages[]{std::string(30'000, 'x'), std::string(30'001, 'x'), std::string(301, 'x')};
    std::size_t sent = 0;
    std::size_t count = 0;
    for (; sent < sent_bytes; ++count)
    {
        slow->send(messages[count % 3]);
        sent += messages[count % 3].size();
    }
    // What the system's buffers do not hold waits here.
    loop_.run_until([&] { return site_.output->waiting() > 1u << 20; });
    EXPECT_EQ(read_messages(*slow, count).size(), count);
    loop_.run_until([&] { return site_.output->waiting() == 0; });

    for (count = 0, sent = 0; sent < sent_bytes; ++count)
    {
        slow->send(messages[count % 3]);
        sent += messages[count % 3].size();
    }
    loop_.run_until([&] { return site_.output->waiting() > 1u << 20; });
    slow.reset();
    loop_.run_until([&] { return site_.output->waiting() == 0; });
}

// Goal: what a known peer sends finds room among all that its account sends, or ends its connection; the room comes
// back.
TEST_F(http_server_test, large_messages_of_a_known_peer_need_room)
{
    start();
    auto first = open_websocket("/metered");
    first->send(std::string(700'000, 'x'));
    EXPECT_EQ(read_messages(*first, 1).front().size(), 700'000u);
    first->send(std::string(10, 'x'));
    EXPECT_EQ(read_messages(*first, 1).front().size(), 10u);
    loop_.run_until([&] { return site_.input_held == 0; });

    first->send(std::string(3'000'000, 'x'));
    EXPECT_EQ(read_error(*first), errc::closed);
    loop_.run_until([&] { return site_.first_end().has_value() && site_.input_held == 0; });
    EXPECT_EQ(*site_.first_end(), errc::overloaded);

    auto second = open_websocket("/metered");
    second->send(std::string(50'000, 'x'));
    EXPECT_EQ(read_messages(*second, 1).front().size(), 50'000u);
    EXPECT_EQ(site_.input_held, 0u) << "what is usual needs none";
}

TEST_F(http_server_test, survives_peers_that_vanish)
{
    start();
    for (const std::string text :
         {"", "GET /", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nab",
          "GET /text?n=9000000 HTTP/1.1\r\nHost: h\r\n\r\n"})
    {
        auto socket = dial();
        asio::write(socket, asio::buffer(text));
        // A reset, not an orderly end.
        socket.set_option(asio::socket_base::linger(true, 0));
        socket.close();
    }
    EXPECT_EQ(get("/echo").status, 200u);
    loop_.run_until([&] { return server_->connection_count() == 1; });
}

// Goal: who asked is known to have gone while it waits, and not because it asked for more or took its answer.
TEST_F(http_server_test, notices_that_who_asked_has_gone)
{
    start();
    const std::string watched = "GET /watched HTTP/1.1\r\nHost: h\r\n\r\n";
    int gone = 0;
    for (const bool orderly : {true, false})
    {
        auto socket = dial();
        asio::write(socket, asio::buffer(watched));
        loop_.run_until([&] { return site_.handled == gone + 1; });
        if (!orderly)
            socket.set_option(asio::socket_base::linger(true, 0));
        socket.close();
        ++gone;
        loop_.run_until([&] { return site_.unheard == gone; });
    }

    auto asks_on = dial();
    asio::write(asks_on, asio::buffer(watched));
    loop_.run_until([&] { return site_.handled == 3; });
    asio::write(asks_on, asio::buffer(std::string("GET /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")));
    site_.go = true;
    std::string got;
    boost::system::error_code ended;
    asio::read(asks_on, asio::dynamic_buffer(got), ended);
    EXPECT_NE(got.find("done"), std::string::npos) << got;
    EXPECT_NE(got.find("GET "), std::string::npos) << got;
    asks_on.close();
    loop_.run_until([&] { return server_->connection_count() == 0; });
    EXPECT_EQ(site_.unheard, gone);
}

TEST_F(http_server_test, notices_with_tls_that_who_asked_has_gone)
{
    make_certificate();
    start(tls_options());
    client_options options;
    options.extra_ca_file = directory_ / "cert.pem";
    options.request_timeout = milliseconds(300);
    // One that gives up before it has asked is no such thing.
    for (int tries = 0; site_.unheard == 0 && tries < 50; ++tries)
    {
        client_ = http_client::make(loop_.executor(), options).value();
        EXPECT_EQ(send({.url = base("https") + "/watched", .headers = {}, .body = {}}).error(), errc::timeout);
    }
    EXPECT_GT(site_.unheard, 0);
    site_.go = true;
}

TEST_F(http_server_test, spreads_connections_over_its_threads_and_runs_tasks_there)
{
    http_server_options options;
    options.threads = 3;
    start(options);
    std::set<std::string> threads;
    for (int i = 0; i < 6; ++i)
    {
        client_.reset();
        threads.insert(get("/where").body);
    }
    EXPECT_EQ(threads.size(), 3u);
    EXPECT_FALSE(server_->current_thread());
    for (std::size_t i = 0; i < server_->thread_count(); ++i)
    {
        std::promise<std::optional<std::size_t>> where;
        server_->post(i, [&] { where.set_value(server_->current_thread()); });
        EXPECT_EQ(where.get_future().get(), i);
    }
}

TEST_F(http_server_test, says_in_one_line_why_it_cannot_listen)
{
    start();
    http_server_options options;
    options.port = server_->port();
    const auto taken = http_server::listen(options);
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error(), errc::io);
    EXPECT_NE(taken.error().detail.find("127.0.0.1:" + std::to_string(options.port)), std::string::npos);
    EXPECT_NE(taken.error().detail.find("in use"), std::string::npos);

    options.address = "not-an-address";
    EXPECT_EQ(http_server::listen(options).error(), errc::bad_request);
    options.address = "203.0.113.1";
    EXPECT_EQ(http_server::listen(options).error(), errc::io);
    options = {};
    options.certificate_file = "/nonexistent/cert.pem";
    EXPECT_EQ(http_server::listen(options).error(), errc::bad_request);
    options.key_file = "/nonexistent/key.pem";
    const auto unreadable = http_server::listen(options);
    ASSERT_FALSE(unreadable);
    EXPECT_NE(unreadable.error().detail.find("/nonexistent/cert.pem"), std::string::npos);
}

TEST_F(http_server_test, draining_answers_what_is_under_way_and_ends_the_rest)
{
    start();
    auto idle = dial();
    ASSERT_EQ(get("/echo").status, 200u);
    std::promise<std::string> slow;
    std::thread asking(
        [&]
        {
            loop own;
            auto client = http_client::make(own.executor()).value();
            const auto answer = own.run(client->send({.url = base() + "/slow", .headers = {}, .body = {}}));
            slow.set_value(
                answer ? answer->body + std::string(answer->headers.find("Connection").value_or("")) : "failed");
        });
    loop_.run_until([&] { return site_.handled == 2; });
    auto drained = std::async(std::launch::async, [&] { return server_->drain(milliseconds(5000)); });
    // The idle connection ends at once.
    std::array<char, 1> byte;
    boost::system::error_code ended;
    idle.read_some(asio::buffer(byte), ended);
    EXPECT_EQ(ended, asio::error::eof);
    site_.go = true;
    EXPECT_EQ(slow.get_future().get(), "doneclose");
    asking.join();
    EXPECT_TRUE(drained.get());
    EXPECT_FALSE(send({.url = base() + "/echo", .headers = {}, .body = {}}));
}

TEST_F(http_server_test, draining_cuts_what_does_not_end_in_time)
{
    start();
    auto connection = open_websocket("/ws");
    EXPECT_FALSE(server_->drain(milliseconds(50)));
    EXPECT_FALSE(loop_.run(connection->read()));
}

TEST_F(http_server_test, refuses_connections_above_its_bound)
{
    http_server_options options;
    options.connections_max = 2;
    start(options);
    auto first = dial();
    auto second = dial();
    // Strangers would make room.
    for (auto* known : {&first, &second})
    {
        std::string got;
        asio::write(*known, asio::buffer(std::string("GET /echo HTTP/1.1\r\nHost: h\r\nAuthorization: x\r\n\r\n")));
        asio::read_until(*known, asio::dynamic_buffer(got), "GET ");
    }
    EXPECT_EQ(raw("GET /echo HTTP/1.1\r\n\r\n"), "");
    first.close();
    loop_.run_until([&] { return server_->connection_count() == 1; });
    EXPECT_EQ(get("/echo").status, 200u);
}

TEST_F(http_server_test, the_client_uses_a_connection_again_and_survives_its_end)
{
    http_server_options options;
    options.idle_timeout = milliseconds(30);
    start(options);
    EXPECT_EQ(get("/echo").status, 200u);
    loop_.run_until([&] { return server_->connection_count() == 0; });
    EXPECT_EQ(get("/echo").status, 200u);
}

TEST_F(http_server_test, the_client_gives_up_in_time)
{
    start();
    client_options options;
    options.request_timeout = milliseconds(50);
    client_ = http_client::make(loop_.executor(), options).value();
    const auto answer = send({.url = base() + "/slow", .headers = {}, .body = {}});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error(), errc::timeout);
    options.response_bytes_max = 100;
    client_ = http_client::make(loop_.executor(), options).value();
    EXPECT_EQ(send({.url = base() + "/text?n=101", .headers = {}, .body = {}}).error(), errc::too_large);
    site_.go = true;
}

TEST_F(http_server_test, websocket_echoes_messages_in_order)
{
    start();
    auto connection = open_websocket("/ws");
    std::vector<std::string> sent;
    for (std::size_t i = 0; i < 2000; ++i)
    {
        // Small ones are copied together, large ones go out from where they are; both kinds in one write.
        sent.push_back(std::to_string(i) + std::string(i % 7 == 0 ? 3000 + i : i % 100, 'x'));
        connection->send(sent.back());
    }
    EXPECT_EQ(read_messages(*connection, sent.size()), sent);
}

TEST_F(http_server_test, websocket_hands_out_together_what_arrived_together)
{
    start();
    auto socket = dial();
    std::string frames = upgrade("/count");
    for (int i = 0; i < 100; ++i)
        frames += std::string("\x81\x81\0\0\0\0x", 7);
    // One write of 700 bytes arrives whole on loopback.
    asio::write(socket, asio::buffer(frames));
    std::string got;
    asio::read_until(socket, asio::dynamic_buffer(got), "\r\n\r\n");
    asio::read_until(socket, asio::dynamic_buffer(got), "100");
    EXPECT_TRUE(got.ends_with(std::string("\x81\x03") + "100")) << got;
}

TEST_F(http_server_test, websocket_messages_up_to_the_bound_pass_and_above_it_end_with_1009)
{
    start();
    client_options options;
    auto connection = open_websocket("/ws", options);
    const std::string large(16u << 20, 'm');
    connection->send(large);
    EXPECT_EQ(read_messages(*connection, 1), std::vector<std::string>{large});
    connection->send(large + "m");
    const auto end = read_error(*connection);
    EXPECT_EQ(end, errc::closed);
    EXPECT_NE(end.detail.find("1009"), std::string::npos) << end.detail;
    loop_.run_until([&] { return site_.first_end().has_value(); });
    EXPECT_EQ(*site_.first_end(), errc::too_large);
}

TEST_F(http_server_test, websocket_close_sends_what_was_queued_first)
{
    start();
    auto connection = open_websocket("/goodbye");
    const auto got = read_messages(*connection, 1001);
    ASSERT_EQ(got.size(), 1000u);
    EXPECT_EQ(got.back(), "999");
    const auto end = read_error(*connection);
    EXPECT_EQ(end, errc::closed);
    EXPECT_NE(end.detail.find("1001 bye"), std::string::npos) << end.detail;
    loop_.run_until([&] { return server_->connection_count() == 0; });
}

TEST_F(http_server_test, websocket_that_is_not_read_is_bounded_and_dropped)
{
    http_server_options options;
    options.write_timeout = milliseconds(100);
    start(options);
    auto connection = open_websocket("/flood");
    loop_.run_until([&] { return server_->connection_count() == 0; });
    EXPECT_GT(site_.flooded, 50'000'000u);
}

TEST_F(http_server_test, websocket_refusals_reach_the_client)
{
    start();
    const auto refused = loop_.run(connect_websocket(base("ws") + "/forbidden"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), errc::unavailable) << "whoever said it";
    EXPECT_NE(refused.error().detail.find("403 not you"), std::string::npos);
}

TEST_F(http_server_test, websocket_answers_pings_and_ends_on_broken_frames)
{
    start();
    auto socket = dial();
    // A ping, masked with zeros, right behind the handshake; then an unmasked frame.
    asio::write(socket, asio::buffer(upgrade("/ws") + std::string("\x89\x82\0\0\0\0hi\x81\x02no", 12)));
    std::string got;
    boost::system::error_code ended;
    asio::read(socket, asio::dynamic_buffer(got), ended);
    EXPECT_EQ(ended, asio::error::eof);
    EXPECT_TRUE(got.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    const auto frames = got.substr(got.find("\r\n\r\n") + 4);
    EXPECT_TRUE(frames.starts_with(std::string("\x8a\x02hi", 4)));
    EXPECT_EQ(frames.substr(4, 1), "\x88");
    EXPECT_EQ(frames.substr(6, 2), "\x03\xea");
}

// Goal: whoever sends pings and takes no answers costs no memory. Before he reads anything the sender has sent far more
// than the system keeps for him; answers that nobody could take are left out, but for the latest.
TEST_F(http_server_test, websocket_keeps_one_answer_to_pings_for_who_takes_none)
{
    start();
    auto socket = dial();
    const std::string head = "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    asio::write(socket, asio::buffer(head));
    const auto ping = std::string("\x89\xfd\0\0\0\0", 6) + std::string(125, 'p');
    std::string pings;
    for (int i = 0; i < 1'000; ++i)
        pings += ping;
    constexpr std::size_t lots = 400;
    for (std::size_t i = 0; i < lots; ++i)
        asio::write(socket, asio::buffer(pings));
    asio::write(socket, asio::buffer(std::string("\x88\x82\0\0\0\0\x03\xe8", 8)));
    std::string got;
    boost::system::error_code ended;
    asio::read(socket, asio::dynamic_buffer(got), ended);
    EXPECT_EQ(ended, asio::error::eof);
    EXPECT_LT(got.size(), lots * pings.size() / 2);
    EXPECT_TRUE(got.ends_with(std::string("\x88\x02\x03\xe8", 4))) << "the end is answered still";
}

TEST_F(http_server_test, websocket_is_used_from_another_thread)
{
    http_server_options options;
    options.threads = 2;
    start(options);
    auto connection = open_websocket("/elsewhere");
    for (int i = 0; i < 100; ++i)
        connection->send(std::to_string(i));
    EXPECT_EQ(read_messages(*connection, 100).back(), "99");
    connection->close(close_code::normal);
    connection.reset();
    loop_.run_until([&] { return server_->connection_count() == 0; });
}

TEST_F(http_server_test, tls_carries_http_and_websockets_and_verifies)
{
    make_certificate();
    start(tls_options());
    // Nobody vouches for this certificate.
    const auto untrusted = send({.url = base("https") + "/echo", .headers = {}, .body = {}});
    ASSERT_FALSE(untrusted);
    EXPECT_EQ(untrusted.error(), errc::io);
    EXPECT_NE(untrusted.error().detail.find("not trusted"), std::string::npos) << untrusted.error().detail;

    client_options options;
    options.extra_ca_file = directory_ / "cert.pem";
    client_ = http_client::make(loop_.executor(), options).value();
    const std::string large(3'000'000, 't');
    EXPECT_EQ(
        send({.method = "POST", .url = base("https") + "/echo", .headers = {}, .body = large})->body, "POST " + large);
    EXPECT_EQ(
        send({.url = "https://localhost:" + std::to_string(server_->port()) + "/echo", .headers = {}, .body = {}})
            ->status,
        200u);

    auto connection = loop_.run(connect_websocket(base("wss") + "/ws", {}, options)).value();
    std::vector<std::string> sent;
    for (std::size_t i = 0; i < 300; ++i)
    {
        sent.push_back(std::to_string(i) + std::string(i * 50, 'x'));
        connection->send(sent.back());
    }
    EXPECT_EQ(read_messages(*connection, sent.size()), sent);

    // Plain bytes on a TLS port end that connection only.
    EXPECT_FALSE(raw("GET / HTTP/1.1\r\n\r\n").contains("200"));
    EXPECT_EQ(send({.url = base("https") + "/echo", .headers = {}, .body = {}})->status, 200u);
    options.extra_ca_file = "/nonexistent.pem";
    EXPECT_EQ(http_client::make(loop_.executor(), options).error(), errc::bad_request);
}

/// A proxy that tunnels whatever it is asked for to one server, and keeps what it saw.
class tunnelling_proxy
{
public:
    tunnelling_proxy(asio::any_io_executor executor, std::uint16_t server)
        : acceptor_(executor, {asio::ip::make_address("127.0.0.1"), 0}), server_(server)
    {
        asio::co_spawn(executor, accept(), asio::detached);
    }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()); }

    std::vector<std::string> asked;
    std::string seen; ///< in both directions, behind what opens the tunnel

private:
    asio::awaitable<void> accept()
    {
        while (true)
        {
            auto [failed, socket] = co_await acceptor_.async_accept(asio::as_tuple(asio::use_awaitable));
            if (failed)
                co_return;
            asio::co_spawn(
                acceptor_.get_executor(), serve(std::make_shared<tcp::socket>(std::move(socket))), asio::detached);
        }
    }
    asio::awaitable<void> serve(std::shared_ptr<tcp::socket> near)
    {
        std::string head;
        co_await asio::async_read_until(*near, asio::dynamic_buffer(head), "\r\n\r\n", asio::use_awaitable);
        asked.push_back(head.substr(0, head.find("\r\n")));
        auto far = std::make_shared<tcp::socket>(near->get_executor());
        co_await far->async_connect({asio::ip::make_address("127.0.0.1"), server_}, asio::use_awaitable);
        co_await asio::async_write(*near, asio::buffer("HTTP/1.1 200 Connected\r\n\r\n", 26), asio::use_awaitable);
        asio::co_spawn(near->get_executor(), pass_on(near, far), asio::detached);
        asio::co_spawn(near->get_executor(), pass_on(far, near), asio::detached);
    }
    asio::awaitable<void> pass_on(std::shared_ptr<tcp::socket> from, std::shared_ptr<tcp::socket> to)
    {
        std::string chunk(16'384, '\0');
        while (true)
        {
            const auto [ended, count] =
                co_await from->async_read_some(asio::buffer(chunk), asio::as_tuple(asio::use_awaitable));
            if (ended)
                break;
            seen.append(chunk, 0, count);
            const auto [failed, written] =
                co_await asio::async_write(*to, asio::buffer(chunk, count), asio::as_tuple(asio::use_awaitable));
            if (failed)
                break;
        }
        boost::system::error_code ignored;
        to->close(ignored);
    }

    tcp::acceptor acceptor_;
    std::uint16_t server_;
};

// Goal: TLS through a proxy ends at the relay: the proxy learns the relay's name and how much is said, and a relay that
// is not the one asked for is refused.
TEST_F(http_server_test, tls_goes_through_a_proxy_that_reads_nothing)
{
    make_certificate();
    start(tls_options());
    tunnelling_proxy proxy(loop_.executor(), server_->port());
    client_options options;
    options.extra_ca_file = directory_ / "cert.pem";
    options.proxies.https = proxy.url();
    client_ = http_client::make(loop_.executor(), options).value();
    const std::string words = "what nobody on the way may read";
    const auto got = send({.method = "POST", .url = "https://relay.example/echo", .headers = {}, .body = words});
    ASSERT_TRUE(got) << got.error().detail;
    EXPECT_EQ(got->body, "POST " + words);
    const auto socket = loop_.run(connect_websocket("wss://relay.example:8443/ws", {}, options)).value();
    socket->send(words);
    EXPECT_EQ(read_messages(*socket, 1).front(), words);
    EXPECT_EQ(
        proxy.asked,
        (std::vector<std::string>{"CONNECT relay.example:443 HTTP/1.1", "CONNECT relay.example:8443 HTTP/1.1"}));
    EXPECT_FALSE(proxy.seen.contains(words));
    EXPECT_FALSE(proxy.seen.contains("/echo"));

    const auto other = send({.url = "https://other.example/echo", .headers = {}, .body = {}});
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error(), errc::io);
    EXPECT_EQ(site_.handled, 1) << "nothing was asked of it";
    EXPECT_FALSE(loop_.run(connect_websocket("wss://other.example/ws", {}, options)));
}

TEST_F(http_server_test, tls_refuses_a_key_of_another_certificate)
{
    make_certificate();
    const auto first = tls_options();
    const auto old = directory_;
    make_certificate();
    auto mixed = tls_options();
    mixed.certificate_file = first.certificate_file;
    EXPECT_EQ(http_server::listen(mixed).error(), errc::bad_request);
    std::filesystem::remove_all(old);
}

} // namespace
} // namespace consortium::net
