#pragma once
#include "agent/fresh_directory.hpp"
#include "agent/run.hpp"
#include "base/json_access.hpp"
#include "consortium/common/base64.hpp"
#include "e2ee/run_of.hpp"
#include "session/conversation_feed.hpp"
#include <boost/asio/detached.hpp>
#include <boost/json.hpp>
#include <deque>
#include <gtest/gtest.h>

namespace consortium::agent::testing
{
namespace json = boost::json;

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

/// A session's folder, and the feed of what it says.
class feed_fixture : public ::testing::Test
{
protected:
    const std::string account = to_string(account_id{run_of<16>(0x10)});
    const std::string session = "20212223-2425-2627-2829-2a2b2c2d2e2f";

    feed_fixture()
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
        folder.record().session_id = session;
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
                e2ee::bundle_open(folder.record().data_key, {account, session, "message"}, *base64_decode(each.bundle))
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

} // namespace consortium::agent::testing
