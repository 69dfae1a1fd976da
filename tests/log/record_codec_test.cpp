#include "consortium/common/base64.hpp"
#include "record_codec.hpp"
#include <algorithm>
#include <gtest/gtest.h>
#include <numeric>
#include <rapidcheck/gtest.h>

namespace consortium::log
{
namespace
{

template <std::size_t N>
byte_array<N> counting(std::uint8_t first)
{
    byte_array<N> out;
    std::iota(out.begin(), out.end(), first);
    return out;
}

// The vector of docs/log-format.md.
const sealing_key log_key(key256(counting<32>(0x00)));
const sealing_key data_key(key256(counting<32>(0x80)));
const stored_key_id key_name = counting<16>(0x40);
const event_header vector_header{
    .type = event_type::message_appended,
    .account = {counting<16>(0x10)},
    .stream = {counting<16>(0x20)},
    .rev = {5},
    .seq = 3,
    .time = 1'700'000'000'000,
    .body_bytes = 5};

bytes sealed_vector(lsn number = {7})
{
    bytes out;
    seal_record(out, log_key, number, vector_header, key_name, data_key, view("hello"));
    return out;
}

TEST(record_codec, header_bytes_are_those_of_the_vector)
{
    const auto image = write_header(vector_header);
    EXPECT_EQ(
        hex_encode(image), "0400101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
                           "050000000000000003000000000000000068e5cf8b01000005000000");
    EXPECT_EQ(read_header(image).value(), vector_header);
}

TEST(record_codec, commitments_and_leaf_are_those_of_the_vector)
{
    const auto header = commit_header(log_key, vector_header, write_header(vector_header));
    const auto body = commit_body(data_key, vector_header, view("hello"));
    EXPECT_EQ(hex_encode(header), "80d915eb3708363fd645c03bef6f1f78f89b36ddad766be078d9f9e94c44b264");
    EXPECT_EQ(hex_encode(body), "231279064e254e700705c218657b85dfe4ce4955c9d8553800821f3ec75534d2");
    EXPECT_EQ(
        hex_encode(record_leaf(header, body)), "79e1fa40c43ba802e3fcb2e3eed14583fd341c7f80d1d0f0310b3e313a26aaba");
}

TEST(record_codec, value_has_the_layout_of_the_format)
{
    const auto value = sealed_vector();
    ASSERT_EQ(value.size(), record_overhead_bytes + 5);
    EXPECT_EQ(value[0], 1);
    EXPECT_TRUE(std::ranges::equal(byte_view(value).subspan(1, 16), key_name));
    EXPECT_EQ(
        hex_encode(byte_view(value).subspan(17, 32)),
        "80d915eb3708363fd645c03bef6f1f78f89b36ddad766be078d9f9e94c44b264");
    EXPECT_EQ(
        hex_encode(byte_view(value).subspan(49, 32)),
        "231279064e254e700705c218657b85dfe4ce4955c9d8553800821f3ec75534d2");
    EXPECT_EQ(
        hex_encode(parse_record(value)->leaf()), "79e1fa40c43ba802e3fcb2e3eed14583fd341c7f80d1d0f0310b3e313a26aaba");
}

RC_GTEST_PROP(record_codec, what_was_sealed_opens, ())
{
    const auto body = *rc::gen::arbitrary<bytes>();
    event_header header = vector_header;
    header.type = static_cast<event_type>(*rc::gen::inRange<int>(1, event_type_count + 1));
    header.rev.value = *rc::gen::arbitrary<std::uint64_t>();
    header.seq = *rc::gen::arbitrary<std::uint64_t>();
    header.time = *rc::gen::arbitrary<std::int64_t>();
    header.body_bytes = static_cast<std::uint32_t>(body.size());
    const lsn number{*rc::gen::arbitrary<std::uint64_t>()};

    bytes value;
    const auto leaf = seal_record(value, log_key, number, header, key_name, data_key, body);
    const auto record = parse_record(value);
    RC_ASSERT(record.has_value());
    RC_ASSERT(record->leaf() == leaf);
    RC_ASSERT(record->key == key_name);
    const auto opened = open_header(*record, log_key, number);
    RC_ASSERT(opened.has_value());
    RC_ASSERT(opened->header == header);
    RC_ASSERT(open_body(*record, data_key, *opened).value() == body);
    RC_ASSERT(commit_header(log_key, opened->header, opened->image) == record->header_commitment);
    RC_ASSERT(commit_body(data_key, opened->header, body) == record->body_commitment);
}

/// Whether header, body and both commitments hold: what verify looks at.
bool sound(byte_view value, lsn number)
{
    const auto record = parse_record(value);
    if (!record)
        return false;
    const auto header = open_header(*record, log_key, number);
    if (!header)
        return false;
    const auto body = open_body(*record, data_key, *header);
    return body && record->key == key_name &&
           commit_header(log_key, header->header, header->image) == record->header_commitment &&
           commit_body(data_key, header->header, *body) == record->body_commitment;
}

TEST(record_codec, every_truncation_is_refused)
{
    const auto value = sealed_vector();
    ASSERT_TRUE(sound(value, {7}));
    for (std::size_t size = 0; size < value.size(); ++size)
        EXPECT_FALSE(sound(byte_view(value).first(size), {7})) << size;
}

TEST(record_codec, every_flipped_bit_is_found)
{
    auto value = sealed_vector();
    for (std::size_t bit = 0; bit < value.size() * 8; ++bit)
    {
        value[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
        EXPECT_FALSE(sound(value, {7})) << bit;
        value[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    }
}

TEST(record_codec, a_record_moved_to_another_place_is_refused)
{
    EXPECT_FALSE(sound(sealed_vector({7}), {8}));
}

TEST(record_codec, a_body_under_another_header_is_refused)
{
    auto header = vector_header;
    header.rev.value += 1;
    bytes other;
    seal_record(other, log_key, {7}, header, key_name, data_key, view("hello"));
    auto value = sealed_vector();
    const auto headers_end = 81 + 24 + header_bytes + 16;
    std::copy(other.begin() + 17, other.begin() + 49, value.begin() + 17);
    std::copy(other.begin() + 81, other.begin() + headers_end, value.begin() + 81);
    const auto record = parse_record(value);
    const auto opened = open_header(*record, log_key, {7});
    ASSERT_TRUE(opened);
    EXPECT_EQ(open_body(*record, data_key, *opened).error(), errc::corrupt);
}

TEST(record_codec, a_later_version_is_named_as_such)
{
    auto value = sealed_vector();
    value[0] = 2;
    EXPECT_EQ(parse_record(value).error(), errc::newer_version);
    auto header = vector_header;
    header.type = static_cast<event_type>(999);
    bytes other;
    seal_record(other, log_key, {7}, header, key_name, data_key, view("hello"));
    EXPECT_EQ(open_header(*parse_record(other), log_key, {7}).error(), errc::newer_version);
}

} // namespace
} // namespace consortium::log
