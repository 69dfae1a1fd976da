#include "connect.hpp"
#include "consortium/common/secret.hpp"
#include "consortium/net/http_client.hpp"
#include "consortium/net/websocket_client.hpp"
#include "net/loop.hpp"
#include "net/played_server.hpp"
#include "websocket_frames.hpp"
#include <boost/asio/steady_timer.hpp>
#include <gtest/gtest.h>
#include <poll.h>

namespace consortium::net
{
namespace
{
using std::chrono::milliseconds;
using std::chrono::seconds;
using clock = std::chrono::steady_clock;

constexpr auto ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A server whose queue of connections is full: what else dials it hears nothing.
class black_hole
{
public:
    explicit black_hole(loop& on) : acceptor_(on.executor())
    {
        acceptor_.open(tcp::v4());
        acceptor_.bind({asio::ip::make_address("127.0.0.1"), 0});
        acceptor_.listen(0);
        bool full = false;
        for (int i = 0; i < 16 && !full; ++i)
        {
            auto& each = waiting_.emplace_back(on.executor());
            each.open(tcp::v4());
            each.native_non_blocking(true);
            (void)::connect(each.native_handle(), place().data(), static_cast<socklen_t>(place().size()));
            pollfd wanted{each.native_handle(), POLLOUT, 0};
            full = ::poll(&wanted, 1, 100) == 0;
        }
        EXPECT_TRUE(full);
    }
    tcp::endpoint place() const { return acceptor_.local_endpoint(); }

private:
    tcp::acceptor acceptor_;
    std::vector<tcp::socket> waiting_;
};

class net_client_test : public ::testing::Test
{
protected:
    net_client_test() { init_crypto(); }

    result<client_response> get(const std::string& url)
    {
        if (!client_)
            client_ = http_client::make(loop_.executor(), options_).value();
        return loop_.run(client_->send({.method = "GET", .url = url, .headers = {}, .body = {}}));
    }
    /// What a server's answer is taken for: the body, or the word of the error.
    std::string outcome(const std::string& answer, bool slowly)
    {
        played_server server(
            loop_,
            [=](played_connection& peer, int) -> asio::awaitable<void>
            {
                (void)co_await peer.read_head();
                for (std::size_t at = 0; at < answer.size(); at += slowly ? 1 : answer.size())
                    if (!co_await peer.write(slowly ? answer.substr(at, 1) : answer))
                        co_return;
            });
        const auto got = get("http://" + server.authority() + "/");
        return got ? got->body : std::string(word(got.error().code));
    }
    result<std::unique_ptr<client_websocket>> open_websocket(const std::string& authority)
    {
        return loop_.run(connect_websocket("ws://" + authority + "/", {}, options_));
    }
    /// Where the first connection led that could be made.
    result<tcp::endpoint> connect_to_first(std::vector<tcp::endpoint> places, milliseconds limit)
    {
        return loop_.run(
            [](asio::any_io_executor on, std::vector<tcp::endpoint> places_,
               milliseconds limit_) -> asio::awaitable<result<tcp::endpoint>>
            {
                const auto made = co_await connect_first(on, std::move(places_), clock::now() + limit_);
                if (!made)
                    co_return std::unexpected(made.error());
                co_return made->remote_endpoint();
            }(loop_.executor(), std::move(places), limit));
    }
    /// The error of a WebSocket whose server sends `frames`, or nothing.
    error end_of_websocket(const std::string& frames);

    loop loop_;
    client_options options_;
    std::unique_ptr<http_client> client_;
};

/// The server's part of a WebSocket handshake.
asio::awaitable<void> accept_websocket(played_connection& peer)
{
    const auto head = co_await peer.read_head();
    const std::string name = "Sec-WebSocket-Key: ";
    const auto begin = head.find(name) + name.size();
    const auto key = head.substr(begin, head.find("\r\n", begin) - begin);
    (void)co_await peer.write(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " +
        accept_key(key) + "\r\n\r\n");
}

result<std::string> read_one(loop& on, client_websocket& from)
{
    return on.run(
        [](client_websocket& from_) -> asio::awaitable<result<std::string>>
        {
            const auto message = co_await from_.read();
            if (!message)
                co_return std::unexpected(message.error());
            co_return std::string(message->payload);
        }(from));
}

error net_client_test::end_of_websocket(const std::string& frames)
{
    played_server server(
        loop_,
        [=](played_connection& peer, int) -> asio::awaitable<void>
        {
            co_await accept_websocket(peer);
            if (frames.empty())
                co_return co_await peer.fall_silent();
            // Hangs up when it has the client's close frame, as servers do (RFC 6455 section 7.1.1).
            (void)co_await peer.write(frames);
            // All of it: what is left unread would make a reset of the end. Masked frames have four bytes more.
            if (const auto head = co_await peer.read_exactly(2); head.size() == 2)
                (void)co_await peer.read_exactly(4 + (static_cast<unsigned char>(head[1]) & 0x7fu));
        });
    const auto socket = open_websocket(server.authority()).value();
    while (true)
        if (const auto message = read_one(loop_, *socket); !message)
            return message.error();
}

// ------------------------------------------------------------------------------------------------------------- HTTP

// Goal: a network that dies between two requests is noticed. Method: the second request of a connection is not
// answered.
TEST_F(net_client_test, a_connection_that_is_used_again_has_a_deadline_too)
{
    played_server server(
        loop_,
        [](played_connection& peer, int number) -> asio::awaitable<void>
        {
            (void)co_await peer.read_head();
            (void)co_await peer.write(ok);
            if (number == 1)
                co_await peer.fall_silent();
        });
    options_.request_timeout = milliseconds(100);
    EXPECT_EQ(get("http://" + server.authority() + "/")->body, "ok");
    EXPECT_EQ(get("http://" + server.authority() + "/").error(), errc::timeout);
    EXPECT_EQ(server.connections(), 1);
    EXPECT_EQ(get("http://" + server.authority() + "/")->body, "ok");
    EXPECT_EQ(server.connections(), 2) << "the dead one is not used again";
}

// Goal: what is large passes a slow network, in either direction, as long as it goes forward; what stands still does
// not. Method: a server that takes and gives a little at a time, so that the whole lasts many times the limit.
TEST_F(net_client_test, a_request_is_judged_by_its_progress)
{
    constexpr std::size_t body_bytes = 2u << 20;
    constexpr std::size_t step_bytes = 32u << 10;
    std::size_t taken_bytes_max = body_bytes;
    std::size_t given_bytes_max = body_bytes;
    played_server server(
        loop_,
        [&](played_connection& peer, int) -> asio::awaitable<void>
        {
            asio::steady_timer timer(loop_.executor());
            const auto rest = [&]
            {
                timer.expires_after(milliseconds(50));
                return timer.async_wait(asio::use_awaitable);
            };
            (void)co_await peer.read_head();
            // What came behind the header is with it already.
            for (std::size_t taken = step_bytes; taken < taken_bytes_max; taken += step_bytes)
            {
                (void)co_await peer.read_exactly(step_bytes);
                co_await rest();
            }
            if (taken_bytes_max < body_bytes)
            {
                timer.expires_after(std::chrono::seconds(60));
                co_return (void) co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
            }
            (void)co_await peer.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body_bytes) + "\r\n\r\n");
            for (std::size_t given = 0; given < given_bytes_max; given += step_bytes)
            {
                (void)co_await peer.write(std::string(step_bytes, 'a'));
                co_await rest();
            }
            if (given_bytes_max < body_bytes)
                co_await peer.fall_silent();
        },
        static_cast<int>(step_bytes));
    options_.request_timeout = milliseconds(1500);
    const auto post = [&]
    {
        const auto client = http_client::make(loop_.executor(), options_).value();
        return loop_.run(client->send(
            {.method = "POST",
             .url = "http://" + server.authority() + "/",
             .headers = {},
             .body = std::string(body_bytes, 'q')}));
    };
    const auto began = clock::now();
    const auto whole = post();
    ASSERT_TRUE(whole) << whole.error().detail;
    EXPECT_EQ(whole->body.size(), body_bytes);
    EXPECT_GT(clock::now() - began, 4 * options_.request_timeout);
    given_bytes_max = body_bytes / 2;
    EXPECT_EQ(post().error(), errc::timeout);
    taken_bytes_max = body_bytes / 4;
    EXPECT_EQ(post().error(), errc::timeout);
}

TEST_F(net_client_test, idle_connections_are_forgotten_on_demand)
{
    played_server server(
        loop_,
        [](played_connection& peer, int) -> asio::awaitable<void>
        {
            while (!(co_await peer.read_head()).empty())
                (void)co_await peer.write(ok);
        });
    (void)get("http://" + server.authority() + "/");
    (void)get("http://" + server.authority() + "/");
    EXPECT_EQ(server.connections(), 1);
    client_->drop_idle();
    (void)get("http://" + server.authority() + "/");
    EXPECT_EQ(server.connections(), 2);
}

TEST_F(net_client_test, reads_every_kind_of_answer_in_whatever_pieces_it_comes)
{
    for (const bool slowly : {false, true})
    {
        EXPECT_EQ(outcome(ok, slowly), "ok");
        EXPECT_EQ(outcome(std::string("HTTP/1.1 100 Continue\r\n\r\n") + ok, slowly), "ok");
        const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        EXPECT_EQ(outcome(chunked + "2\r\nok\r\n0\r\n\r\n", slowly), "ok");
        EXPECT_EQ(outcome(chunked + "1;a=b\r\no\r\n1\r\nk\r\n00\r\nTrailer: x\r\n\r\n", slowly), "ok");
        EXPECT_EQ(outcome(chunked + "2\r\nok\r\n0\r\n", slowly), "closed");
        EXPECT_EQ(outcome(chunked + "x\r\nok\r\n", slowly), "corrupt");
        EXPECT_EQ(outcome("HTTP/1.1 200 OK\r\n\r\nall of it", slowly), "all of it");
        EXPECT_EQ(outcome("HTTP/1.1 204 No Content\r\n\r\n", slowly), "");
        EXPECT_EQ(outcome("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", slowly), "closed");
        EXPECT_EQ(outcome("", slowly), "closed");
        EXPECT_EQ(outcome("SSH-2.0-OpenSSH\r\n\r\n", slowly), "corrupt");
    }
    EXPECT_EQ(outcome("HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n", false), "corrupt");
}

// Goal: an answer above the bound is refused while it is read, whatever its framing. Method: the server counts what it
// could send.
TEST_F(net_client_test, takes_no_more_than_its_bound)
{
    options_.response_bytes_max = 1u << 20;
    const std::string piece(64u << 10, 'x');
    const auto sent_of = [&](const std::string& head, const std::string& each)
    {
        std::size_t sent = 0;
        bool over = false;
        played_server server(
            loop_,
            [&](played_connection& peer, int) -> asio::awaitable<void>
            {
                (void)co_await peer.read_head();
                (void)co_await peer.write(head);
                while (peer.written < (64u << 20) && co_await peer.write(each))
                    continue;
                sent = peer.written;
                over = true;
            });
        EXPECT_EQ(get("http://" + server.authority() + "/").error(), errc::too_large);
        loop_.run_until([&] { return over; });
        return sent;
    };
    // What the bound lets through, and what the system keeps on the way.
    const auto allowed = options_.response_bytes_max + (16u << 20);
    EXPECT_LT(sent_of("HTTP/1.1 200 OK\r\nContent-Length: 60000000\r\n\r\n", piece), allowed);
    EXPECT_LT(sent_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "10000\r\n" + piece + "\r\n"), allowed);
    EXPECT_LT(sent_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3938700\r\n", piece), allowed);
    EXPECT_LT(sent_of("HTTP/1.1 200 OK\r\n\r\n", piece), allowed);
    EXPECT_LT(sent_of("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", piece), allowed)
        << "what is compressed stays so";
}

TEST_F(net_client_test, does_not_follow_where_it_is_sent)
{
    played_server server(
        loop_,
        [](played_connection& peer, int) -> asio::awaitable<void>
        {
            (void)co_await peer.read_head();
            (void)co_await peer.write(
                "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
        });
    EXPECT_EQ(get("http://" + server.authority() + "/")->status, 302u);
    EXPECT_EQ(server.connections(), 1);
}

// -------------------------------------------------------------------------------------------------------- WebSocket

TEST_F(net_client_test, a_server_that_has_fallen_silent_is_noticed)
{
    options_.silence_max = milliseconds(150);
    EXPECT_EQ(end_of_websocket({}), errc::timeout);
    EXPECT_LE(client_options().silence_max, seconds(30)) << "what people are promised";
}

// Goal: a connection on which nobody has anything to say lives on. Method: the server answers pings, and speaks only
// after several times the silence that would have ended it.
TEST_F(net_client_test, a_quiet_connection_is_kept_by_pings)
{
    options_.silence_max = milliseconds(200);
    played_server server(
        loop_,
        [](played_connection& peer, int) -> asio::awaitable<void>
        {
            co_await accept_websocket(peer);
            for (int i = 0; i < 5; ++i)
            {
                // A masked ping; Beast's is empty.
                const auto ping = co_await peer.read_exactly(6);
                EXPECT_EQ(ping.substr(0, 2), std::string("\x89\x80", 2));
                (void)co_await peer.write(std::string("\x8a\x00", 2));
            }
            (void)co_await peer.write(std::string("\x81\x05") + "hello");
            co_await peer.fall_silent();
        });
    const auto socket = open_websocket(server.authority()).value();
    EXPECT_EQ(read_one(loop_, *socket).value(), "hello");
}

TEST_F(net_client_test, a_websocket_tells_bytes_from_text)
{
    played_server server(
        loop_,
        [](played_connection& peer, int) -> asio::awaitable<void>
        {
            co_await accept_websocket(peer);
            (void)co_await peer.write(std::string("\x82\x02\xff\x00\x81\x01t", 7));
            co_await peer.fall_silent();
        });
    const auto socket = open_websocket(server.authority()).value();
    using kind = websocket_message::kind;
    std::vector<std::pair<kind, std::string>> got;
    loop_.run(
        [](client_websocket& from, auto& out) -> asio::awaitable<void>
        {
            while (out.size() < 2)
            {
                const auto message = co_await from.read();
                if (!message)
                    co_return;
                out.emplace_back(message->what, message->payload);
            }
        }(*socket, got));
    ASSERT_EQ(got.size(), 2u);
    EXPECT_EQ(got[0], std::pair(kind::binary, std::string("\xff\0", 2)));
    EXPECT_EQ(got[1], std::pair(kind::text, std::string("t")));
}

TEST_F(net_client_test, a_websocket_ends_at_what_it_does_not_take)
{
    options_.response_bytes_max = 100;
    EXPECT_EQ(end_of_websocket(std::string("\x81\x65") + std::string(101, 'x')), errc::too_large);
    EXPECT_EQ(
        end_of_websocket(std::string("\x01\x32") + std::string(50, 'x') + "\x80\x33" + std::string(51, 'x')),
        errc::too_large)
        << "in fragments";
    EXPECT_EQ(end_of_websocket(std::string("\x81\x81\0\0\0\0x", 7)), errc::bad_request) << "masked";
    EXPECT_EQ(end_of_websocket("\x81\x02\xc3\x28"), errc::bad_request) << "no UTF-8";
    const auto closed = end_of_websocket(std::string("\x88\x05\x03\xe9", 4) + "bye");
    EXPECT_EQ(closed, errc::closed);
    EXPECT_TRUE(closed.detail.contains("1001 bye")) << closed.detail;
}

TEST_F(net_client_test, a_page_in_the_place_of_a_websocket_is_shown)
{
    const auto refusal = [&](const std::string& answer)
    {
        played_server server(
            loop_,
            [=](played_connection& peer, int) -> asio::awaitable<void>
            {
                (void)co_await peer.read_head();
                for (const char c : answer)
                    if (!co_await peer.write(std::string(1, c)))
                        co_return;
            });
        return open_websocket(server.authority()).error();
    };
    const auto page = refusal("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n<p>\x1b[31mHi\n!");
    EXPECT_EQ(page, errc::unavailable);
    EXPECT_TRUE(page.detail.contains("HTTP 200 <p>")) << page.detail;
    EXPECT_FALSE(page.detail.contains('\x1b'));
    EXPECT_EQ(refusal("HTTP/1.1 502 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"), errc::unavailable);
    EXPECT_EQ(
        refusal("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                "Sec-WebSocket-Accept: bm90IHRoaXM=\r\n\r\n"),
        errc::corrupt);
    EXPECT_EQ(refusal("HTTP/1.1 1"), errc::closed);
}

TEST_F(net_client_test, a_websocket_that_is_closed_here_ends_in_time)
{
    played_server server(
        loop_,
        [](played_connection& peer, int) -> asio::awaitable<void>
        {
            co_await accept_websocket(peer);
            co_await peer.fall_silent();
        });
    auto socket = open_websocket(server.authority()).value();
    socket->send("last words");
    socket->close(close_code::normal);
    EXPECT_FALSE(socket->is_open());
    EXPECT_EQ(read_one(loop_, *socket).error(), errc::closed);
    loop_.run_until([&] { return socket->queued_bytes() == 0; });
}

// ---------------------------------------------------------------------------------------------------------- dialling

TEST_F(net_client_test, addresses_of_both_families_take_turns)
{
    const auto place = [](const char* text) { return tcp::endpoint(asio::ip::make_address(text), 80); };
    EXPECT_EQ(
        interleave({place("::1"), place("::2"), place("::3"), place("1.1.1.1"), place("2.2.2.2")}),
        (std::vector{place("::1"), place("1.1.1.1"), place("::2"), place("2.2.2.2"), place("::3")}));
    EXPECT_EQ(
        interleave({place("1.1.1.1"), place("2.2.2.2"), place("::1")}),
        (std::vector{place("1.1.1.1"), place("::1"), place("2.2.2.2")}));
    EXPECT_TRUE(interleave({}).empty());
}

TEST_F(net_client_test, a_dead_address_does_not_block_the_good_one)
{
    black_hole dead(loop_);
    played_server good(loop_, [](played_connection& peer, int) { return peer.fall_silent(); });
    const auto began = clock::now();
    const auto made = connect_to_first({dead.place(), dead.place(), good.place()}, seconds(20));
    ASSERT_TRUE(made) << made.error().detail;
    EXPECT_EQ(*made, good.place());
    EXPECT_GE(clock::now() - began, attempt_delay);
    EXPECT_LT(clock::now() - began, seconds(10));
}

TEST_F(net_client_test, an_address_that_refuses_holds_nothing_up)
{
    const auto closed = []
    {
        loop other;
        return played_server(other, {}).place();
    }();
    played_server good(loop_, [](played_connection& peer, int) { return peer.fall_silent(); });
    std::vector<tcp::endpoint> places(addresses_max - 1, closed);
    places.push_back(good.place());
    const auto began = clock::now();
    EXPECT_TRUE(connect_to_first(places, seconds(20)));
    EXPECT_LT(clock::now() - began, (addresses_max - 1) * attempt_delay);
    places.pop_back();
    EXPECT_EQ(connect_to_first(places, seconds(20)).error(), errc::io);
}

TEST_F(net_client_test, dialling_ends_in_time)
{
    black_hole dead(loop_);
    EXPECT_EQ(connect_to_first({dead.place(), dead.place()}, milliseconds(50)).error(), errc::timeout);
    options_.connect_timeout = milliseconds(50);
    const auto address = "http://127.0.0.1:" + std::to_string(dead.place().port()) + "/";
    EXPECT_EQ(get(address).error(), errc::timeout);
    EXPECT_EQ(loop_.run(connect_websocket(address, {}, options_)).error(), errc::timeout);
    // A server that takes the connection and says nothing.
    played_server mute(loop_, [](played_connection& peer, int) { return peer.fall_silent(); });
    EXPECT_EQ(open_websocket(mute.authority()).error(), errc::timeout);
    EXPECT_EQ(get("https://" + mute.authority() + "/").error(), errc::timeout);
}

// ----------------------------------------------------------------------------------------------------------- proxies

/// What a proxy says to CONNECT, and then nothing; the host's name is known to nobody but the proxy.
class net_proxy_test : public net_client_test
{
protected:
    net_proxy_test() { options_.connect_timeout = milliseconds(2000); }

    error through(const std::string& scheme, played_server::script play)
    {
        played_server proxy(loop_, std::move(play));
        options_.proxies.all = scheme + "user:p%40ss@" + proxy.authority();
        client_.reset();
        const auto got = get("http://relay.invalid/x");
        EXPECT_FALSE(got);
        EXPECT_FALSE(got.error().detail.contains("p@ss")) << got.error().detail;
        EXPECT_TRUE(got.error().detail.contains(proxy.authority())) << got.error().detail;
        return got.error();
    }
    error connect_answered(const std::string& answer)
    {
        return through(
            "http://",
            [=](played_connection& peer, int) -> asio::awaitable<void>
            {
                (void)co_await peer.read_head();
                (void)co_await peer.write(answer);
            });
    }
    error socks_answered(std::vector<std::string> answers)
    {
        return through(
            "socks5h://",
            [=](played_connection& peer, int) -> asio::awaitable<void>
            {
                for (const auto& each : answers)
                    (void)co_await peer.write(each);
                co_await peer.fall_silent();
            });
    }
};

TEST_F(net_proxy_test, connect_opens_a_tunnel_for_http_and_for_websockets)
{
    std::string asked;
    played_server proxy(
        loop_,
        [&](played_connection& peer, int number) -> asio::awaitable<void>
        {
            asked = co_await peer.read_head();
            (void)co_await peer.write("HTTP/1.1 200 Connection established\r\nContent-Length: 7\r\n\r\n");
            if (number == 2)
                co_return co_await accept_websocket(peer);
            EXPECT_TRUE((co_await peer.read_head()).starts_with("GET /x HTTP/1.1\r\nHost: relay.invalid\r\n"));
            (void)co_await peer.write(ok);
        });
    options_.proxies.http = "http://user:p%40ss@" + proxy.authority();
    const auto got = get("http://relay.invalid/x");
    ASSERT_TRUE(got) << got.error().detail;
    EXPECT_EQ(got->body, "ok");
    EXPECT_TRUE(asked.starts_with("CONNECT relay.invalid:80 HTTP/1.1\r\n")) << asked;
    EXPECT_TRUE(asked.contains("Proxy-Authorization: Basic dXNlcjpwQHNz\r\n")) << asked;
    EXPECT_TRUE(open_websocket("relay.invalid:81"));
    EXPECT_TRUE(asked.starts_with("CONNECT relay.invalid:81 HTTP/1.1\r\n")) << asked;
    EXPECT_EQ(get("http://127.0.0.1:1/").error(), errc::io) << "this machine itself is not reached through a proxy";
    EXPECT_EQ(proxy.connections(), 2);
}

TEST_F(net_proxy_test, a_proxy_that_refuses_lies_or_goes_away_is_told_from_the_relay)
{
    const auto login = connect_answered("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 4\r\n\r\npage");
    EXPECT_EQ(login, errc::io);
    EXPECT_TRUE(login.detail.ends_with("answers 407 Proxy Authentication Required")) << login.detail;
    EXPECT_EQ(connect_answered("HTTP/1.1 302 Found\r\nLocation: http://login.invalid/\r\n\r\n<html>"), errc::io);
    EXPECT_EQ(connect_answered("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"), errc::corrupt)
        << "it answers in the relay's place";
    EXPECT_EQ(connect_answered("220 mail.invalid ESMTP\r\n\r\n"), errc::corrupt);
    EXPECT_EQ(connect_answered("HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'x')), errc::corrupt);
    EXPECT_EQ(connect_answered("HTTP/1.1 20"), errc::io);
    EXPECT_EQ(connect_answered(""), errc::io);
    options_.connect_timeout = milliseconds(100);
    EXPECT_EQ(through("http://", [](played_connection& peer, int) { return peer.fall_silent(); }), errc::timeout);
}

TEST_F(net_proxy_test, socks5_opens_a_tunnel_and_looks_the_name_up)
{
    std::string login;
    std::string asked;
    played_server proxy(
        loop_,
        [&](played_connection& peer, int) -> asio::awaitable<void>
        {
            EXPECT_EQ(co_await peer.read_exactly(4), std::string("\x05\x02\x00\x02", 4));
            (void)co_await peer.write("\x05\x02");
            login = co_await peer.read_exactly(11);
            (void)co_await peer.write(std::string("\x01\x00", 2));
            asked = co_await peer.read_exactly(4 + 1 + 13 + 2);
            // A bound address that is a name, in pieces.
            for (const char c : std::string("\x05\x00\x00\x03\x02hi\x00\x50", 9))
                (void)co_await peer.write(std::string(1, c));
            (void)co_await peer.read_head();
            (void)co_await peer.write(ok);
        });
    options_.proxies.all = "socks5h://user:p%40ss@" + proxy.authority();
    const auto got = get("http://relay.invalid/x");
    ASSERT_TRUE(got) << got.error().detail;
    EXPECT_EQ(got->body, "ok");
    EXPECT_EQ(login, std::string("\x01\x04user\x04p@ss"));
    EXPECT_EQ(asked, std::string("\x05\x01\x00\x03\x0drelay.invalid\x00\x50", 20));
}

TEST_F(net_proxy_test, a_socks_proxy_that_refuses_lies_or_goes_away_is_told_from_the_relay)
{
    const std::string chosen("\x05\x00", 2);
    EXPECT_EQ(socks_answered({"\x04\x01"}), errc::corrupt);
    EXPECT_EQ(socks_answered({"HTTP/1.1 400 Bad Request\r\n\r\n"}), errc::corrupt);
    EXPECT_EQ(socks_answered({"\x05\xff"}), errc::io);
    EXPECT_EQ(socks_answered({"\x05\x01"}), errc::corrupt) << "what was not offered";
    EXPECT_EQ(socks_answered({"\x05\x02\x01\x01"}), errc::io) << "the password is wrong";
    const auto forbidden = socks_answered({chosen, std::string("\x05\x02\x00\x01", 4)});
    EXPECT_EQ(forbidden, errc::io);
    EXPECT_TRUE(forbidden.detail.ends_with("does not allow this connection")) << forbidden.detail;
    EXPECT_EQ(socks_answered({chosen, std::string("\x05\x00\x00\x09", 4)}), errc::corrupt);
    EXPECT_EQ(
        through(
            "socks5h://",
            [](played_connection& peer, int) -> asio::awaitable<void> { (void)co_await peer.read_exactly(4); }),
        errc::io);
    options_.connect_timeout = milliseconds(100);
    EXPECT_EQ(socks_answered({}), errc::timeout);
    EXPECT_EQ(socks_answered({chosen}), errc::timeout);
    EXPECT_EQ(socks_answered({chosen, std::string("\x05\x00\x00\x03\xff", 5)}), errc::timeout);
}

TEST_F(net_proxy_test, a_dead_proxy_is_named)
{
    black_hole dead(loop_);
    options_.connect_timeout = milliseconds(100);
    options_.proxies.all = "http://127.0.0.1:" + std::to_string(dead.place().port());
    const auto got = get("http://relay.invalid/");
    EXPECT_EQ(got.error(), errc::timeout);
    EXPECT_TRUE(got.error().detail.contains("the proxy http://127.0.0.1")) << got.error().detail;
}

} // namespace
} // namespace consortium::net
