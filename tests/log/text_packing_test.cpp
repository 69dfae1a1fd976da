#include "consortium/common/base64.hpp"
#include "consortium/common/ids.hpp"
#include "text_packing.hpp"
#include <algorithm>
#include <gtest/gtest.h>
#include <ranges>
#include <rapidcheck/gtest.h>

namespace consortium::log
{
namespace
{

/// What a reader gets back.
std::string there_and_back(const std::string& text)
{
    bytes packed(text.size() / 4 * 3 + 3);
    const auto size = pack(text, packed.data());
    return size == 0 ? text : unpack(byte_view(packed).first(size));
}

RC_GTEST_PROP(text_packing, any_text_is_returned_to_the_letter, (const std::string& text))
{
    RC_ASSERT(there_and_back(text) == text);
}

// Goal: texts that are nearly base64 are not "repaired". Letters are drawn from those of base64, padding included.
RC_GTEST_PROP(text_packing, nearly_base64_is_returned_to_the_letter, ())
{
    const auto text = *rc::gen::container<std::string>(rc::gen::elementOf(std::string("AAQgZz09+/=-_ \n")));
    RC_ASSERT(there_and_back(text) == text);
}

RC_GTEST_PROP(text_packing, packs_exactly_what_the_strict_decoder_takes, ())
{
    const auto data = *rc::gen::nonEmpty(rc::gen::arbitrary<bytes>());
    const auto text = base64_encode(data);
    bytes packed(text.size() / 4 * 3);
    const auto size = pack(text, packed.data());
    RC_ASSERT(size == data.size());
    packed.resize(size);
    RC_ASSERT(packed == data);
    RC_ASSERT(unpack(packed) == text);
}

TEST(text_packing, refuses_what_has_another_canonical_form)
{
    byte_array<64> out;
    for (const auto* text :
         {"", "A", "AA", "AAA", "AA=", "AB==", "AAB=", "A===", "====", "AA=A", "AA==AAAA", "AAA\n", "AAA AAAA", "AA--",
          "AA__", " AAA"})
        EXPECT_EQ(pack(text, out.data()), 0u) << text;
    for (const auto* text : {"AA==", "AAA=", "AAAA", "////", "++++"})
        EXPECT_NE(pack(text, out.data()), 0u) << text;
}

RC_GTEST_PROP(text_packing, a_uuid_in_lower_case_is_its_bytes, (const std::vector<std::uint8_t>& seed))
{
    byte_array<16> id{};
    std::ranges::copy(seed | std::views::take(16), id.begin());
    const auto text = to_string(message_id{id});
    RC_ASSERT(pack_uuid(text) == id);
    RC_ASSERT(unpack_uuid(id) == text);
    auto other = text;
    auto& letter = other[*rc::gen::inRange<std::size_t>(0, 36)];
    letter = *rc::gen::arbitrary<char>();
    if (const auto packed = pack_uuid(other))
        RC_ASSERT(unpack_uuid(*packed) == other);
}

TEST(text_packing, no_other_form_of_a_uuid_is_taken)
{
    for (const auto* text :
         {"", "00112233-4455-6677-8899-aabbccddeefF", "00112233-4455-6677-8899-aabbccddeef",
          "00112233-4455-6677-8899-aabbccddeeff0", "001122334455-6677-8899-aabb-ccddeeff",
          "00112233445566778899aabbccddeeff", "{0112233-4455-6677-8899-aabbccddeeff",
          "00112233-4455-6677-8899-aabbccddeef "})
        EXPECT_FALSE(pack_uuid(text)) << text;
    EXPECT_TRUE(pack_uuid("00112233-4455-6677-8899-aabbccddeeff"));
}

} // namespace
} // namespace consortium::log
