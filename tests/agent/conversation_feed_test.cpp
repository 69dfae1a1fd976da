#include "agent/failing_disk.hpp"
#include "agent/feed_fixture.hpp"
#include "session/conversation_feed.hpp"
#include <cerrno>

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::testing;

namespace
{

using conversation_feed_test = feed_fixture;

} // namespace

TEST_F(conversation_feed_test, what_is_said_before_the_relay_is_known_stands_first_in_the_same_chain)
{
    feed->tell_words("before");
    const auto id = feed->tell({{"type", "message"}, {"message", "named"}});
    EXPECT_TRUE(feed->holds(id));
    connect();
    feed->tell_words("after");
    ASSERT_TRUE(all_sent());
    EXPECT_FALSE(feed->holds(id));
    const auto said = arrived();
    ASSERT_EQ(said.size(), 3u);
    EXPECT_EQ(words_of(said[0]), "before");
    EXPECT_EQ(words_of(said[1]), "named");
    EXPECT_EQ(words_of(said[2]), "after");
    EXPECT_EQ(folder.said()[1], id);
}

// Goal: what the disk refused is nowhere, not even as a hole in the chain, and the next message tells of it.
TEST_F(conversation_feed_test, what_could_not_be_kept_is_told_with_the_next_that_can)
{
    connect();
    feed->tell_words("first");
    {
        const failing_disk disk([](std::string_view call) { return call == "fdatasync" ? ENOSPC : 0; });
        feed->tell_words("lost");
        feed->tell_words("lost too");
    }
    const auto kept = folder.said().size();
    EXPECT_EQ(kept, 1u);
    feed->tell_words("second");
    ASSERT_TRUE(all_sent());
    const auto said = arrived();
    ASSERT_EQ(said.size(), 3u);
    EXPECT_EQ(words_of(said[1]), "second");
    EXPECT_NE(words_of(said[2]).find("2 messages could not be written down"), std::string::npos);
}

TEST_F(conversation_feed_test, what_the_relay_refuses_for_good_is_said_in_the_session)
{
    relay.refusals.push_back({{errc::too_large, "not this one", std::nullopt}, /*by_relay=*/true});
    feed->tell_words("large");
    connect();
    ASSERT_TRUE(run_until(io, [&] { return !relay.stored.empty(); }));
    EXPECT_EQ(relay.stored.size(), 1u);
    EXPECT_EQ(folder.said().size(), 2u);
    EXPECT_TRUE(std::filesystem::exists(spool::file_aside(folder.spool_file())));
}

TEST_F(conversation_feed_test, tells_when_the_relay_takes_nothing_any_more)
{
    relay.refusals.push_back({{errc::not_found, "no such session", std::nullopt}, /*by_relay=*/true});
    std::optional<errc> told;
    feed->on_refused = [&](const relay_failure& reason) { told = reason.code; };
    feed->tell_words("to nobody");
    connect();
    ASSERT_TRUE(run_until(io, [&] { return told.has_value(); }));
    EXPECT_EQ(told, errc::not_found);
    EXPECT_EQ(feed->waiting(), 1u);
}

TEST_F(conversation_feed_test, of_a_session_that_is_gone_nothing_is_said)
{
    feed->fall_silent();
    feed->tell_words("too late");
    EXPECT_EQ(feed->waiting(), 0u);
    EXPECT_TRUE(folder.said().empty());
}

// Goal: what waited when the process ended is sent by the next one, under a chain of its own.
TEST_F(conversation_feed_test, keeps_what_waits_over_a_restart)
{
    feed->tell_words("left behind");
    feed.reset();
    begin();
    EXPECT_EQ(feed->waiting(), 1u);
    connect();
    ASSERT_TRUE(all_sent());
    EXPECT_EQ(words_of(arrived().at(0)), "left behind");
}

// Goal: a line that the program writes again is said once. Claude Code writes what slash commands printed again when it
// sums a conversation up.
TEST_F(conversation_feed_test, says_a_line_once)
{
    connect();
    const json::object line{{"type", "assistant"}, {"uuid", "l1"}};
    EXPECT_TRUE(feed->relay(line, "l1", "m1:0"));
    EXPECT_FALSE(feed->relay(line, "l1", ""));
    EXPECT_TRUE(feed->relay(line, "l2", ""));
    EXPECT_TRUE(feed->relay(line, "", ""));
    EXPECT_TRUE(feed->relay(line, "", "")) << "what has no id is always another one";
    ASSERT_TRUE(all_sent());
    const auto said = arrived();
    ASSERT_EQ(said.size(), 4u);
    EXPECT_EQ(
        said[0], (json::object{
                     {"role", "agent"},
                     {"content", json::object{{"type", "output"}, {"data", line}}},
                     {"meta", json::object{{"sentFrom", "cli"}, {"block", "m1:0"}}}}))
        << "to the letter";
    EXPECT_FALSE(said[1].at("meta").as_object().contains("block"));
}
