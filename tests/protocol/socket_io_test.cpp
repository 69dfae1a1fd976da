#include "consortium/protocol/limits.hpp"
#include "consortium/protocol/socket_io_assembler.hpp"
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
    EXPECT_EQ(parse("0"), (packet{packet_type::connect, "/", {}, 0, ""}));
    EXPECT_EQ(parse(R"(0{"token":"123"})"), (packet{packet_type::connect, "/", {}, 0, R"({"token":"123"})"}));
    EXPECT_EQ(parse("0/admin,"), (packet{packet_type::connect, "/admin", {}, 0, ""}));
    EXPECT_EQ(parse(R"(0/admin,{"a":1})"), (packet{packet_type::connect, "/admin", {}, 0, R"({"a":1})"}));
    EXPECT_EQ(parse("1"), (packet{packet_type::disconnect, "/", {}, 0, ""}));
    EXPECT_EQ(parse(R"(2["foo"])"), (packet{packet_type::event, "/", {}, 0, R"(["foo"])"}));
    EXPECT_EQ(parse(R"(212["foo"])"), (packet{packet_type::event, "/", 12, 0, R"(["foo"])"}));
    EXPECT_EQ(parse(R"(2/admin,12["foo"])"), (packet{packet_type::event, "/admin", 12, 0, R"(["foo"])"}));
    EXPECT_EQ(parse("30[]"), (packet{packet_type::ack, "/", 0, 0, "[]"}));
    EXPECT_EQ(parse(R"(4{"message":"no"})"), (packet{packet_type::connect_error, "/", {}, 0, R"({"message":"no"})"}));
    EXPECT_EQ(parse(R"(51-["a"])"), (packet{packet_type::binary_event, "/", {}, 1, R"(["a"])"}));
    EXPECT_EQ(parse(R"(52-/admin,456["a"])"), (packet{packet_type::binary_event, "/admin", 456, 2, R"(["a"])"}));
    EXPECT_EQ(parse("61-/admin,456[]"), (packet{packet_type::binary_ack, "/admin", 456, 1, "[]"}));
    EXPECT_EQ(parse(R"(4"no")"), (packet{packet_type::connect_error, "/", {}, 0, R"("no")"}));
}

TEST(socket_io, refuses_what_no_client_sends)
{
    for (const char* text :
         {"",
          "7",
          "x",
          "5",
          R"(5["a"])",
          R"(51["a"])",
          R"(5-["a"])",
          R"(5-1-["a"])",
          R"(5+1-["a"])",
          "51-",
          "51-{}",
          "61-[]",
          "6[]",
          R"(599999999999999999999-["a"])",
          "2",
          "2{}",
          "212",
          R"(2"a")",
          "3[]",
          "30",
          "30{}",
          "0[]",
          "01x",
          "1{}",
          "4",
          "4[]",
          R"(29007199254740992["a"])",
          R"(299999999999999999999["a"])"})
        EXPECT_EQ(parse(text).error(), errc::bad_request) << text;
    EXPECT_EQ(parse("0/" + std::string(name_space_bytes_max, 'x') + ",").error(), errc::bad_request);
    EXPECT_TRUE(parse(R"(29007199254740991["a"])"));
    EXPECT_TRUE(parse("5" + std::to_string(limits::attachments_max) + R"(-["a"])"));
    EXPECT_EQ(parse("5" + std::to_string(limits::attachments_max + 1) + R"(-["a"])").error(), errc::bad_request);
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

TEST(socket_io, asks_for_one_placeholder_for_each_attachment)
{
    const auto read = [](std::string_view text) { return parse_event(*parse(text)); };
    EXPECT_TRUE(read(R"(51-["a",{"_placeholder":true,"num":0}])"));
    EXPECT_TRUE(read(R"(52-["a",{"x":[{"_placeholder":true,"num":1}]},{"num":0,"_placeholder":true}])"));
    EXPECT_TRUE(read(R"(50-["a",1])"));
    for (const char* text :
         {R"(51-["a"])", R"(51-["a",{"_placeholder":true,"num":1}])", R"(51-["a",{"_placeholder":true,"num":-1}])",
          R"(51-["a",{"_placeholder":true,"num":0.5}])", R"(51-["a",{"_placeholder":true,"num":"0"}])",
          R"(51-["a",{"_placeholder":true}])", R"(51-["a",{"_placeholder":1,"num":0}])",
          R"(51-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}])",
          R"(52-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}])",
          R"(52-["a",{"_placeholder":true,"num":0}])", R"(50-["a",{"_placeholder":true,"num":0}])",
          R"(51-["a",{"_placeholder":true,"num":99999999999999999999}])", R"(51-[{"_placeholder":true,"num":0}])"})
        EXPECT_EQ(read(text).error(), errc::bad_request) << text;
    // In a packet without attachments the word is one like any other.
    EXPECT_TRUE(read(R"(2["a",{"_placeholder":true,"num":7}])"));
    EXPECT_EQ(
        count_placeholders(json::parse(R"([1,{"x":{"_placeholder":true,"num":0}},[{"_placeholder":true}]])")), 2u);
    EXPECT_EQ(count_placeholders(json::parse(R"({"_placeholder":false})")), 0u);
}

/// What the assembler makes of messages, as text: a packet and its attachments, `-` for one that waits, `!` for an
/// error.
std::string assembled(assembler& parts, const std::vector<std::pair<bool, std::string>>& messages)
{
    std::string out;
    for (const auto& [binary, bytes] : messages)
    {
        const auto whole = binary ? parts.take_attachment(bytes) : parts.take(bytes);
        if (!whole)
            return out + "!";
        if (!*whole)
        {
            out += "-";
            continue;
        }
        out += (*whole)->text;
        EXPECT_EQ(parse((*whole)->text).value(), (*whole)->head);
        for (const auto& each : (*whole)->attachments)
            out += "<" + each + ">";
    }
    return out;
}

TEST(socket_io_assembler, puts_packets_and_their_attachments_together)
{
    assembler parts(100);
    EXPECT_EQ(assembled(parts, {{false, R"(2["a"])"}}), R"(2["a"])");
    EXPECT_EQ(
        assembled(parts, {{false, R"(52-["a"])"}, {true, "x"}, {true, ""}, {false, "30[]"}}), R"(--52-["a"]<x><>30[])");
    EXPECT_EQ(parts.held_bytes(), 0u);
    EXPECT_EQ(assembled(parts, {{false, R"(50-["a"])"}}), R"(50-["a"])");
}

TEST(socket_io_assembler, refuses_what_is_out_of_order)
{
    const auto all = [](const std::vector<std::pair<bool, std::string>>& messages)
    {
        assembler parts(100);
        return assembled(parts, messages);
    };
    EXPECT_EQ(all({{true, "x"}}), "!");
    EXPECT_EQ(all({{false, R"(2["a"])"}, {true, "x"}}), R"(2["a"]!)");
    EXPECT_EQ(all({{false, R"(52-["a"])"}, {true, "x"}, {false, R"(2["a"])"}}), "--!");
    EXPECT_EQ(all({{false, R"(51-["a"])"}, {true, "x"}, {true, "y"}}), R"(-51-["a"]<x>!)");
    EXPECT_EQ(all({{false, R"(51-["a"])"}, {false, "1"}}), "-!");
}

TEST(socket_io_assembler, holds_no_more_than_it_may)
{
    const std::string head = R"(52-["a"])";
    const auto rest = 100 - head.size();
    const auto end_of = [&](std::vector<std::size_t> sizes)
    {
        assembler parts(100);
        EXPECT_TRUE(parts.take(head));
        result<std::optional<assembler::whole>> last;
        for (const auto size : sizes)
            if (last = parts.take_attachment(std::string(size, 'x')); !last)
                return last.error().code;
        EXPECT_TRUE(*last);
        return errc{};
    };
    EXPECT_EQ(end_of({rest, 0}), errc{});
    EXPECT_EQ(end_of({0, rest}), errc{});
    EXPECT_EQ(end_of({rest + 1}), errc::too_large);
    EXPECT_EQ(end_of({rest, 1}), errc::too_large);
    assembler parts(100);
    EXPECT_EQ(parts.take(R"(51-[")" + std::string(100, 'a') + R"("])").error(), errc::too_large);
    // What has no attachments is not held.
    EXPECT_TRUE(parts.take(R"(2[")" + std::string(100, 'a') + R"("])"));
}

TEST(socket_io, writes_what_clients_expect)
{
    EXPECT_EQ(message_event_args("a", {1}, 7, 2), R"(452-7["a",1])");
    EXPECT_EQ(message_ack(3, {1}, 1), "461-3[1]");

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
            const bool may_have_id = is_event(type) || is_ack(type);
            if (may_have_id && (has_id || is_ack(type)))
                out.id = id % (ack_id_max + 1);
            if (is_binary(type))
                out.attachments = id % (limits::attachments_max + 1);
            out.data = may_have_id                       ? R"(["name",{"k":"v"},[1.5,null,"\n"]])"
                       : type == packet_type::disconnect ? ""
                                                         : R"({"message":"m"})";
            return out;
        },
        rc::gen::element(
            packet_type::connect, packet_type::disconnect, packet_type::event, packet_type::ack,
            packet_type::connect_error, packet_type::binary_event, packet_type::binary_ack),
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
    if (is_event(found->type))
    {
        (void)parse_event(*found);
    }
    else if (is_ack(found->type))
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

RC_GTEST_PROP(socket_io_property, attachments_survive_a_round_trip, ())
{
    const auto bytes = *rc::gen::container<std::vector<std::string>>(rc::gen::arbitrary<std::string>());
    RC_PRE(bytes.size() <= limits::attachments_max);
    json::array args;
    for (std::size_t at = 0; at < bytes.size(); ++at)
        args.push_back(json::object{{"x", json::array{json::object{{"_placeholder", true}, {"num", at}}}}});
    const auto text = message_event_args("name", args, 5, bytes.size());
    assembler parts(1u << 20);
    auto whole = parts.take(std::string_view(text).substr(1)).value();
    for (const auto& each : bytes)
    {
        RC_ASSERT(!whole);
        whole = parts.take_attachment(each).value();
    }
    RC_ASSERT(whole.has_value());
    RC_ASSERT(whole->attachments == bytes);
    RC_ASSERT(parse_event(whole->head).value().args == args);
    RC_ASSERT(count_placeholders(args) == bytes.size());
}

RC_GTEST_PROP(socket_io_property, any_order_of_messages_is_put_together_or_refused, ())
{
    // Never more is held than may be, and what comes out has all its attachments.
    assembler parts(64);
    for (const auto& [binary, text] : *rc::gen::container<std::vector<std::pair<bool, std::string>>>(rc::gen::pair(
             rc::gen::arbitrary<bool>(),
             rc::gen::element<std::string>("2[\"a\"]", "51-[\"a\"]", "53-[\"a\"]", "x", ""))))
    {
        const auto whole = binary ? parts.take_attachment(text) : parts.take(text);
        RC_ASSERT(parts.held_bytes() <= 64u);
        if (!whole)
            break;
        RC_ASSERT(!*whole || (*whole)->attachments.size() == (*whole)->head.attachments);
    }
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
