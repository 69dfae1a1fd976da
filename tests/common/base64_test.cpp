#include "consortium/common/base64.hpp"
#include <cctype>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

using namespace consortium;

RC_GTEST_PROP(base64, every_text_form_returns_the_bytes_it_was_made_from, (const bytes& data))
{
    RC_ASSERT(base64_decode(base64_encode(data)).value() == data);
    RC_ASSERT(base64url_decode(base64url_encode(data)).value() == data);
    RC_ASSERT(hex_decode(hex_encode(data)).value() == data);
    RC_ASSERT(base32_decode(base32_encode(data)).value() == data);
}

TEST(base64, decodes_only_the_canonical_text)
{
    for (const auto* text : {"Zg", "Zg=", "Zg===", "Zh==", "Z===", "Zg==\n", " Zg==", "Zg==Zg==", "Z_=="})
        EXPECT_EQ(base64_decode(text).has_value(), false) << text;
    EXPECT_FALSE(base64url_decode("Zg=="));
    EXPECT_FALSE(base64url_decode("Zh"));
    EXPECT_FALSE(hex_decode("0A"));
    EXPECT_FALSE(hex_decode("0"));
    EXPECT_FALSE(base32_decode("MZ1"));
    EXPECT_FALSE(base32_decode("MZ=="));
    EXPECT_FALSE(base32_decode("MB")); // non-zero trailing bits
    EXPECT_FALSE(base32_decode("MYA"));
}

// Goal: no byte but the letters of the alphabet means anything.
TEST(base64, knows_exactly_its_alphabet)
{
    for (int byte = 0; byte < 256; ++byte)
    {
        const auto letter = static_cast<char>(byte);
        const bool either = std::isalnum(static_cast<unsigned char>(letter)) != 0 && byte < 128;
        for (std::size_t place = 0; place < 4; ++place)
        {
            std::string text = "AAAA";
            text[place] = letter;
            const bool padding = letter == '=' && place == 3;
            EXPECT_EQ(base64_decode(text).has_value(), either || letter == '+' || letter == '/' || padding) << byte;
            EXPECT_EQ(base64url_decode(text).has_value(), either || letter == '-' || letter == '_') << byte;
        }
    }
}

TEST(base64, agrees_with_rfc_4648)
{
    EXPECT_EQ(base64_encode(view("foobar")), "Zm9vYmFy");
    EXPECT_EQ(base64_encode(view("fo")), "Zm8=");
    EXPECT_EQ(base32_encode(view("foob")), "MZXW6YQ");
    EXPECT_EQ(base64_encode({}), "");
}
