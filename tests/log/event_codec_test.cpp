#include "consortium/common/base64.hpp"
#include "event_codec.hpp"
#include "event_generated.h"
#include "log/random_events.hpp"
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <set>

namespace consortium::log
{
namespace
{

bytes encoded(const event_body& body)
{
    return to_bytes(body_encoder().encode(body));
}

RC_GTEST_PROP(event_codec, every_body_is_read_as_it_was_written, ())
{
    const auto [type, body] = testing::random_body();
    const auto data = encoded(body);
    RC_ASSERT(data.size() <= body_size_estimate(body));
    const auto read = decode_body(type, data);
    RC_ASSERT(read.has_value());
    RC_ASSERT(*read == body);
    RC_ASSERT(check_body(type, data).has_value());
}

RC_GTEST_PROP(event_codec, every_truncation_is_refused, ())
{
    const auto [type, body] = testing::random_body();
    const auto data = encoded(body);
    for (std::size_t size = data.empty() ? 1 : 0; size < data.size(); ++size)
    {
        // A FlatBuffer does not know its own length: what is cut may have been padding. It never reads as another body.
        const auto read = decode_body(type, byte_view(data).first(size));
        RC_ASSERT(!read || *read == body);
    }
}

RC_GTEST_PROP(event_codec, flipped_bits_never_crash, ())
{
    const auto [type, body] = testing::random_body();
    auto data = encoded(body);
    for (std::size_t i = 0; i < data.size(); ++i)
    {
        data[i] ^= static_cast<std::uint8_t>(1u << (i % 8));
        const auto read = decode_body(type, data);
        RC_ASSERT(check_body(type, data).has_value() == read.has_value());
        if (!read)
            RC_ASSERT(read.error().code == errc::corrupt || read.error().code == errc::newer_version);
        data[i] ^= static_cast<std::uint8_t>(1u << (i % 8));
    }
}

// Goal: what is described in one place is whole: names that differ, bodies that fit, and no number beyond.
TEST(event_codec, every_type_is_described)
{
    std::set<std::string_view> names;
    std::vector<bool> used(std::variant_size_v<event_body>);
    for (std::uint16_t number = 1; number <= event_type_count; ++number)
    {
        const auto type = static_cast<event_type>(number);
        ASSERT_TRUE(is_known(type)) << number;
        EXPECT_TRUE(names.insert(name(type)).second) << name(type);
        used.at(describe(type).body) = true;
        with_tag(type, [&](auto tag) { EXPECT_EQ(tag(), type); });
    }
    EXPECT_EQ(std::ranges::count(used, false), 0) << "a body that no type has";
    EXPECT_FALSE(is_known(event_type{}));
    EXPECT_FALSE(is_known(static_cast<event_type>(event_type_count + 1)));
    EXPECT_FALSE(body_fits(event_type{}, no_body{}));
    EXPECT_TRUE(body_fits(event_type::session_deleted, no_body{}));
    EXPECT_FALSE(body_fits(event_type::session_deleted, device_renamed{}));
}

// Goal: an event is sealed under a key that its own scope does not take away before it was read.
TEST(event_codec, what_ends_a_subject_is_sealed_under_a_key_that_stays_unless_it_says_nothing)
{
    for (std::uint16_t number = 1; number <= event_type_count; ++number)
    {
        const auto known = describe(static_cast<event_type>(number));
        if (known.destroys_key() && known.seal == event_seal::subject)
            EXPECT_EQ(known.body, describe(event_type::account_deleted).body) << known.name;
        if (known.about == event_subject::device)
            EXPECT_EQ(known.seal, event_seal::account) << known.name << ": devices have no key";
    }
}

TEST(event_codec, an_unknown_event_type_is_of_a_newer_version)
{
    EXPECT_EQ(decode_body(static_cast<event_type>(event_type_count + 1), {}).error(), errc::newer_version);
    EXPECT_EQ(decode_body(static_cast<event_type>(0), {}).error(), errc::newer_version);
}

TEST(event_codec, an_unknown_union_member_is_of_a_newer_version)
{
    flatbuffers::FlatBufferBuilder builder;
    const auto table = fb::CreateNoBody(builder).Union();
    builder.Finish(fb::CreateEvent(builder, static_cast<fb::Body>(200), table));
    EXPECT_EQ(
        decode_body(event_type::message_appended, {builder.GetBufferPointer(), builder.GetSize()}).error(),
        errc::newer_version);
}

TEST(event_codec, a_body_of_another_type_is_refused)
{
    const auto data = encoded(device_renamed{.sealed_name = "x"});
    EXPECT_EQ(decode_body(event_type::message_appended, data).error(), errc::corrupt);
    EXPECT_EQ(decode_body(event_type::session_ended, data).error(), errc::corrupt);
    EXPECT_EQ(decode_body(event_type::message_appended, {}).error(), errc::corrupt);
}

TEST(event_codec, a_short_id_is_refused)
{
    flatbuffers::FlatBufferBuilder builder;
    const byte_array<15> id{};
    const auto at = builder.CreateVector(id.data(), id.size());
    const auto data = builder.CreateVector(id.data(), id.size());
    builder.Finish(fb::CreateEvent(
        builder, fb::Body::MessageAppended, fb::CreateMessageAppended(builder, at, 0, data, false).Union()));
    EXPECT_EQ(
        decode_body(event_type::message_appended, {builder.GetBufferPointer(), builder.GetSize()}).error(),
        errc::corrupt);
}

TEST(event_codec, base64_is_stored_as_bytes)
{
    const std::string text(4000, 'A');
    EXPECT_LT(encoded(message_appended{.id = {}, .local_id = {}, .content = text}).size(), 3100u);
}

// Goal: the form that almost every record has costs what it must and no more, for ever.
TEST(event_codec, a_message_with_a_uuid_costs_its_ids_and_little_else)
{
    const std::string local_id = "00112233-4455-6677-8899-aabbccddeeff";
    const auto data = encoded(message_appended{.id = {}, .local_id = local_id, .content = std::string(4000, 'A')});
    EXPECT_EQ(data.size(), 3000u + 16 + 16 + 36);
}

// docs/log-format.md, "Bodies".
TEST(event_codec, the_worked_example_of_the_documentation)
{
    message_appended message{.id = {}, .local_id = "00112233-4455-6677-8899-aabbccddeeff", .content = "AAEC"};
    for (std::uint8_t i = 0; i < 16; ++i)
        message.id.value[i] = static_cast<std::uint8_t>(0xa0 + i);
    EXPECT_EQ(
        hex_encode(encoded(message)),
        "1000000000000a001000070008000c000a0000000000000e0800000024000000"
        "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf00112233445566778899aabbccddeeff0300000000010200");
}

// Goal: what was written before messages had their short form still opens.
TEST(event_codec, a_message_in_its_long_form_is_read_for_ever)
{
    const message_appended message{
        .id = {make_uuid_v7(0)}, .local_id = "00112233-4455-6677-8899-aabbccddeeff", .content = "AAAA"};
    flatbuffers::FlatBufferBuilder builder;
    const auto id = builder.CreateVector(message.id.value.data(), message.id.value.size());
    const auto local_id = builder.CreateString(*message.local_id);
    const auto data = builder.CreateVector(std::vector<std::uint8_t>{0, 0, 0});
    builder.Finish(fb::CreateEvent(
        builder, fb::Body::MessageAppended,
        fb::CreateMessageAppended(builder, id, local_id, data, /*packed=*/true).Union()));
    const byte_view long_form(builder.GetBufferPointer(), builder.GetSize());
    EXPECT_EQ(decode_body(event_type::message_appended, long_form).value(), event_body(message));
    EXPECT_LT(encoded(message).size(), long_form.size());
}

TEST(event_codec, a_short_form_without_its_content_is_refused)
{
    for (const bool empty : {true, false})
    {
        flatbuffers::FlatBufferBuilder builder;
        const auto data = empty ? builder.CreateVector(std::vector<std::uint8_t>()) : 0;
        const auto ids = builder.CreateStruct(fb::CompactMessage()).Union();
        builder.Finish(fb::CreateEvent(builder, fb::Body::CompactMessage, ids, data));
        EXPECT_EQ(
            decode_body(event_type::message_appended, {builder.GetBufferPointer(), builder.GetSize()}).error(),
            errc::corrupt);
    }
}

} // namespace
} // namespace consortium::log
