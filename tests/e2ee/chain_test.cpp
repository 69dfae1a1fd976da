#include "consortium/common/base64.hpp"
#include "consortium/e2ee/chain.hpp"
#include "e2ee/run_of.hpp"
#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

using namespace consortium;
using namespace consortium::e2ee;

namespace
{

struct said
{
    bundle_id id;
    envelope words;
};

std::vector<said> say(std::size_t count)
{
    chain_sender sender;
    std::vector<said> out;
    for (std::size_t i = 0; i < count; ++i)
    {
        const auto id = random_array<16>();
        const auto text = envelope_text(sender.next(id, 1700000000000, boost::json::value(i)));
        out.push_back({id, envelope_parse(view(text)).value()});
    }
    return out;
}

} // namespace

TEST(e2ee_envelope, reads_back_what_it_writes)
{
    const envelope value{1700000000000, std::string(32, 'a'), 2, run_of<16>(0x30), {{"x", 1}}};
    const auto read = envelope_parse(view(envelope_text(value))).value();
    EXPECT_EQ(read.at, value.at);
    EXPECT_EQ(read.from, value.from);
    EXPECT_EQ(read.n, value.n);
    EXPECT_EQ(read.prev, value.prev);
    EXPECT_EQ(read.d, value.d);
}

TEST(e2ee_envelope, refuses_other_forms)
{
    const std::string from = "\"" + std::string(32, 'a') + "\"";
    EXPECT_TRUE(envelope_parse(view(R"({"at":1,"from":)" + from + R"(,"n":1,"prev":null,"d":{}})")));
    for (const auto& bad : {
             std::string(""),
             std::string("[]"),
             std::string("{}"),
             R"({"at":1,"from":"short","n":1,"prev":null,"d":{}})" + std::string(),
             R"({"at":1,"from":)" + from + R"(,"n":0,"prev":null,"d":{}})",
             R"({"at":1,"from":)" + from + R"(,"n":1.5,"prev":null,"d":{}})",
             R"({"at":1,"from":)" + from + R"(,"n":2,"prev":null,"d":{}})",
             R"({"at":1,"from":)" + from + R"(,"n":2,"prev":"AA==","d":{}})",
             R"({"at":1,"from":)" + from + R"(,"n":1,"prev":"MDEyMzQ1Njc4OTo7PD0+Pw==","d":{}})",
             R"({"at":1,"from":)" + from + R"(,"n":1,"prev":null})",
             R"({"at":1,"from":)" + from + R"(,"n":1,"d":{}})",
             R"({"at":"1","from":)" + from + R"(,"n":1,"prev":null,"d":{}})",
         })
        EXPECT_EQ(envelope_parse(view(bad)).error(), errc::corrupt) << bad;
}

TEST(e2ee_envelope, a_prompt_says_what_was_seen_and_how_long_it_is_good)
{
    for (const auto& seen : {std::optional<bundle_id>(), std::optional(run_of<16>(0x40))})
    {
        const prompt_words value{{5, std::string(32, 'c'), 1, std::nullopt, {{"x", 1}}}, seen, 600'005};
        const auto read = prompt_parse(prompt_text(value)).value();
        EXPECT_EQ(read.said.from, value.said.from);
        EXPECT_EQ(read.said.d, value.said.d);
        EXPECT_EQ(read.seen, seen);
        EXPECT_EQ(read.until, 600'005);
    }
    const std::string start = R"({"at":1,"n":1,"prev":null,"d":{},"from":")" + std::string(32, 'a') + '"';
    EXPECT_TRUE(prompt_parse(start + R"(,"seen":null,"until":1})"));
    for (const auto& bad :
         {std::string("}"), std::string(R"(,"seen":null})"), std::string(R"(,"until":1})"),
          std::string(R"(,"seen":"AA==","until":1})"), std::string(R"(,"seen":null,"until":"1"})"),
          std::string(R"(,"seen":null,"until":1.5})")})
        EXPECT_EQ(prompt_parse(start + bad).error(), errc::corrupt) << bad;
}

TEST(e2ee_envelope, a_call_carries_a_challenge)
{
    const auto challenge = make_random_name();
    const auto read = call_parse(call_text({challenge, {{"id", "x"}}})).value();
    EXPECT_EQ(read.challenge, challenge);
    EXPECT_EQ(read.d, boost::json::value({{"id", "x"}}));
    EXPECT_FALSE(call_parse(R"({"challenge":")" + challenge + R"("})"));
    EXPECT_FALSE(call_parse(R"({"challenge":"short","d":{}})"));
    EXPECT_FALSE(call_parse(R"({"d":{}})"));
    EXPECT_FALSE(call_parse("[]"));
}

TEST(e2ee_chain, accepts_each_once_and_in_order)
{
    const auto words = say(3);
    chain_reader reader;
    EXPECT_EQ(reader.judge(words[1].words), chain_verdict::gap);
    for (const auto& each : words)
    {
        ASSERT_EQ(reader.judge(each.words), chain_verdict::next);
        reader.accept(each.words, each.id);
        EXPECT_EQ(reader.judge(each.words), chain_verdict::replay);
    }
    EXPECT_EQ(reader.judge(words[0].words), chain_verdict::replay);
    EXPECT_EQ(reader.position(words[0].words.from), (chain_position{3, words[2].id}));
}

TEST(e2ee_chain, notices_that_it_follows_something_else)
{
    auto words = say(2);
    chain_reader reader;
    reader.accept(words[0].words, random_array<16>());
    EXPECT_EQ(reader.judge(words[1].words), chain_verdict::broken);
}

// Goal: whatever a relay drops, repeats or reorders, a reader that acts on `next` alone acts on a prefix of what was
// said, each once and in order.
RC_GTEST_PROP(e2ee_chain, what_is_taken_is_always_a_prefix, ())
{
    const auto words = say(8);
    const auto order = *rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(0, words.size()));
    chain_reader reader;
    std::size_t taken = 0;
    for (const auto index : order)
    {
        if (reader.judge(words[index].words) != chain_verdict::next)
            continue;
        RC_ASSERT(index == taken);
        reader.accept(words[index].words, words[index].id);
        ++taken;
    }
}
