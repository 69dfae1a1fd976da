#include "consortium/protocol/json_text.hpp"
#include "consortium/protocol/socket_io.hpp"
#include "consortium/protocol/v1/json.hpp"
#include <bit>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cmath>
#include <cstdlib>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace consortium::protocol
{
namespace
{

namespace json = boost::json;

std::string zeros(std::size_t count)
{
    std::string out = "[0";
    for (std::size_t i = 1; i < count; ++i)
        out += ",0";
    return out + "]";
}

TEST(json_text, reads_what_json_is)
{
    for (const auto* text :
         {R"({"a":[1,-2,3.5e2,true,false,null,"x\u00e9\n"],"b":{}})", "[]", "\"\"", " 7 ", "18446744073709551615",
          R"({"a":1,"a":2})", R"(["\ud83d\ude00"])"})
        EXPECT_EQ(parse_json(text).value(), json::parse(text)) << text;
    for (const auto* text : {"", "[", "[1,]", "[1] x", "{a:1}", "nul", "\"\x01\"", "[1e999]", "{\"a\":-1e999}", "01"})
        EXPECT_EQ(parse_json(text).error(), errc::bad_request) << text;
}

// Goal: a text cannot make many times its size of memory. Method: at the bound and above it, in each form.
TEST(json_text, refuses_more_values_than_it_may_have)
{
    EXPECT_EQ(parse_json(zeros(json_values_max - 1))->as_array().size(), json_values_max - 1);
    EXPECT_EQ(parse_json(zeros(json_values_max)).error(), errc::too_large);
    std::string object = "{";
    std::string arrays = "[[]";
    for (std::size_t i = 0; i < json_values_max / 2; ++i)
    {
        object += "\"" + std::to_string(i) + "\":[],";
        arrays += ",[],[]";
    }
    EXPECT_EQ(parse_json(object + "\"x\":1}").error(), errc::too_large);
    EXPECT_EQ(parse_json(arrays + "]").error(), errc::too_large);
}

TEST(json_text, refuses_more_depth_than_it_may_have)
{
    const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
    EXPECT_TRUE(parse_json(nested(json_depth_max)));
    EXPECT_EQ(parse_json(nested(json_depth_max + 1)).error(), errc::bad_request);
}

// Goal: 16 MB of zeros, which made 450 MB and 1.8 s, end where the bound is. Method: what follows it is no JSON at all
// and is never seen.
TEST(json_text, is_bounded_while_it_is_read_not_afterwards)
{
    auto text = zeros(8u << 20);
    text.back() = '!';
    EXPECT_EQ(parse_json(text).error(), errc::too_large);
    EXPECT_EQ(v1::parse_object_text("{\"a\":" + text).error(), errc::too_large);
    const std::string event = "2[\"message\"," + text;
    EXPECT_EQ(socket_io::parse_event(*socket_io::parse(event)).error(), errc::too_large);
}

double number_in(const std::string& text)
{
    const auto value = parse_json(text);
    return value && value->is_double() ? value->get_double() : std::nan("");
}

// Goal: a number is the nearest that there is, as every other reader takes it: what was read, written and read again is
// the same one.
TEST(json_text, reads_numbers_of_many_digits_exactly)
{
    for (const auto* text :
         {"0.30000000000000004441", "12345678901234567890.123", "1.7976931348623157e308", "5e-324",
          "2.2250738585072011e-308", "9007199254740993.0", "0.1", "-0.0", "123456789012345678901234567890", "1e23",
          "8.41e21", "9.5367431640625e-7"})
        EXPECT_EQ(number_in(text), std::strtod(text, nullptr)) << text;
    EXPECT_EQ(number_in("1e-400"), 0);
    for (const auto* text : {"1e400", "-1e400", "1.7976931348623159e308", "[1e309]", "123e999999999999"})
        EXPECT_EQ(parse_json(text).error(), errc::bad_request) << text;
    // The parts of one number are not taken for those of the next.
    EXPECT_EQ(
        json::serialize(parse_json("[1.5,12,-3,0.25,18446744073709551615,1e2]").value()),
        json::serialize(json::value{1.5, 12, -3, 0.25, std::uint64_t(18446744073709551615u), 100.0}));
}

RC_GTEST_PROP(json_text_property, writes_and_reads_any_double_as_the_same, (std::uint64_t bits))
{
    const auto number = std::bit_cast<double>(bits);
    RC_PRE(std::isfinite(number));
    RC_ASSERT(number_in(json::serialize(json::value(number))) == number);
}

RC_GTEST_PROP(
    json_text_property, reads_any_digits_as_the_c_library_does,
    (std::uint64_t whole, std::uint64_t part, std::int8_t power))
{
    const auto text = std::to_string(whole) + "." + std::to_string(part) + "e" + std::to_string(power);
    RC_ASSERT(number_in(text) == std::strtod(text.c_str(), nullptr));
}

/// Boost reads many digits less exactly.
bool same_but_for_last_digits(const json::value& one, const json::value& other)
{
    if (one.is_double() && other.is_double())
        return std::abs(one.get_double() - other.get_double()) <= std::abs(other.get_double()) * 1e-14;
    return one == other;
}

RC_GTEST_PROP(json_text_property, agrees_with_boost, (const std::string& any))
{
    json::error_code failed;
    const auto plain = json::parse(any, failed);
    const auto read = parse_json(any);
    RC_ASSERT(read.has_value() == !failed);
    if (read)
        RC_ASSERT(same_but_for_last_digits(*read, plain));
}

} // namespace
} // namespace consortium::protocol
