#include "agent/failing_disk.hpp"
#include "agent/fresh_directory.hpp"
#include "agent/run.hpp"
#include "consortium/common/base64.hpp"
#include "conversation_feed.hpp"
#include "e2ee/run_of.hpp"
#include "json_access.hpp"
#include <boost/asio/detached.hpp>
#include <boost/json.hpp>
#include <cerrno>
#include <deque>
#include <gtest/gtest.h>

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::testing;
namespace json = boost::json;

namespace
{

const auto account = to_string(account_id{run_of<16>(0x10)});
constexpr auto sid = "20212223-2425-2627-2829-2a2b2c2d2e2f";

/// A relay that takes what it does not refuse as it is told.
struct taking : message_sender
{
    std::vector<spool_entry> stored;
    std::deque<relay_failure> refusals;

    asio::awaitable<relay_answer<void>> send_messages(std::vector<spool_entry> batch) override
    {
        if (!refusals.empty())
        {
            const auto refusal = refusals.front();
            refusals.pop_front();
            co_return std::unexpected(refusal);
        }
        stored.insert(stored.end(), batch.begin(), batch.end());
        co_return relay_answer<void>();
    }
};

class conversation_feed_test : public ::testing::Test
{
protected:
    conversation_feed_test()
    {
        who.account_id = account;
        begin();
    }
    session_folder make_folder() const
    {
        session_record record;
        record.tag = "tag";
        record.account_id = account;
        record.data_key = key_of(0x80);
        return session_folder::create(store, record).value();
    }
    void begin()
    {
        feed = std::make_unique<conversation_feed>(io.get_executor(), folder, who, out, clock, relay);
        ASSERT_TRUE(feed->open(key_of(1)));
    }
    void connect()
    {
        folder.record().session_id = sid;
        ASSERT_TRUE(feed->begin_sealing());
        asio::co_spawn(io, feed->run(), asio::detached);
    }
    /// What the relay has, opened, its chain checked.
    std::vector<json::object> arrived()
    {
        std::vector<json::object> out_of_it;
        e2ee::chain_reader chain;
        for (const auto& each : relay.stored)
        {
            const auto opened =
                e2ee::bundle_open(folder.record().data_key, {account, sid, "message"}, *base64_decode(each.bundle))
                    .value();
            const auto words = e2ee::envelope_parse(opened.plain).value();
            EXPECT_EQ(chain.judge(words), e2ee::chain_verdict::next);
            chain.accept(words, opened.id);
            out_of_it.push_back(words.d.as_object());
        }
        return out_of_it;
    }
    std::string words_of(const json::object& d) const
    {
        return text_at(d.at("content").at("data").as_object(), "message");
    }
    bool all_sent()
    {
        return run_until(io, [&] { return feed->waiting() == 0; });
    }
    void TearDown() override
    {
        feed->stop();
        run_until(io, [] { return true; });
    }

    fresh_directory place;
    boost::asio::io_context io;
    keystore store = keystore::open(place.path() / "state").value();
    identity who;
    session_folder folder = make_folder();
    screen out;
    system_clock_source clock;
    taking relay;
    std::unique_ptr<conversation_feed> feed;
};

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
