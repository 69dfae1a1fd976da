#include "consortium/protocol/socket_io.hpp"
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace consortium::protocol::socket_io
{
namespace
{
namespace json = boost::json;

TEST(socket_io, reads_the_packets_of_the_specification)
{
    EXPECT_EQ(parse("0"), (packet{packet_type::connect, "/", {}, ""}));
    EXPECT_EQ(parse(R"(0{"token":"123"})"), (packet{packet_type::connect, "/", {}, R"({"token":"123"})"}));
    EXPECT_EQ(parse("0/admin,"), (packet{packet_type::connect, "/admin", {}, ""}));
    EXPECT_EQ(parse(R"(0/admin,{"a":1})"), (packet{packet_type::connect, "/admin", {}, R"({"a":1})"}));
    EXPECT_EQ(parse("1"), (packet{packet_type::disconnect, "/", {}, ""}));
    EXPECT_EQ(parse(R"(2["foo"])"), (packet{packet_type::event, "/", {}, R"(["foo"])"}));
    EXPECT_EQ(parse(R"(212["foo"])"), (packet{packet_type::event, "/", 12, R"(["foo"])"}));
    EXPECT_EQ(parse(R"(2/admin,12["foo"])"), (packet{packet_type::event, "/admin", 12, R"(["foo"])"}));
    EXPECT_EQ(parse("30[]"), (packet{packet_type::ack, "/", 0, "[]"}));
    EXPECT_EQ(parse(R"(4{"message":"no"})"), (packet{packet_type::connect_error, "/", {}, R"({"message":"no"})"}));
    EXPECT_EQ(parse(R"(4"no")"), (packet{packet_type::connect_error, "/", {}, R"("no")"}));
}

TEST(socket_io, refuses_what_no_client_sends)
{
    for (const char* text :
         {"", "7", "x", R"(51-["a",{"_placeholder":true,"num":0}])", "60-[]", "2", "2{}", "212", R"(2"a")", "3[]", "30",
          "30{}", "0[]", "01x", "1{}", "4", "4[]", R"(29007199254740992["a"])", R"(299999999999999999999["a"])"})
        EXPECT_EQ(parse(text).error(), errc::bad_request) << text;
    EXPECT_EQ(parse("0/" + std::string(name_space_bytes_max, 'x') + ",").error(), errc::bad_request);
    EXPECT_TRUE(parse(R"(29007199254740991["a"])"));
}

TEST(socket_io, reads_events)
{
    const auto found = parse_event(*parse(R"(2["message",{"a":[1,null]},"x"])")).value();
    EXPECT_EQ(found.name, "message");
    EXPECT_EQ(json::serialize(found.args), R"([{"a":[1,null]},"x"])");
    EXPECT_TRUE(parse_event(*parse(R"(2["ping"])"))->args.empty());
    for (const char* text :
         {"2[]", "2[1]", "2[[]]", R"(2["a")", R"(2["a"]x)", R"(2["a",])", R"(2["connect"])", R"(2["disconnect"])",
          R"(2["newListener"])", "2[\"\xff\"]", R"(2["\ud800"])", R"(2["a",{"b":[1e999]}])", R"(2["a",-1e999])"})
        EXPECT_EQ(parse_event(*parse(text)).error(), errc::bad_request) << text;
}

TEST(socket_io, refuses_json_that_is_nested_without_end)
{
    const std::string deep = R"(2["a",)" + std::string(100'000, '[');
    EXPECT_EQ(parse_event(*parse(deep)).error(), errc::bad_request);
}

TEST(socket_io, writes_what_clients_expect)
{
    EXPECT_EQ(message_event("update", {{"a", 1}}), R"(42["update",{"a":1}])");
    EXPECT_EQ(message_event("rpc-request", "x", 7), R"(427["rpc-request","x"])");
    EXPECT_EQ(message_event_args("ping", {}), R"(42["ping"])");
    EXPECT_EQ(message_event_args("a", {1, "b"}, 0), R"(420["a",1,"b"])");
    EXPECT_EQ(message_ack(3, {json::object{}}), "433[{}]");
    EXPECT_EQ(message_ack(3, {}), "433[]");
    EXPECT_EQ(message_connect({{"sid", "x"}}), R"(40{"sid":"x"})");
    EXPECT_EQ(message_connect_error("Invalid", nullptr), R"(44{"message":"Invalid"})");
    EXPECT_EQ(
        message_connect_error("No \"way\"", {{"code", "revoked"}}),
        R"(44{"message":"No \"way\"","data":{"code":"revoked"}})");
    EXPECT_EQ(message_disconnect(), "41");
}

rc::Gen<std::string> ascii()
{
    return rc::gen::container<std::string>(rc::gen::inRange<char>('\x01', '\x7f'));
}

rc::Gen<packet> some_packet()
{
    return rc::gen::apply(
        [](packet_type type, bool elsewhere, std::uint64_t id, bool has_id)
        {
            packet out;
            out.type = type;
            out.name_space = elsewhere ? "/admin" : "/";
            const bool may_have_id = type == packet_type::event || type == packet_type::ack;
            if (may_have_id && (has_id || type == packet_type::ack))
                out.id = id % (ack_id_max + 1);
            out.data = type == packet_type::event || type == packet_type::ack ? R"(["name",{"k":"v"},[1.5,null,"\n"]])"
                       : type == packet_type::disconnect                      ? ""
                                                                              : R"({"message":"m"})";
            return out;
        },
        rc::gen::element(
            packet_type::connect, packet_type::disconnect, packet_type::event, packet_type::ack,
            packet_type::connect_error),
        rc::gen::arbitrary<bool>(), rc::gen::arbitrary<std::uint64_t>(), rc::gen::arbitrary<bool>());
}

/// Reads as far as a server would; must never do worse than refuse.
void read_all(std::string_view text)
{
    const auto found = parse(text);
    if (!found)
    {
        RC_ASSERT(found.error() == errc::bad_request);
        return;
    }
    RC_ASSERT(found->data.size() < text.size());
    if (found->type == packet_type::event)
    {
        (void)parse_event(*found);
    }
    else if (found->type == packet_type::ack)
    {
        (void)parse_args(*found);
    }
    else
    {
        (void)parse_object(*found);
    }
}

RC_GTEST_PROP(socket_io_property, packets_survive_a_round_trip, ())
{
    const auto value = *some_packet();
    RC_ASSERT(parse(write(value)).value() == value);
}

RC_GTEST_PROP(socket_io_property, every_truncation_and_every_flipped_bit_is_read_or_refused, ())
{
    const auto text = write(*some_packet());
    for (std::size_t size = 0; size <= text.size(); ++size)
        read_all(std::string_view(text).substr(0, size));
    for (std::size_t bit = 0; bit < text.size() * 8; ++bit)
    {
        auto damaged = text;
        damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
        read_all(damaged);
    }
}

RC_GTEST_PROP(socket_io_property, random_bytes_are_read_or_refused, (const std::string& text))
{
    read_all(text);
    read_all("2" + text);
    read_all("2[" + text);
    read_all("0{" + text);
}

RC_GTEST_PROP(socket_io_property, events_survive_a_round_trip, ())
{
    const auto name = "n" + *ascii();
    json::array args;
    for (const auto& each : *rc::gen::container<std::vector<std::string>>(ascii()))
        args.push_back(json::object{{each, each}});
    const auto text = message_event_args(name, args, 5);
    RC_ASSERT(text.front() == '4');
    const auto found = parse_event(parse(std::string_view(text).substr(1)).value()).value();
    RC_ASSERT(found.name == name);
    RC_ASSERT(found.args == args);
}

RC_GTEST_PROP(socket_io_property, json_texts_are_those_of_the_library, ())
{
    // Longer than the writer's chunks.
    json::array value;
    for (int i = 0; i < 400; ++i)
        value.push_back(json::object{{*ascii(), i}});
    std::string out;
    append_json(out, value);
    RC_ASSERT(out == json::serialize(value));
    std::string text;
    append_json_string(text, std::string(5000, '\n'));
    RC_ASSERT(text == json::serialize(json::value(std::string(5000, '\n'))));
}

} // namespace
} // namespace consortium::protocol::socket_io
