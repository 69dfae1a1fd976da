#include "consortium/common/printable.hpp"
#include <algorithm>
#include <gtest/gtest.h>
#include <random>

using namespace consortium;

namespace
{

/// Whether a terminal or a log would show `text` as the characters that it holds, and nothing else. Written apart from
/// the code: by a decoder of its own, over the ranges that matter.
::testing::AssertionResult is_harmless(const std::string& text)
{
    for (std::size_t at = 0; at < text.size();)
    {
        const auto lead = static_cast<unsigned char>(text[at]);
        const std::size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
        if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || at + size > text.size())
            return ::testing::AssertionFailure() << "no UTF-8 at " << at;
        char32_t c = size == 1 ? lead : lead & (0xff >> (size + 1));
        for (std::size_t i = 1; i < size; ++i)
            c = c * 64 + (static_cast<unsigned char>(text[at + i]) & 0x3f);
        const bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
        const bool turning =
            c == 0x61c || (c >= 0x200e && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
        const bool unseen = c == 0xad || c == 0xfeff || (c >= 0x200b && c <= 0x200d) || (c >= 0x2028 && c <= 0x2029) ||
                            (c >= 0x2060 && c <= 0x2064) || (c >= 0xe0000 && c <= 0xe0fff);
        if (control || turning || unseen)
            return ::testing::AssertionFailure() << "U+" << std::hex << static_cast<std::uint32_t>(c) << " at " << at;
        at += size;
    }
    return ::testing::AssertionSuccess();
}

std::size_t characters(const std::string& text)
{
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

} // namespace

TEST(printable, foreign_text_drives_no_terminal)
{
    EXPECT_EQ(printable("\033[2J\033[HApproved. The code"), "<U+001B>[2J<U+001B>[HApproved. The code");
    EXPECT_EQ(printable("\033]52;c;cm0gLXJmIH4=\a"), "<U+001B>]52;c;cm0gLXJmIH4=<U+0007>");
    EXPECT_EQ(
        printable("\xc2\x9b"
                  "2J \x9b"
                  "2J"),
        "<U+009B>2J \xef\xbf\xbd"
        "2J");
    EXPECT_EQ(printable("one\r\ntwo\tthree\v\f four \n"), "one two three four");
    EXPECT_EQ(
        printable("rm \xe2\x80\xae"
                  "cod.exe\xe2\x80\x8b\xef\xbb\xbf"),
        "rm <U+202E>cod.exe<U+200B><U+FEFF>");
    EXPECT_EQ(printable(std::string("a\0b", 3)), "a<U+0000>b");
    EXPECT_EQ(printable("a\xf3\xa0\x81\x81"), "a<U+E0041>");
    EXPECT_EQ(printable("✔\xef\xb8\x8f ok"), "✔ ok");
    EXPECT_EQ(printable("äöü €😀 日本"), "äöü €😀 日本");
    EXPECT_EQ(printable(""), "");
}

TEST(printable, is_bounded)
{
    EXPECT_EQ(printable("abcdef", 3), "abc…");
    EXPECT_EQ(printable("abc", 3), "abc");
    EXPECT_EQ(characters(printable(std::string(100'000, 'x'))), 301u);
    EXPECT_EQ(printable("ab    c", 3), "ab…");
    EXPECT_EQ(printable("a\033b", 8), "a…");
    EXPECT_EQ(printable("a\033b", 9), "a<U+001B>…");
}

// Goal: whatever the bytes are, nothing comes out that a terminal obeys or that a person cannot see. Method: bytes at
// random, and mixtures of what is dangerous; the result is judged by another decoder.
TEST(printable, no_bytes_at_all_come_out_as_more_than_text)
{
    constexpr const char* pieces[] = {
        "\033[31m", "\xc2\x9b", "\xe2\x80\xae", "\xf3\xa0\x80\x81", "\xe2\x80", "\x80",
        "a",        "😀",       "\r",           "\xed\xa0\x80",     "\x7f",     "\xc0\x9b"};
    std::random_device device;
    const auto seed = device();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    for (int round = 0; round < 20'000; ++round)
    {
        std::string text;
        const auto count = random() % 60;
        for (unsigned i = 0; i < count; ++i)
        {
            if (random() % 2 == 0)
                text.push_back(static_cast<char>(random()));
            else
                text += pieces[random() % std::size(pieces)];
        }
        const std::size_t max = random() % 40;
        const auto shown = printable(text, max);
        ASSERT_TRUE(is_harmless(shown)) << ::testing::PrintToString(text);
        ASSERT_LE(characters(shown), max + 1);
        ASSERT_EQ(printable(shown, max + 1), shown) << "once is enough";
    }
}
