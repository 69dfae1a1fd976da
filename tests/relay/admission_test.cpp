#include "relay_fixture.hpp"
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

namespace consortium::relay
{
namespace
{

using tcp = boost::asio::ip::tcp;

// Goal: a request is judged on its header. Method: headers whose bodies are never sent; whoever waited for the body
// would not answer.
class admission_test : public relay_fixture
{
protected:
    using relay_fixture::relay_fixture;

    tcp::socket dial()
    {
        tcp::socket out(io);
        out.connect({boost::asio::ip::make_address("127.0.0.1"), server->port()});
        return out;
    }
    static void send_head(
        tcp::socket& to, const std::string& request, std::size_t body, const std::string& token = {},
        const std::string& fields = {})
    {
        std::string text = request + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" + fields;
        text += "Content-Length: " + std::to_string(body) + "\r\n";
        if (!token.empty())
            text += "Authorization: Bearer " + token + "\r\n";
        boost::asio::write(to, boost::asio::buffer(text + "\r\n"));
    }
    struct said
    {
        unsigned status = 0;
        std::string code;
    };
    static said read_answer(tcp::socket& from)
    {
        std::string text;
        boost::asio::read_until(from, boost::asio::dynamic_buffer(text), "\r\n\r\n");
        boost::system::error_code failed;
        while (!text.contains('}') && !failed)
        {
            std::array<char, 4096> more;
            text.append(more.data(), from.read_some(boost::asio::buffer(more), failed));
        }
        const auto at = text.find("\"code\":\"");
        const auto code =
            at == std::string::npos ? std::string() : text.substr(at + 8, text.find('"', at + 8) - at - 8);
        return {static_cast<unsigned>(std::stoul(text.substr(9, 3))), code};
    }
    said head_alone(
        const std::string& request, std::size_t body, const std::string& token = {}, const std::string& fields = {})
    {
        auto to = dial();
        send_head(to, request, body, token, fields);
        return read_answer(to);
    }
    /// Until `count` bytes of bodies are held.
    static void wait_for(const byte_budget& budget, std::size_t count)
    {
        for (int i = 0; i < 5000 && budget.taken() != count; ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        EXPECT_EQ(budget.taken(), count);
    }

    boost::asio::io_context io;
};

TEST_F(admission_test, each_route_has_its_bound)
{
    const auto who = arrive();
    EXPECT_EQ(head_alone("POST /v1/auth", (16u << 10) + 1).status, 413u);
    EXPECT_EQ(head_alone("POST /v1/auth/challenge", 1u << 20).code, "too-large");
    EXPECT_EQ(head_alone("POST /v1/auth/request", 17'000).status, 413u);
    EXPECT_EQ(head_alone("POST /v1/sessions", 4u << 20, who.token).status, 413u);
    EXPECT_EQ(head_alone("POST /v1/machines", 4u << 20, who.token).status, 413u);
    EXPECT_EQ(head_alone("DELETE /v1/account", 17'000, who.token).status, 413u);
    EXPECT_EQ(head_alone("GET /v1/sessions", 17'000, who.token).status, 413u);
    EXPECT_EQ(head_alone("POST /v3/sessions/x/messages", (16u << 20) + 1, who.token).status, 413u);
    EXPECT_EQ(guest_bytes.taken() + account_bytes.taken(), 0u);
}

TEST_F(admission_test, nothing_is_received_from_whom_it_would_be_refused)
{
    EXPECT_EQ(head_alone("POST /v1/sessions", 100'000).status, 401u);
    EXPECT_EQ(head_alone("POST /v3/sessions/x/messages", 16u << 20, "a.b.c").code, "unauthorized");
    EXPECT_EQ(head_alone("POST /nowhere", 100'000).status, 404u);
    EXPECT_EQ(head_alone("PUT /v1/auth", 100'000).code, "not-found");
    EXPECT_EQ(head_alone("POST /v1/updates/?EIO=4&transport=polling&sid=none", 100'000).status, 400u);
}

class few_guests_test : public admission_test
{
protected:
    few_guests_test() : admission_test(token_bucket::rate{.per_second = 0.001, .burst = 3}) {}
};

// Goal: the rate is taken on the header too, and a refused request costs its connection nothing.
TEST_F(few_guests_test, rates_are_judged_on_the_header)
{
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(post("/v1/auth/challenge", {}).status, 400u);
    EXPECT_EQ(head_alone("POST /v1/auth", 5000).code, "rate-limited");
    EXPECT_EQ(head_alone("POST /v1/auth", 5000, {}, "Expect: 100-continue\r\n").code, "rate-limited");
    EXPECT_EQ(head_alone("POST /v1/devices/statements", 1u << 20).code, "rate-limited");
    EXPECT_EQ(get("/health", {}).status, 200u);
    EXPECT_EQ(get("/v1/auth/request/status?publicKey=x", {}).status, 200u) << "another rate";
}

// Goal: strangers together hold so much and no more, and give it back.
TEST_F(admission_test, withheld_bodies_of_strangers_are_bounded)
{
    {
        auto first = dial();
        send_head(first, "POST /v1/devices/statements", 3u << 20);
        wait_for(guest_bytes, 3u << 20);
        EXPECT_EQ(head_alone("POST /v1/devices/statements", 3u << 20).code, "overloaded");
        EXPECT_EQ(post("/v1/auth/challenge", {{"publicKey", encoded(random_array<32>())}}).status, 200u);
    }
    wait_for(guest_bytes, 0);
    refusals.report(refusal_log::clock::now(), /*everything=*/true);
    ASSERT_EQ(refused.size(), 1u);
    EXPECT_TRUE(refused[0].starts_with("refused 1 requests of 1 address in the last ")) << refused[0];
}

TEST_F(admission_test, withheld_bodies_of_an_account_are_bounded)
{
    const auto who = arrive();
    const auto other = arrive();
    const auto path = "POST /v3/sessions/" + open_session(who) + "/messages";
    std::vector<tcp::socket> withheld;
    for (int i = 0; i < 4; ++i)
    {
        withheld.push_back(dial());
        send_head(withheld.back(), path, 16u << 20, who.token);
    }
    wait_for(account_bytes, 64u << 20);
    EXPECT_EQ(head_alone(path, 1000, who.token).code, "overloaded");
    EXPECT_FALSE(open_session(other).empty());
    EXPECT_EQ(get("/v1/sessions", who.token).status, 200u);
    withheld.clear();
    wait_for(account_bytes, 0);
    EXPECT_FALSE(open_session(who).empty());
}

// Goal: who was good when the header came and is revoked before the body's end does nothing any more.
TEST_F(admission_test, a_token_is_asked_again_once_the_body_is_there)
{
    const auto owner = arrive();
    const auto gone = arrive_again(owner, "browser");
    const std::string body = R"({"tag":"dGFn","metadata":"bWV0YQ=="})";
    auto slow = dial();
    send_head(slow, "POST /v1/sessions", body.size(), gone.token);
    wait_for(account_bytes, body.size());
    revoke(owner, gone);
    boost::asio::write(slow, boost::asio::buffer(body));
    const auto got = read_answer(slow);
    EXPECT_EQ(got.status, 401u);
    EXPECT_EQ(got.code, "revoked");
    EXPECT_TRUE(get("/v1/sessions", owner.token).body.at("sessions").as_array().empty());
}

// Goal: somebody else's page can use nothing that its visitor's browser alone reaches.
TEST_F(admission_test, foreign_pages_post_nothing_without_a_token)
{
    const auto who = arrive();
    const std::string foreign = "Origin: https://evil.example\r\n";
    const std::string own = "Origin: http://127.0.0.1:" + std::to_string(server->port()) + "\r\n";
    for (const auto* path :
         {"POST /v1/auth", "POST /v1/auth/challenge", "POST /v1/auth/request", "POST /v1/auth/reveal",
          "POST /v1/auth/refuse", "POST /v1/devices/statements"})
    {
        EXPECT_EQ(head_alone(path, 9000, {}, foreign).code, "forbidden") << path;
        EXPECT_EQ(head_alone(path, 9000, {}, "Origin: null\r\n").status, 403u) << path;
    }
    const auto asks = [&](const std::string& request, const std::string& token, const std::string& fields)
    {
        auto to = dial();
        const std::string body = R"({"publicKey":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="})";
        send_head(to, request, body.size(), token, fields);
        boost::asio::write(to, boost::asio::buffer(body));
        return read_answer(to).status;
    };
    EXPECT_EQ(asks("POST /v1/auth/challenge", {}, own), 200u);
    EXPECT_EQ(asks("POST /v1/auth/refuse", who.token, foreign), 404u) << "a token is the credential";
    EXPECT_EQ(asks("GET /v1/sessions", who.token, foreign), 200u);
    EXPECT_EQ(asks("GET /health", {}, foreign), 200u);
}

TEST_F(admission_test, json_of_too_many_values_is_refused)
{
    const auto who = arrive();
    std::string zeros = "{\"messages\":[0";
    for (int i = 0; i < 1'000'000; ++i)
        zeros += ",0";
    const auto got = ask("POST", "/v3/sessions/" + open_session(who) + "/messages", who.token, zeros + "]}");
    EXPECT_EQ(got.status, 413u);
    EXPECT_EQ(got.code(), "too-large");
}

// Goal: a page's picture or link, which names no origin, opens no socket either (W3C Fetch Metadata).
TEST_F(admission_test, a_foreign_page_without_an_origin_opens_no_socket)
{
    const std::string open = "GET /v1/updates/?EIO=4&transport=polling";
    const auto foreign = head_alone(open, 0, {}, "Sec-Fetch-Site: cross-site\r\n");
    EXPECT_EQ(foreign.status, 403u);
    EXPECT_EQ(foreign.code, "forbidden");
    for (const auto* site : {"same-origin", "same-site", "none"})
        EXPECT_EQ(head_alone(open, 0, {}, "Sec-Fetch-Site: " + std::string(site) + "\r\n").status, 200u) << site;
    EXPECT_EQ(head_alone(open, 0).status, 200u) << "no browser";
}

// Goal: what an account's connections leave untaken is bounded for all of them together, whatever the route and the
// method, and comes back. Method: many ask for what is large and read nothing of it.
TEST_F(admission_test, answers_that_nobody_takes_are_bounded_for_all_routes_together)
{
    const auto who = arrive();
    constexpr std::size_t large_bytes = 1'000'000;
    boost::json::object session{{"tag", "large 0"}, {"metadata", std::string(large_bytes, 'A')}};
    for (int i = 0; i < 8; ++i)
    {
        session["tag"] = "large " + std::to_string(i);
        ASSERT_EQ(post("/v1/sessions", session, who.token).status, 200u);
    }
    const boost::json::object machine{{"id", "one"}, {"metadata", std::string(large_bytes, 'A')}};
    ASSERT_EQ(post("/v1/machines", machine, who.token).status, 200u);
    const auto meter = output.of(who.account);
    const auto answer_max = 10 * large_bytes;

    const auto body = boost::json::serialize(session);
    std::vector<tcp::socket> slow;
    for (int i = 0; i < 60; ++i)
    {
        slow.push_back(dial());
        if (i % 3 == 0)
        {
            send_head(slow.back(), "POST /v1/sessions", body.size(), who.token);
            boost::asio::write(slow.back(), boost::asio::buffer(body));
        }
        else
            send_head(slow.back(), i % 3 == 1 ? "GET /v1/sessions" : "GET /v1/machines", 0, who.token);
    }
    std::size_t most = 0;
    bool refused_some = false;
    for (int i = 0; i < 20'000 && !refused_some; ++i)
    {
        most = std::max(most, meter->waiting());
        refused_some = head_alone("GET /v1/account/profile", 0, who.token).code == "overloaded";
    }
    EXPECT_TRUE(refused_some);
    // Each network thread may have found room for one answer when there was none for two.
    EXPECT_LE(most, output.account_bytes_max() + 2 * answer_max);
    EXPECT_EQ(post("/v1/sessions", session, who.token).code(), "overloaded") << "its answer is large";
    EXPECT_NE(ask("DELETE", "/v1/sessions/none", who.token).code(), "overloaded") << "what has a small answer goes on";

    slow.clear();
    for (int i = 0; i < 20'000 && meter->waiting() > 0; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ(meter->waiting(), 0u);
    EXPECT_EQ(get("/v1/sessions", who.token).status, 200u);
}

} // namespace
} // namespace consortium::relay
