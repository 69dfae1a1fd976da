#include "consortium/net/http.hpp"
#include "consortium/net/url.hpp"
#include "http_reader.hpp"
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace consortium::net
{
namespace
{

/// Feeds a reader byte by byte or at once.
template <class Reader>
read_state feed_all(Reader& reader, std::string input, bool slowly)
{
    std::string unread;
    std::size_t from = 0;
    while (true)
    {
        std::size_t used = 0;
        const auto state = reader.feed(unread, used);
        unread.erase(0, used);
        if (state == read_state::done || state == read_state::failed)
            return state;
        if (state == read_state::header_done && !unread.empty())
            continue;
        if (from == input.size())
            return state;
        const auto count = slowly ? 1 : input.size() - from;
        unread += input.substr(from, count);
        from += count;
    }
}

http_request read_request(const std::string& text)
{
    http_request out;
    for (const bool slowly : {false, true})
    {
        request_reader reader(1024, 1024);
        EXPECT_EQ(feed_all(reader, text, slowly), read_state::done) << text << reader.detail();
        out = reader.take();
    }
    return out;
}

unsigned refusal(const std::string& text)
{
    unsigned out = 0;
    for (const bool slowly : {false, true})
    {
        request_reader reader(1024, 1024);
        if (feed_all(reader, text, slowly) == read_state::failed)
            out = reader.status();
    }
    return out;
}

TEST(http_request_reader, takes_requests_apart)
{
    const auto got = read_request("GET /v1/auth/request/status?publicKey=ab%2Bc&x=1+2&y HTTP/1.1\r\nHost: h\r\n"
                                  "X-Thing:  value \r\n\r\n");
    EXPECT_EQ(got.method, "GET");
    EXPECT_EQ(got.path, "/v1/auth/request/status");
    EXPECT_EQ(got.query_value("publicKey"), "ab+c");
    EXPECT_EQ(got.query_value("x"), "1 2");
    EXPECT_EQ(got.query_value("y"), "");
    EXPECT_FALSE(got.query_value("z"));
    EXPECT_EQ(got.header("x-thing"), "value");

    EXPECT_EQ(read_request("POST /a%20b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello").path, "/a b");
    EXPECT_EQ(read_request("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello").body, "hello");
    const std::string chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    EXPECT_EQ(read_request(chunked + "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").body, "abcde");
    EXPECT_EQ(read_request("GET http://h/path?q=1 HTTP/1.1\r\nHost: h\r\n\r\n").path, "/path");
    EXPECT_EQ(read_request("DELETE /x HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\r\n").method, "DELETE");
}

TEST(http_request_reader, refuses_what_is_malformed_or_too_large)
{
    EXPECT_EQ(refusal("hello\r\n\r\n"), 400u);
    EXPECT_EQ(refusal("GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n"), 400u);
    EXPECT_EQ(refusal("GET /%00 HTTP/1.1\r\nHost: h\r\n\r\n"), 400u);
    EXPECT_EQ(refusal("GET x HTTP/1.1\r\nHost: h\r\n\r\n"), 400u);
    EXPECT_EQ(refusal("GET / HTTP/1.1\r\nBad Header: h\r\n\r\n"), 400u);
    EXPECT_EQ(refusal("POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"), 400u);
    EXPECT_EQ(refusal("POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), 400u);
    EXPECT_EQ(refusal("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), 400u);
    EXPECT_EQ(refusal("GET / HTTP/1.1\r\nX: " + std::string(2000, 'x') + "\r\n\r\n"), 431u);
    EXPECT_EQ(refusal("POST / HTTP/1.1\r\nContent-Length: 1025\r\n\r\n"), 413u);
    EXPECT_EQ(refusal("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n" + std::string(0x800, 'x')), 413u);
}

// Each end of a chunked body that is none; the first two ended the process when Beast's parser read them.
TEST(http_request_reader, refuses_malformed_chunks)
{
    const std::string chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (const std::string& body :
         {std::string("0\r\nT:\0\r\n\r\n", 10), std::string("0\r\nabc\x01\r\n\r\n"), std::string("\r\n"),
          std::string("0\n\n"), std::string("3\r\nabcd\r\n"), std::string("-1\r\n"), std::string("0x3\r\nabc\r\n"),
          std::string("3 3\r\nabc\r\n"), std::string("ffffffffffffffffff\r\n"), "1;" + std::string(2000, 'x'),
          "0\r\n" + std::string(1025, 'x')})
        EXPECT_EQ(refusal(chunked + body), 400u) << body;
    EXPECT_EQ(refusal("POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"), 501u);
    EXPECT_EQ(refusal("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n"), 501u);
    EXPECT_EQ(read_request(chunked + "3;a=b\r\nabc\r\n00\r\nTrailer: x\r\n\r\n").body, "abc");
    EXPECT_EQ(read_request(chunked + "A \r\n0123456789\r\n0\r\n\r\n").body, "0123456789");
}

RC_GTEST_PROP(http_request_reader_property, any_bytes_are_read_or_refused, (const std::string& tail))
{
    for (const std::string head : {"", "GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"})
    {
        request_reader reader(256, 256);
        (void)feed_all(reader, head + tail, false);
    }
}

TEST(http, encodes_and_decodes)
{
    EXPECT_EQ(percent_encode("a b+c/d=~"), "a%20b%2Bc%2Fd%3D~");
    EXPECT_EQ(percent_decode("a+b%2b", true), "a b+");
    EXPECT_EQ(percent_decode("a+b", false), "a+b");
    EXPECT_FALSE(percent_decode("%2", false));
    EXPECT_FALSE(percent_decode("%g0", false));
    EXPECT_EQ(parse_query("a=1&&b=%zz&=3"), (query_list{{"a", "1"}, {"b", "%zz"}, {"", "3"}}));
}

RC_GTEST_PROP(http_property, encoding_is_undone_by_decoding, (const std::string& text))
{
    RC_ASSERT(percent_decode(percent_encode(text), false).value() == text);
    RC_ASSERT(percent_decode(percent_encode(text), true).value() == text);
}

TEST(http, headers_are_found_whatever_their_case)
{
    http_headers headers{{"Content-Type", "a"}, {"content-TYPE", "b"}, {"X", "c"}};
    EXPECT_EQ(headers.find("CONTENT-TYPE"), "a");
    headers.set("content-type", "d");
    EXPECT_EQ(headers.find("Content-Type"), "d");
    EXPECT_EQ(std::distance(headers.begin(), headers.end()), 2);
}

TEST(url, knows_what_is_this_machine_for_certain)
{
    for (const auto* host : {"localhost", "LocalHost", "relay.localhost", "127.0.0.1", "127.8.9.1", "::1"})
        EXPECT_TRUE(is_loopback(host)) << host;
    for (const auto* host :
         {"relay.example", "localhost.example", "notlocalhost", "10.0.0.1", "0.0.0.0", "::", "127.0.0.1.example"})
        EXPECT_FALSE(is_loopback(host)) << host;
}

TEST(url, is_taken_apart)
{
    const auto full = parse_url("wss://relay.example:8443/v1/updates/?EIO=4&transport=websocket").value();
    EXPECT_TRUE(full.tls);
    EXPECT_EQ(full.host, "relay.example");
    EXPECT_EQ(full.port, 8443);
    EXPECT_EQ(full.target, "/v1/updates/?EIO=4&transport=websocket");
    EXPECT_EQ(full.origin(), "https://relay.example:8443");
    const auto plain = parse_url("http://127.0.0.1").value();
    EXPECT_EQ(plain.port, 80);
    EXPECT_EQ(plain.target, "/");
    EXPECT_EQ(plain.authority(), "127.0.0.1");
    EXPECT_EQ(parse_url("http://[::1]:3005/")->host, "::1");
    EXPECT_EQ(parse_url("http://[::1]:3005/")->authority(), "[::1]:3005");
    EXPECT_EQ(parse_url("https://h:443/")->origin(), "https://h");
    for (const char* bad : {"", "relay.example", "ftp://x/", "http://", "http://:80", "http://h:99999/", "http://h:0/"})
        EXPECT_FALSE(parse_url(bad)) << bad;
}

} // namespace
} // namespace consortium::net
