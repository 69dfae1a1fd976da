#include "websocket_frames.hpp"
#include <algorithm>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace consortium::net
{
namespace
{

struct read_out
{
    std::vector<std::pair<frame_event::kind, std::string>> events;
    std::optional<frame_violation> violation;
    std::size_t left = 0;
};

/// Feeds a decoder in pieces, as reads from a network would.
read_out decode(std::string input, bool expect_mask, std::vector<std::size_t> cuts = {}, std::size_t max = 1u << 20)
{
    read_out out;
    frame_decoder decoder(expect_mask, max);
    cuts.push_back(input.size());
    std::string unread;
    std::size_t from = 0;
    for (const auto cut : cuts)
    {
        const auto to = std::min(std::max(cut, from), input.size());
        unread += input.substr(from, to - from);
        from = to;
        while (true)
        {
            std::size_t used = 0;
            const auto event = decoder.next(std::span(unread.data(), unread.size()), used);
            if (event)
                out.events.emplace_back(event->what, event->payload);
            unread.erase(0, used);
            if (!event)
                break;
        }
    }
    out.violation = decoder.violation();
    out.left = unread.size();
    return out;
}

std::string frame(opcode kind, std::string payload, std::optional<mask_key> mask, bool final = true)
{
    std::string out;
    append_frame_header(out, kind, payload.size(), mask);
    if (!final)
        out[0] = static_cast<char>(out[0] & 0x7f);
    if (mask)
        apply_mask(payload, *mask);
    return out + payload;
}

constexpr mask_key some_mask{0x37, 0xfa, 0x21, 0x3d};
using kind = frame_event::kind;

// RFC 6455 section 5.7.
TEST(websocket_frames, the_examples_of_the_rfc)
{
    const std::string hello("\x81\x05Hello", 7);
    EXPECT_EQ(message_frame("Hello").bytes(), hello);
    EXPECT_EQ(message_frame("Hello").payload(), "Hello");
    EXPECT_EQ(decode(hello, false).events.at(0), std::pair(kind::text, std::string("Hello")));

    const std::string masked("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
    EXPECT_EQ(frame(opcode::text, "Hello", some_mask), masked);
    EXPECT_EQ(decode(masked, true).events.at(0), std::pair(kind::text, std::string("Hello")));

    const std::string fragments("\x01\x03Hel\x80\x02lo", 9);
    EXPECT_EQ(decode(fragments, false).events.at(0), std::pair(kind::text, std::string("Hello")));
    EXPECT_EQ(decode(std::string("\x89\x05Hello", 7), false).events.at(0), std::pair(kind::ping, std::string("Hello")));
    EXPECT_EQ(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(websocket_frames, lengths_take_their_shortest_form)
{
    for (const std::size_t size : {0u, 125u, 126u, 127u, 65535u, 65536u})
    {
        const message_frame made(std::string(size, 'x'));
        EXPECT_EQ(made.bytes().size() - size, size < 126 ? 2u : size < 65536 ? 4u : 10u);
        EXPECT_EQ(decode(std::string(made.bytes()), false).events.at(0).second.size(), size);
    }
    // 5 in two bytes, 126 in eight, and a length with its top bit set.
    EXPECT_TRUE(decode(std::string("\x81\x7e\x00\x05Hello", 9), false).violation);
    EXPECT_TRUE(decode(std::string("\x81\x7f\0\0\0\0\0\0\0\x7e", 10), false).violation);
    EXPECT_TRUE(decode(std::string("\x81\x7f\x80\0\0\0\0\0\0\0", 10), false).violation);
}

TEST(websocket_frames, control_frames_come_between_fragments)
{
    const auto input = frame(opcode::text, "a", {}, false) + frame(opcode::ping, "p", {}) +
                       frame(opcode::continuation, "b", {}, false) + frame(opcode::continuation, "c", {}) +
                       frame(opcode::text, "d", {});
    const auto out = decode(input, false);
    ASSERT_EQ(out.events.size(), 3u);
    EXPECT_EQ(out.events[0], std::pair(kind::ping, std::string("p")));
    EXPECT_EQ(out.events[1], std::pair(kind::text, std::string("abc")));
    EXPECT_EQ(out.events[2], std::pair(kind::text, std::string("d")));
}

TEST(websocket_frames, messages_of_bytes_are_any_bytes)
{
    EXPECT_EQ(
        decode(frame(opcode::binary, "\xff\xfe", {}), false).events.at(0),
        std::pair(kind::binary, std::string("\xff\xfe")));
    const auto parts = frame(opcode::binary, "\xff", some_mask, false) + frame(opcode::ping, "p", some_mask) +
                       frame(opcode::continuation, "\xfe", some_mask) + frame(opcode::text, "t", some_mask);
    const auto out = decode(parts, true);
    EXPECT_FALSE(out.violation);
    EXPECT_EQ(out.events.at(1), std::pair(kind::binary, std::string("\xff\xfe")));
    EXPECT_EQ(out.events.at(2), std::pair(kind::text, std::string("t")));
}

TEST(websocket_frames, violations_name_their_close_code)
{
    const auto code_of = [](const std::string& input, bool expect_mask = false, std::size_t max = 1u << 20)
    {
        const auto out = decode(input, expect_mask, {}, max);
        return out.violation ? static_cast<int>(out.violation->code) : 0;
    };
    EXPECT_EQ(code_of(frame(opcode::binary, "x", {}, false) + frame(opcode::text, "x", {})), 1002);
    EXPECT_EQ(code_of(frame(opcode::binary, std::string(11, 'x'), {}), false, 10), 1009);
    EXPECT_EQ(code_of(frame(opcode::text, "\xff", {})), 1007);
    EXPECT_EQ(code_of(frame(opcode::text, std::string(11, 'x'), {}), false, 10), 1009);
    EXPECT_EQ(code_of(frame(opcode::text, std::string(10, 'x'), {}), false, 10), 0);
    EXPECT_EQ(
        code_of(frame(opcode::text, "123456", {}, false) + frame(opcode::continuation, "12345", {}), false, 10), 1009);
    EXPECT_EQ(code_of(frame(opcode::text, "x", some_mask), false), 1002);
    EXPECT_EQ(code_of(frame(opcode::text, "x", {}), true), 1002);
    EXPECT_EQ(code_of(frame(opcode::continuation, "x", {})), 1002);
    EXPECT_EQ(code_of(frame(opcode::text, "x", {}, false) + frame(opcode::text, "x", {})), 1002);
    EXPECT_EQ(code_of(frame(opcode::ping, "x", {}, false)), 1002);
    EXPECT_EQ(code_of(frame(opcode::ping, std::string(126, 'x'), {})), 1002);
    EXPECT_EQ(code_of(std::string("\xc1\x00", 2)), 1002);
    EXPECT_EQ(code_of(std::string("\x83\x00", 2)), 1002);
    EXPECT_EQ(code_of(frame(opcode::close, "\x03", {})), 1002);
    EXPECT_EQ(code_of(frame(opcode::close, std::string("\x03\xed", 2), {})), 1002);
    EXPECT_EQ(code_of(frame(opcode::close, "\x03\xe8\xff", {})), 1007);
    EXPECT_EQ(code_of(frame(opcode::close, "\x03\xe8", {})), 0);
    EXPECT_EQ(code_of(frame(opcode::close, "", {})), 0);
}

TEST(websocket_frames, a_header_that_claims_much_is_refused_before_its_bytes_come)
{
    EXPECT_TRUE(decode(std::string("\x81\xff\0\0\0\0\x7f\xff\xff\xff", 10), true).violation);
}

TEST(websocket_frames, utf8_is_that_of_rfc_3629)
{
    for (const std::string_view good :
         {"", "plain ascii, longer than eight", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
          "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
          "1234567\xc3\xa4"
          "12345678"})
        EXPECT_TRUE(is_utf8(good)) << good;
    for (const std::string_view bad :
         {"\x80", "\xbf", "\xc0\xaf", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x9f\xbf", "\xe2\x82", "\xed\xa0\x80",
          "\xf0\x8f\xbf\xbf", "\xf0\x9f\x98", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "12345678\xe2\x82"})
        EXPECT_FALSE(is_utf8(bad)) << bad;
}

TEST(websocket_frames, close_reasons_fit_a_control_frame)
{
    EXPECT_EQ(
        close_payload(close_code::going_away, "bye"), "\x03\xe9"
                                                      "bye");
    EXPECT_EQ(close_payload(close_code::normal, std::string(500, 'x')).size(), control_bytes_max);
}

RC_GTEST_PROP(websocket_frames_property, messages_arrive_however_the_bytes_are_cut, ())
{
    const bool masked = *rc::gen::arbitrary<bool>();
    const auto messages = *rc::gen::container<std::vector<std::string>>(
        rc::gen::container<std::string>(rc::gen::inRange<char>('\x01', '\x7f')));
    std::string input;
    for (const auto& each : messages)
    {
        const auto mask = masked ? std::optional(*rc::gen::arbitrary<mask_key>()) : std::nullopt;
        const auto half = each.size() / 2;
        if (*rc::gen::arbitrary<bool>())
            input += frame(opcode::text, each, mask);
        else
            input += frame(opcode::text, each.substr(0, half), mask, false) +
                     frame(opcode::continuation, each.substr(half), mask);
    }
    auto cuts = *rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(0, input.size() + 1));
    std::ranges::sort(cuts);
    const auto out = decode(input, masked, cuts);
    RC_ASSERT(!out.violation);
    RC_ASSERT(out.left == 0u);
    RC_ASSERT(out.events.size() == messages.size());
    for (std::size_t i = 0; i < messages.size(); ++i)
        RC_ASSERT(out.events[i] == std::pair(kind::text, messages[i]));
}

RC_GTEST_PROP(websocket_frames_property, any_bytes_are_read_or_refused, (const std::string& input, bool masked))
{
    const auto out = decode(input, masked, {}, 64);
    for (const auto& [what, payload] : out.events)
        RC_ASSERT(payload.size() <= std::max<std::size_t>(64, control_bytes_max));
}

RC_GTEST_PROP(websocket_frames_property, every_flipped_bit_is_read_or_refused, ())
{
    const auto whole = frame(opcode::text, "Hello, world", some_mask) + frame(opcode::close, "\x03\xe8", some_mask);
    for (std::size_t bit = 0; bit < whole.size() * 8; ++bit)
    {
        auto damaged = whole;
        damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
        (void)decode(damaged, true);
    }
}

RC_GTEST_PROP(websocket_frames_property, masking_is_its_own_inverse, (std::string text, mask_key mask))
{
    const auto before = text;
    apply_mask(text, mask);
    apply_mask(text, mask);
    RC_ASSERT(text == before);
}

} // namespace
} // namespace consortium::net
