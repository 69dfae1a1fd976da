#include "consortium/common/base64.hpp"
#include "text_packing.hpp"
#include <gtest/gtest.h>
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

} // namespace
} // namespace consortium::log
