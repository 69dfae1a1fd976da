#include "link/from_relay.hpp"
#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

using namespace consortium;
using namespace consortium::agent;
namespace json = boost::json;

namespace
{

constexpr auto where = "http://relay.example";

relay_answer<unchecked> judged(unsigned status, std::string_view body)
{
    return judge_answer(where, status, body, "session");
}

} // namespace

TEST(from_relay, an_answer_is_the_relays_in_its_own_form_alone)
{
    EXPECT_TRUE(judged(200, R"({"session":{}})"));
    const auto refused = judged(404, R"({"error":"no such session","code":"not-found","retry":false})");
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().by_relay);
    EXPECT_EQ(refused.error(), errc::not_found);
    EXPECT_FALSE(worth_retrying(refused.error()));
    const auto later = judged(429, R"({"error":"slowly","code":"rate-limited","retry":250})");
    EXPECT_TRUE(later.error().by_relay);
    EXPECT_EQ(later.error().retry, std::chrono::milliseconds(250));

    const auto full = judged(507, R"({"error":"no room","code":"quota","retry":60000})");
    EXPECT_TRUE(full.error().by_relay);
    EXPECT_EQ(full.error(), errc::quota);
    EXPECT_TRUE(worth_retrying(full.error()));
    for (const auto* code : {"invitation-required", "registration-closed"})
    {
        const auto closed = judged(403, std::string(R"({"error":"no","retry":false,"code":")") + code + "\"}");
        EXPECT_TRUE(closed.error().by_relay);
        EXPECT_EQ(word(closed.error().code), code);
        EXPECT_FALSE(worth_retrying(closed.error()));
    }

    struct
    {
        unsigned status;
        const char* body;
    } const strangers[]{
        {404, "404 page not found\n"},
        {404, "<html><h1>Not Found</h1></html>"},
        {404, ""},
        {200, ""},
        {200, "<html>Sign in</html>"},
        {200, R"({"ok":true})"},
        {200, R"([{"session":{}}])"},
        {200, R"({"error":"no such session","code":"not-found","retry":false})"},
        {302, R"({"error":"moved","code":"not-found","retry":false})"},
        {401, R"({"error":"unauthorized"})"},
        {401, R"({"error":"unauthorized","code":"unauthorized"})"},
        {403, R"({"message":"Forbidden","code":"forbidden","retry":false})"},
        {404, R"({"error":"x","code":"ENOENT","retry":false})"},
        {404, R"({"error":"x","code":"locked","retry":false})"},
        {404, R"({"error":"x","code":"not-found","retry":true})"},
        {404, R"({"error":"x","code":"not-found","retry":-1})"},
        {404, R"({"error":{},"code":"not-found","retry":false})"},
        {413, "<html>413 Request Entity Too Large</html>"},
        {502, "<html>Bad gateway</html>"}};
    for (const auto& [status, body] : strangers)
    {
        const auto answer = judged(status, body);
        ASSERT_FALSE(answer) << body;
        EXPECT_FALSE(answer.error().by_relay) << body;
        EXPECT_TRUE(worth_retrying(answer.error())) << body;
        EXPECT_EQ(answer.error().size_refused, status == 413) << body;
        EXPECT_NE(answer.error().detail.find(std::to_string(status)), std::string::npos) << "says what answered";
        EXPECT_NE(answer.error().detail.find(where), std::string::npos) << "and where";
    }
}

TEST(from_relay, the_relays_own_413_is_its_word)
{
    const auto refused = judged(413, R"({"error":"too large","code":"too-large","retry":false})");
    EXPECT_TRUE(refused.error().by_relay);
    EXPECT_FALSE(refused.error().size_refused);
}

TEST(from_relay, what_was_not_reached_is_always_worth_another_try)
{
    for (int code = 1; code <= static_cast<int>(errc::internal); ++code)
    {
        const auto failure = relay_failure::not_reached({static_cast<errc>(code), "x\033[2Jy", std::nullopt});
        EXPECT_TRUE(worth_retrying(failure)) << code;
        EXPECT_FALSE(failure.by_relay);
        EXPECT_EQ(failure.detail.find('\033'), std::string::npos);
    }
}

TEST(unchecked, gives_values_only_in_the_form_they_are_asked_for)
{
    const unchecked said(
        json::parse(
            R"({"id":"01890a5d-ac96-774b-bcce-b302099a8057","odd":"\u001b]52;c;x","up":"01890A5D-AC96-774B-BCCE-B302099A8057",
        "n":5,"minus":-3,"half":1.5,"huge":1e30,"yes":true,"list":[{"a":1},2,{"a":3}],"in":{"t":"x"}})")
            .as_object());
    EXPECT_EQ(said.uuid("id"), "01890a5d-ac96-774b-bcce-b302099a8057");
    for (const auto* name : {"odd", "up", "n", "in", "missing"})
        EXPECT_EQ(said.uuid(name), "") << name;
    EXPECT_EQ(said.text("id", 35), "") << "too long";
    EXPECT_EQ(said.text("n"), "");
    EXPECT_EQ(said.number("n"), 5);
    for (const auto* name : {"minus", "half", "huge", "id", "missing"})
        EXPECT_EQ(said.number(name), 0) << name;
    EXPECT_TRUE(said.flag("yes"));
    EXPECT_FALSE(said.flag("n"));
    ASSERT_EQ(said.objects("list").size(), 2u);
    EXPECT_EQ(said.objects("list")[1].number("a"), 3);
    EXPECT_EQ(said.object("in")->text("t"), "x");
    EXPECT_FALSE(said.object("list"));
    EXPECT_TRUE(said.objects("in").empty());
}

// Goal: no bytes at all are taken for the relay's refusal but its form; whatever is said is safe to print.
RC_GTEST_PROP(from_relay_property, any_answer_is_judged, (const std::string& body, unsigned status))
{
    const auto answer = judge_answer(where, status, body, "session");
    if (!answer)
    {
        RC_ASSERT(!answer.error().by_relay);
        for (const char c : answer.error().detail)
            RC_ASSERT(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
    }
}
