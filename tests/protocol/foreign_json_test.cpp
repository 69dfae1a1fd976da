#include "consortium/protocol/foreign_json.hpp"
#include "consortium/protocol/json_text.hpp"
#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <limits>
#include <rapidcheck/gtest.h>

namespace consortium::protocol
{
namespace
{

namespace json = boost::json;

std::string read(std::string_view text)
{
    const auto value = read_foreign_json(text);
    return value ? json::serialize(*value) : "none";
}

std::string nested(std::size_t depth, const std::string& core)
{
    return std::string(depth, '[') + core + std::string(depth, ']');
}

TEST(foreign_json, what_json_is_stays_as_it_is)
{
    for (const auto* text :
         {R"({"a":[1,-2,true,false,null,"x\n"],"b":{}})", "[]", "\"\"", "18446744073709551615", R"(["😀"])",
          R"({"d":-9223372036854775808})"})
        EXPECT_EQ(read(text), text);
    EXPECT_EQ(read(R"("\ud83d\ude00")"), "\"😀\"");
}

TEST(foreign_json, halves_of_surrogate_pairs_become_replacement_characters)
{
    EXPECT_EQ(read(R"("a\ud800b")"), "\"a\ufffdb\"");
    EXPECT_EQ(read(R"("\udc00")"), "\"\ufffd\"");
    EXPECT_EQ(read(R"("\ud800\ud83d\ude00")"), "\"\ufffd😀\"");
    EXPECT_EQ(read(R"("\\ud800 \ud800")"), "\"\\\\ud800 \ufffd\"") << "an escaped backslash begins no escape";
    EXPECT_EQ(read(R"({"\ud800":1})"), "{\"\ufffd\":1}");
}

TEST(foreign_json, bytes_that_are_no_utf_8_become_replacement_characters)
{
    EXPECT_EQ(read("\"caf\xe9 \xc3\xa9\""), "\"caf\ufffd é\"");
    EXPECT_EQ(read("\"\xed\xa0\xbd\""), "\"\ufffd\ufffd\ufffd\"") << "a surrogate in three bytes";
    EXPECT_EQ(read("{\"\xff\":\"\xf8\"}"), "{\"\ufffd\":\"\ufffd\"}");
}

TEST(foreign_json, raw_control_characters_are_taken_for_their_escapes)
{
    using namespace std::string_view_literals;
    EXPECT_EQ(read("{\"a\":\"x\0y\tz\"}"sv), R"({"a":"x\u0000y\tz"})");
    EXPECT_EQ(read("{\"a\":\0 1}\0"sv), R"({"a":1})");
    EXPECT_EQ(read("\xef\xbb\xbf[1,\x1f 2]"), "[1,2]") << "a byte order mark too";
}

TEST(foreign_json, a_backslash_that_escapes_nothing_is_one)
{
    EXPECT_EQ(read(R"("C:\Users\x \u12g4 \u")"), R"("C:\\Users\\x \\u12g4 \\u")");
}

TEST(foreign_json, words_and_numbers_that_json_has_not_become_texts)
{
    EXPECT_EQ(
        read("[1e999,-1e999,NaN,undefined,01,.5,True]"), R"(["1e999","-1e999","NaN","undefined","01",".5","True"])");
    EXPECT_EQ(read("{a:1}"), R"({"a":1})");
}

TEST(foreign_json, what_is_nested_too_deep_becomes_a_text)
{
    EXPECT_EQ(read(nested(foreign_depth_max, "1")), nested(foreign_depth_max, "1"));
    EXPECT_EQ(read(nested(foreign_depth_max, R"({"a":["]"]})")), nested(foreign_depth_max, R"("{\"a\":[\"]\"]}")"));
    EXPECT_NE(read(nested(100'000, "1")), "none");
    EXPECT_NE(read("{\"type\":\"assistant\",\"deep\":" + nested(100'000, "\"\xff\"") + ",\"after\":1}"), "none");
}

TEST(foreign_json, what_is_no_json_is_none)
{
    for (const auto* text :
         {"", " ", "{", "{\"a\":", "\"open", "[1,]", "[1] [2]", "Warning: no JSON", "{\"a\" 1}", "]"})
        EXPECT_EQ(read(text), "none") << text;
    EXPECT_FALSE(read_foreign_object("[1]"));
    EXPECT_TRUE(read_foreign_object("{\"a\":\"\\ud800\"}"));
}

// Goal: whatever comes, what is read can be written, and is then read strictly as the same.
RC_GTEST_PROP(foreign_json, what_is_read_can_be_written_and_read_again, ())
{
    const auto pieces = *rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
        "{", "}", "[", "]", "\"", ":", ",", "\\", "\\u", "\\ud83d", "\\ude00", "d800", "\xff", "\xc3", "\xa9", "é",
        "1e999", "-", "7", "true", "NaN", " ", std::string(1, '\0'), "\x1b", "a"));
    std::string text;
    for (const auto& each : pieces)
        text += each;
    for (const auto& tried : {text, "\"" + text + "\"", "[" + text + "]", "{\"a\":" + text + "}"})
    {
        const auto value = read_foreign_json(tried, 4);
        if (!value)
            continue;
        const auto again = parse_json(
            json::serialize(*value), {.values_max = std::numeric_limits<std::size_t>::max(), .depth_max = 4});
        RC_ASSERT(again);
        RC_ASSERT(*again == *value);
    }
}

// Goal: no text that somebody puts into a JSON string, however carelessly, loses the line it is in.
RC_GTEST_PROP(foreign_json, any_bytes_in_a_string_are_read, ())
{
    auto bytes = *rc::gen::container<std::string>(rc::gen::arbitrary<char>());
    std::erase(bytes, '"');
    if (bytes.ends_with('\\'))
        bytes += "n";
    const auto value = read_foreign_object("{\"type\":\"assistant\",\"text\":\"" + bytes + "\"}");
    RC_ASSERT(value);
    RC_ASSERT(value->at("type") == "assistant");
}

} // namespace
} // namespace consortium::protocol
