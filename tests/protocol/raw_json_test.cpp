#include "consortium/protocol/json_text.hpp"
#include "consortium/protocol/raw_json.hpp"
#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace consortium::protocol
{
namespace
{

namespace json = boost::json;

TEST(raw_json, a_member_is_what_stands_there)
{
    constexpr std::string_view text =
        R"( {"a" : 0.10 , "b":[1, {"a":"]}\"," }] ,"c\u0022":"\\","":{},"n":-1E+2,"a":null,"e":"a" } )";
    EXPECT_EQ(raw_member(text, "a"), "null") << "the last of that name";
    EXPECT_EQ(raw_member(text, "b"), R"([1, {"a":"]}\"," }])");
    EXPECT_EQ(raw_member(text, "c\""), R"("\\")");
    EXPECT_EQ(raw_member(text, ""), "{}");
    EXPECT_EQ(raw_member(text, "n"), "-1E+2");
    EXPECT_EQ(raw_member(text, "e"), R"("a")");
    EXPECT_EQ(raw_member(text, "d"), std::nullopt);
    for (const auto* none :
         {"", "[]", "1", "\"a\"", "{", "{}", "{\"a\"", "{\"a\":", "{\"a\":}", "{\"a\" 1}", "{\"b\":[", "}"})
        EXPECT_EQ(raw_member(none, "a"), std::nullopt) << none;
}

/// A value of some depth, of what is awkward to walk through.
json::value any_value(int depth)
{
    const auto kind = *rc::gen::inRange(0, depth > 0 ? 6 : 4);
    if (kind == 0)
        return *rc::gen::arbitrary<std::int64_t>();
    if (kind == 1)
        return json::value(
            *rc::gen::element<std::string>("", "\"", "\\", "}", "]", "{\"a\":1}", ",", "\n", "a\\\"b", ":"));
    if (kind == 2)
        return nullptr;
    if (kind == 3)
        return *rc::gen::element(0.5, -1e300, 2e-9);
    const auto size = *rc::gen::inRange(0, 4);
    if (kind == 4)
    {
        json::array out;
        for (int i = 0; i < size; ++i)
            out.push_back(any_value(depth - 1));
        return out;
    }
    json::object out;
    for (int i = 0; i < size; ++i)
        out[*rc::gen::element<std::string>("a", "b", "", "\"", "\\", "a\nb", "}")] = any_value(depth - 1);
    return out;
}

RC_GTEST_PROP(raw_json_property, every_member_is_found_as_it_was_written, ())
{
    json::object object;
    for (const auto* name : {"a", "b\"", "\\", "}"})
        object[name] = any_value(3);
    const auto text = json::serialize(object);
    for (const auto& [name, value] : object)
    {
        const auto raw = raw_member(text, std::string_view(name.data(), name.size()));
        RC_ASSERT(raw.has_value());
        RC_ASSERT(*raw == json::serialize(value));
    }
}

RC_GTEST_PROP(raw_json_property, any_text_is_walked_through_to_its_end, (const std::string& any))
{
    (void)raw_member(any, "a");
    const auto of = raw_member("{\"a\":" + any, "a");
    RC_ASSERT(!of || of->size() <= any.size());
}

} // namespace
} // namespace consortium::protocol
