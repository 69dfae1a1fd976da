#include "consortium/protocol/engine_io.hpp"
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace consortium::protocol::engine_io
{
namespace
{

TEST(engine_io, reads_the_packets_of_the_specification)
{
    EXPECT_EQ(parse("2"), (packet{packet_type::ping, ""}));
    EXPECT_EQ(parse("2probe"), (packet{packet_type::ping, "probe"}));
    EXPECT_EQ(parse("3probe"), (packet{packet_type::pong, "probe"}));
    EXPECT_EQ(parse("4hello"), (packet{packet_type::message, "hello"}));
    EXPECT_EQ(parse("5"), (packet{packet_type::upgrade, ""}));
    EXPECT_EQ(write({packet_type::message, "hello"}), "4hello");
}

TEST(engine_io, refuses_empty_and_unknown_packets)
{
    EXPECT_EQ(parse("").error(), errc::bad_request);
    EXPECT_EQ(parse("7").error(), errc::bad_request);
    EXPECT_EQ(parse("x").error(), errc::bad_request);
    EXPECT_EQ(parse(std::string_view("\0", 1)).error(), errc::bad_request);
}

TEST(engine_io, reads_and_writes_messages_of_bytes)
{
    EXPECT_EQ(parse("bAQIDBA=="), (packet{packet_type::binary, "AQIDBA=="}));
    EXPECT_EQ(read_binary(*parse("bAQIDBA==")).value(), "\x01\x02\x03\x04");
    EXPECT_EQ(read_binary(*parse("b")).value(), "");
    EXPECT_EQ(write_binary("\x01\x02\x03\x04"), "bAQIDBA==");
    for (const char* text : {"bA", "bAQID!", "bAQIDBA=", "bAQIDBA", "b AQI", "bAQ-_"})
        EXPECT_EQ(read_binary(*parse(text)).error(), errc::bad_request) << text;
}

TEST(engine_io, walks_a_polling_body)
{
    payload_reader reader("4hello\x1e"
                          "2\x1e"
                          "4world");
    EXPECT_EQ(*reader.next(), (packet{packet_type::message, "hello"}));
    EXPECT_EQ(*reader.next(), (packet{packet_type::ping, ""}));
    EXPECT_EQ(*reader.next(), (packet{packet_type::message, "world"}));
    EXPECT_FALSE(reader.next());
    EXPECT_FALSE(reader.next());
}

TEST(engine_io, a_walk_ends_at_the_first_malformed_packet)
{
    for (const char* body :
         {"", "\x1e", "4a\x1e",
          "4a\x1e\x1e"
          "4b",
          "9\x1e"
          "4b"})
    {
        payload_reader reader(body);
        auto each = reader.next();
        while (each && *each)
            each = reader.next();
        ASSERT_TRUE(each) << body;
        EXPECT_EQ(each->error(), errc::bad_request);
        EXPECT_FALSE(reader.next());
    }
}

TEST(engine_io, writes_the_handshake_that_clients_know)
{
    const handshake hello{
        "abc", {"websocket"}, std::chrono::milliseconds(15000), std::chrono::milliseconds(45000), 16u << 20};
    const std::string text =
        R"({"sid":"abc","upgrades":["websocket"],"pingInterval":15000,"pingTimeout":45000,"maxPayload":16777216})";
    EXPECT_EQ(write_handshake(hello), text);
    EXPECT_EQ(parse_handshake(text), hello);
}

TEST(engine_io, refuses_a_handshake_that_is_none)
{
    for (const char* text :
         {"", "[]", "{}", R"({"sid":""})", R"({"sid":"a"})", R"({"sid":"a","pingInterval":-1,"pingTimeout":1})",
          R"({"sid":"a","pingInterval":1.5,"pingTimeout":1})", R"({"sid":1,"pingInterval":1,"pingTimeout":1})",
          R"({"sid":"a","upgrades":[1],"pingInterval":1,"pingTimeout":1})",
          R"({"sid":"a","pingInterval":1,"pingTimeout":1,"maxPayload":"x"})"})
        EXPECT_EQ(parse_handshake(text).error(), errc::bad_request) << text;
}

// A packet's text may hold anything but the separator of polling bodies.
rc::Gen<std::string> packet_text()
{
    return rc::gen::map(
        rc::gen::pair(rc::gen::inRange<int>('0', '7'), rc::gen::arbitrary<std::string>()),
        [](const std::pair<int, std::string>& parts)
        {
            std::string out(1, static_cast<char>(parts.first));
            for (const char c : parts.second)
                if (c != '\x1e')
                    out += c;
            return out;
        });
}

RC_GTEST_PROP(engine_io_property, a_payload_gives_back_its_packets, ())
{
    const auto packets = *rc::gen::container<std::vector<std::string>>(packet_text());
    std::string body;
    for (const auto& each : packets)
        append_to_payload(body, each);
    payload_reader reader(body);
    for (const auto& each : packets)
    {
        const auto found = reader.next();
        RC_ASSERT(found.has_value());
        RC_ASSERT(found->has_value());
        RC_ASSERT(write(**found) == each);
    }
    RC_ASSERT(packets.empty() || !reader.next());
}

RC_GTEST_PROP(engine_io_property, every_truncation_and_every_flipped_bit_is_read_or_refused, ())
{
    auto body = *packet_text();
    append_to_payload(body, *packet_text());
    const auto walk = [](std::string_view text)
    {
        payload_reader reader(text);
        std::size_t used = 0;
        while (const auto each = reader.next())
        {
            if (!*each)
            {
                RC_ASSERT(each->error() == errc::bad_request);
                break;
            }
            used += 1 + (*each)->data.size();
            RC_ASSERT(used <= text.size());
        }
    };
    for (std::size_t size = 0; size <= body.size(); ++size)
        walk(std::string_view(body).substr(0, size));
    for (std::size_t bit = 0; bit < body.size() * 8; ++bit)
    {
        auto damaged = body;
        damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
        walk(damaged);
    }
}

RC_GTEST_PROP(engine_io_property, bytes_survive_a_round_trip, (const std::string& bytes))
{
    const auto text = write_binary(bytes);
    RC_ASSERT(text.find('\x1e') == std::string::npos);
    RC_ASSERT(read_binary(parse(text).value()).value() == bytes);
}

RC_GTEST_PROP(engine_io_property, handshakes_survive_a_round_trip, ())
{
    handshake hello;
    hello.sid = *rc::gen::nonEmpty(rc::gen::container<std::string>(rc::gen::inRange<char>(' ', '\x7f')));
    hello.upgrades = *rc::gen::container<std::vector<std::string>>(
        rc::gen::container<std::string>(rc::gen::inRange<char>(' ', '\x7f')));
    hello.ping_interval = std::chrono::milliseconds(*rc::gen::inRange(0, 1'000'000));
    hello.ping_timeout = std::chrono::milliseconds(*rc::gen::inRange(0, 1'000'000));
    hello.max_payload = *rc::gen::inRange<std::size_t>(0, 1u << 30);
    RC_ASSERT(parse_handshake(write_handshake(hello)).value() == hello);
}

} // namespace
} // namespace consortium::protocol::engine_io
