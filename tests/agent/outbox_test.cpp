#include "agent/fresh_directory.hpp"
#include "agent/run.hpp"
#include "consortium/common/base64.hpp"
#include "e2ee/run_of.hpp"
#include "link/outbox.hpp"
#include <boost/asio/detached.hpp>
#include <boost/json.hpp>
#include <fstream>
#include <gtest/gtest.h>
#include <random>
#include <rapidcheck/gtest.h>
#include <set>

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::testing;
namespace json = boost::json;

namespace
{

spool_entry plain_entry(const std::string& id, json::value d)
{
    return {id, 1, std::move(d), {}};
}

relay_failure refusal_of(errc code)
{
    return {{code, "refused", std::nullopt}, /*by_relay=*/true};
}

/// Keeps what it takes as the relay does: each id once, in the order of arrival. Fails as it is told.
struct fake_relay : message_sender
{
    std::vector<std::string> stored;
    std::set<std::string> known;
    std::function<int()> fate = [] { return 0; };
    std::optional<relay_failure> refusal;
    std::string refused_bundle;
    std::string failing_bundle; ///< with `internal`, for ever
    int failed = 0;
    std::size_t largest_batch = 0;
    std::size_t proxy_bytes_max = 0; ///< what something on the way lets through
    int refused_sizes = 0;
    std::size_t sent = 0; ///< attempts

    void store(const std::vector<spool_entry>& batch)
    {
        for (const auto& each : batch)
        {
            if (known.insert(each.local_id).second)
                stored.push_back(each.bundle);
        }
    }
    asio::awaitable<relay_answer<void>> send_messages(std::vector<spool_entry> batch) override
    {
        ++sent;
        largest_batch = std::max(largest_batch, batch.size());
        if (refusal)
            co_return std::unexpected(*refusal);
        for (const auto& each : batch)
        {
            if (!refused_bundle.empty() && each.bundle == refused_bundle)
                co_return std::unexpected(refusal_of(errc::too_large));
            if (!failing_bundle.empty() && each.bundle == failing_bundle)
            {
                ++failed;
                co_return std::unexpected(refusal_of(errc::internal));
            }
        }
        std::size_t size = 0;
        for (const auto& each : batch)
            size += each.bundle.size();
        if (proxy_bytes_max != 0 && size > proxy_bytes_max)
        {
            ++refused_sizes;
            auto page = relay_failure::stranger("http://relay", "HTTP 413, a web page");
            page.size_refused = true;
            co_return std::unexpected(page);
        }
        switch (fate())
        {
        case 1:
            co_return std::unexpected(
                relay_failure{{errc::closed, "lost on the way there", std::chrono::milliseconds(0)}});
        case 2:
            store(batch);
            co_return std::unexpected(
                relay_failure{{errc::closed, "lost on the way back", std::chrono::milliseconds(0)}});
        case 3:
            co_return std::unexpected(
                relay_failure{{errc::overloaded, "full", std::chrono::milliseconds(1)}, /*by_relay=*/true});
        default:
            store(batch);
            co_return relay_answer<void>();
        }
    }
};

result<std::string> seal_plainly(spool_entry& entry)
{
    return "sealed " + json::serialize(entry.d);
}

std::shared_ptr<outbox>
open_outbox(boost::asio::io_context& io, const std::filesystem::path& file, fake_relay& relay, crash_point at = {})
{
    auto store = spool::open(file, key_of(1), "tag", std::move(at)).value();
    return std::make_shared<outbox>(io.get_executor(), std::move(store), relay);
}

} // namespace

TEST(spool, keeps_entries_over_a_restart_and_nothing_readable)
{
    const fresh_directory place;
    const auto file = place.path() / "spool";
    {
        auto store = spool::open(file, key_of(1), "tag").value();
        ASSERT_TRUE(store.append(plain_entry("one", "a secret sentence")));
        ASSERT_TRUE(store.append(plain_entry("two", json::object{{"x", 2}})));
        ASSERT_TRUE(store.append(plain_entry("three", 3)));
        ASSERT_TRUE(store.done(1));
    }
    auto store = spool::open(file, key_of(1), "tag").value();
    ASSERT_EQ(store.waiting().size(), 2u);
    EXPECT_EQ(store.waiting()[0].local_id, "two");
    EXPECT_EQ(store.waiting()[0].d, json::value({{"x", 2}}));
    ASSERT_TRUE(store.seal_all(seal_plainly));
    EXPECT_EQ(store.waiting()[1].bundle, "sealed 3");

    std::ifstream raw(file, std::ios::binary);
    const std::string content((std::istreambuf_iterator<char>(raw)), std::istreambuf_iterator<char>());
    EXPECT_EQ(content.find("secret"), std::string::npos);
    EXPECT_EQ(content.find("two"), std::string::npos);
    EXPECT_FALSE(spool::open(file, key_of(2), "tag")) << "another key opens nothing";
    EXPECT_FALSE(spool::open(file, key_of(1), "other")) << "nor does another session";
}

// Goal: what a proxy refuses for its size holds nothing up for ever, however much of it there is.
TEST(spool, sets_aside_as_much_as_it_holds)
{
    const fresh_directory place;
    const auto file = place.path() / "spool";
    auto store = spool::open(file, key_of(1), "tag").value();
    for (int i = 0; i < 3; ++i)
    {
        ASSERT_TRUE(store.append(plain_entry(std::to_string(i), json::value_from(std::string(9u << 20, 'x')))));
        ASSERT_TRUE(store.set_aside());
    }
    EXPECT_TRUE(store.waiting().empty());
    EXPECT_EQ(spool::open(spool::file_aside(file), key_of(1), "tag").value().waiting().size(), 3u);
}

// Goal: whatever a crash cut off, what was complete before it is there, and the file can be written on.
TEST(spool, every_truncation_leaves_a_prefix)
{
    const fresh_directory place;
    const auto file = place.path() / "spool";
    {
        auto store = spool::open(file, key_of(1), "tag").value();
        for (int i = 0; i < 3; ++i)
            ASSERT_TRUE(store.append(plain_entry(std::to_string(i), i)));
    }
    const auto whole = read_file(file).value();
    for (std::size_t size = 0; size <= whole.size(); ++size)
    {
        ASSERT_TRUE(replace_file(file, byte_view(whole).first(size)));
        auto store = spool::open(file, key_of(1), "tag");
        ASSERT_TRUE(store) << size;
        const auto count = store->waiting().size();
        for (std::size_t i = 0; i < count; ++i)
            ASSERT_EQ(store->waiting()[i].local_id, std::to_string(i));
        ASSERT_EQ(count, size * 3 / whole.size()) << size;
        ASSERT_TRUE(store->append(plain_entry("after", "x")));
        store = spool::open(file, key_of(1), "tag");
        ASSERT_EQ(store->waiting().size(), count + 1);
        ASSERT_EQ(store->waiting().back().local_id, "after");
    }
}

TEST(spool, a_changed_byte_in_the_middle_is_found)
{
    const fresh_directory place;
    const auto file = place.path() / "spool";
    {
        auto store = spool::open(file, key_of(1), "tag").value();
        for (int i = 0; i < 3; ++i)
            ASSERT_TRUE(store.append(plain_entry(std::to_string(i), i)));
    }
    auto content = read_file(file).value();
    content[10] ^= 1;
    ASSERT_TRUE(replace_file(file, content));
    EXPECT_EQ(spool::open(file, key_of(1), "tag").error(), errc::corrupt);
}

TEST(outbox, sends_what_waited_for_its_session_in_order)
{
    const fresh_directory place;
    boost::asio::io_context io;
    fake_relay relay;
    const auto box = open_outbox(io, place.path() / "spool", relay);
    for (int i = 0; i < 5; ++i)
        ASSERT_TRUE(box->push(i, 0));
    asio::co_spawn(io, outbox::run(box), asio::detached);
    EXPECT_FALSE(run(io, box->drained(std::chrono::milliseconds(20)))) << "nothing can be sealed yet";
    ASSERT_TRUE(box->seal_with(seal_plainly));
    ASSERT_TRUE(box->push(5, 0));
    EXPECT_TRUE(run(io, box->drained(std::chrono::seconds(10))));
    EXPECT_EQ(
        relay.stored,
        (std::vector<std::string>{"sealed 0", "sealed 1", "sealed 2", "sealed 3", "sealed 4", "sealed 5"}));
    EXPECT_GT(relay.largest_batch, 1u);
    box->stop();
}

TEST(outbox, leaves_out_only_what_the_relay_will_never_take)
{
    const fresh_directory place;
    boost::asio::io_context io;
    fake_relay relay;
    relay.refused_bundle = "sealed 2";
    const auto box = open_outbox(io, place.path() / "spool", relay);
    std::vector<std::string> dropped;
    box->on_dropped = [&](const spool_entry& entry, const relay_failure& reason, bool kept)
    {
        dropped.push_back(entry.bundle);
        EXPECT_EQ(reason, errc::too_large);
        EXPECT_TRUE(kept);
    };
    ASSERT_TRUE(box->seal_with(seal_plainly));
    for (int i = 0; i < 4; ++i)
        ASSERT_TRUE(box->push(i, 0));
    asio::co_spawn(io, outbox::run(box), asio::detached);
    EXPECT_TRUE(run(io, box->drained(std::chrono::seconds(10))));
    EXPECT_EQ(relay.stored, (std::vector<std::string>{"sealed 0", "sealed 1", "sealed 3"}));
    EXPECT_EQ(dropped, std::vector<std::string>{"sealed 2"});
    box->stop();
    const auto aside = spool::open(spool::file_aside(place.path() / "spool"), key_of(1), "tag").value();
    ASSERT_EQ(aside.waiting().size(), 1u);
    EXPECT_EQ(aside.waiting()[0].bundle, "sealed 2") << "a relay's word destroys nothing";
}

// Goal: one message that a relay fails on holds the others up for a while, not for ever, and is kept.
TEST(outbox, a_message_that_the_relay_fails_on_is_set_aside_in_the_end)
{
    const fresh_directory place;
    boost::asio::io_context io;
    fake_relay relay;
    relay.failing_bundle = "sealed 2";
    const auto box = open_outbox(io, place.path() / "spool", relay);
    std::vector<std::string> dropped;
    int stuck = 0;
    bool takes_others = false;
    box->set_patience({.tries_said = 2, .tries = 3, .time = std::chrono::milliseconds(1)});
    box->takes_others = [&](auto) { return takes_others; };
    box->on_stuck = [&](const spool_entry& entry, const relay_failure&)
    {
        EXPECT_EQ(entry.bundle, "sealed 2");
        ++stuck;
    };
    box->on_dropped = [&](const spool_entry& entry, const relay_failure& reason, bool kept)
    {
        dropped.push_back(entry.bundle);
        EXPECT_EQ(reason, errc::internal);
        EXPECT_TRUE(kept);
    };
    ASSERT_TRUE(box->seal_with(seal_plainly));
    for (int i = 0; i < 4; ++i)
        ASSERT_TRUE(box->push(i, 0));
    asio::co_spawn(io, outbox::run(box), asio::detached);
    EXPECT_TRUE(run_until(io, [&] { return stuck == 1 && relay.failed >= 6; }));
    EXPECT_EQ(relay.stored, (std::vector<std::string>{"sealed 0", "sealed 1"})) << "nothing overtakes it";
    EXPECT_TRUE(dropped.empty()) << "a relay that takes nothing else is waited for";
    takes_others = true;
    box->nudge();
    EXPECT_TRUE(run(io, box->drained(std::chrono::seconds(20))));
    EXPECT_EQ(relay.stored, (std::vector<std::string>{"sealed 0", "sealed 1", "sealed 3"}));
    EXPECT_EQ(dropped, std::vector<std::string>{"sealed 2"});
    EXPECT_EQ(stuck, 1) << "said once";
    box->stop();
    const auto aside = spool::open(spool::file_aside(place.path() / "spool"), key_of(1), "tag").value();
    ASSERT_EQ(aside.waiting().size(), 1u);
    EXPECT_EQ(aside.waiting()[0].bundle, "sealed 2");
}

TEST(outbox, a_relay_that_fails_on_every_message_costs_one_at_most)
{
    const fresh_directory place;
    boost::asio::io_context io;
    fake_relay relay;
    relay.refusal = refusal_of(errc::internal);
    const auto box = open_outbox(io, place.path() / "spool", relay);
    int dropped = 0;
    int stuck = 0;
    box->set_patience({.tries_said = 1, .tries = 1, .time = std::chrono::milliseconds(0)});
    box->takes_others = [](auto) { return true; };
    box->on_stuck = [&](const spool_entry&, const relay_failure&) { ++stuck; };
    box->on_dropped = [&](const spool_entry&, const relay_failure&, bool) { ++dropped; };
    ASSERT_TRUE(box->seal_with(seal_plainly));
    for (int i = 0; i < 3; ++i)
        ASSERT_TRUE(box->push(i, 0));
    asio::co_spawn(io, outbox::run(box), asio::detached);
    EXPECT_TRUE(run_until(io, [&] { return stuck == 2; }));
    EXPECT_FALSE(run(io, box->drained(std::chrono::milliseconds(600))));
    EXPECT_EQ(dropped, 1);
    EXPECT_EQ(box->waiting(), 2u);
    box->stop();
}

TEST(outbox, stops_when_it_has_no_place_any_more_and_keeps_everything)
{
    for (const auto code : {errc::unauthorized, errc::revoked, errc::not_found})
    {
        const fresh_directory place;
        boost::asio::io_context io;
        fake_relay relay;
        relay.refusal = refusal_of(code);
        const auto box = open_outbox(io, place.path() / "spool", relay);
        std::optional<relay_failure> told;
        box->on_refused = [&](const relay_failure& reason) { told = reason; };
        ASSERT_TRUE(box->seal_with(seal_plainly));
        ASSERT_TRUE(box->push(1, 0));
        asio::co_spawn(io, outbox::run(box), asio::detached);
        EXPECT_FALSE(run(io, box->drained(std::chrono::seconds(10))));
        ASSERT_TRUE(told);
        EXPECT_EQ(*told, code);
        EXPECT_EQ(box->waiting(), 1u);
    }
}

// Goal: a relay without room for it costs no message, and the person is told in the relay's words, once.
TEST(outbox, waits_for_a_relay_without_room_and_says_so_once)
{
    for (const auto code : {errc::quota, errc::unavailable})
    {
        const fresh_directory place;
        boost::asio::io_context io;
        fake_relay relay;
        relay.refusal = relay_failure{{code, "no room", std::chrono::milliseconds(1)}, /*by_relay=*/true};
        const auto box = open_outbox(io, place.path() / "spool", relay);
        std::vector<std::string> said;
        box->on_no_room = [&](const relay_failure& why) { said.push_back(why.detail); };
        box->on_dropped = [](const spool_entry&, const relay_failure&, bool)
        { ADD_FAILURE() << "a message was dropped"; };
        box->on_refused = [](const relay_failure&) { ADD_FAILURE() << "gave up"; };
        ASSERT_TRUE(box->seal_with(seal_plainly));
        ASSERT_TRUE(box->push("kept", 1, "id"));
        asio::co_spawn(io, outbox::run(box), asio::detached);
        while (relay.sent < 3)
            io.run_one();
        EXPECT_EQ(said, std::vector<std::string>{"no room"});
        relay.refusal.reset();
        while (relay.stored.empty())
            io.run_one();
        EXPECT_EQ(relay.stored, std::vector<std::string>{"sealed \"kept\""});
        box->stop();
        io.run();
    }
}

// Goal: what something on the way finds too large is sent in smaller pieces, and the one that is too large alone is
// kept, said once and sent when it can be.
TEST(outbox, shrinks_to_what_the_way_takes_and_loses_nothing)
{
    const fresh_directory place;
    boost::asio::io_context io;
    fake_relay relay;
    relay.proxy_bytes_max = 250;
    const auto box = open_outbox(io, place.path() / "spool", relay);
    int stuck = 0;
    box->on_stuck = [&](const spool_entry&, const relay_failure&) { ++stuck; };
    box->on_dropped = [](const spool_entry&, const relay_failure&, bool) { FAIL(); };
    box->on_refused = [](const relay_failure&) { FAIL(); };
    ASSERT_TRUE(box->seal_with(seal_plainly));
    for (int i = 0; i < 64; ++i)
        ASSERT_TRUE(box->push(json::value_from("message " + std::to_string(i)), 0));
    ASSERT_TRUE(box->push(json::value_from(std::string(400, 'x')), 0));
    ASSERT_TRUE(box->push("behind it", 0));
    asio::co_spawn(io, outbox::run(box), asio::detached);
    EXPECT_TRUE(run_until(io, [&] { return stuck == 1; }));
    EXPECT_EQ(relay.stored.size(), 64u);
    EXPECT_LE(relay.refused_sizes, 8) << "halved each time, and remembered";
    EXPECT_FALSE(run(io, box->drained(std::chrono::milliseconds(700))));
    EXPECT_EQ(stuck, 1) << "said once";
    relay.proxy_bytes_max = 0;
    box->nudge();
    EXPECT_TRUE(run(io, box->drained(std::chrono::seconds(20))));
    EXPECT_EQ(relay.stored.size(), 66u);
    box->stop();
}

// Goal: what never passes for its size holds up what is behind it only as long as patience lasts; what is as large is
// then left out at once.
TEST(outbox, a_message_that_is_too_large_on_its_way_is_set_aside_in_the_end)
{
    const fresh_directory place;
    boost::asio::io_context io;
    fake_relay relay;
    relay.proxy_bytes_max = 250;
    const auto box = open_outbox(io, place.path() / "spool", relay);
    int stuck = 0;
    std::size_t dropped = 0;
    box->set_patience({.tries_said = 2, .tries = 3, .time = std::chrono::milliseconds(1)});
    box->on_stuck = [&](const spool_entry&, const relay_failure&) { ++stuck; };
    box->on_dropped = [&](const spool_entry&, const relay_failure& reason, bool kept)
    {
        ++dropped;
        EXPECT_TRUE(kept && reason.size_refused);
    };
    ASSERT_TRUE(box->seal_with(seal_plainly));
    ASSERT_TRUE(box->push("before it", 0));
    for (int i = 0; i < 4; ++i)
        ASSERT_TRUE(box->push(json::value_from(std::string(400 + static_cast<std::size_t>(i), 'x')), 0));
    ASSERT_TRUE(box->push("behind it", 0));
    asio::co_spawn(io, outbox::run(box), asio::detached);
    EXPECT_TRUE(run(io, box->drained(std::chrono::seconds(60))));
    EXPECT_EQ(relay.stored, (std::vector<std::string>{"sealed \"before it\"", "sealed \"behind it\""}));
    EXPECT_EQ(dropped, 4u);
    EXPECT_EQ(stuck, 4) << "each is said once";
    box->stop();
    EXPECT_EQ(spool::open(spool::file_aside(place.path() / "spool"), key_of(1), "tag").value().waiting().size(), 4u);
}

TEST(outbox, sends_no_more_bytes_at_once_than_a_usual_proxy_takes)
{
    const fresh_directory place;
    boost::asio::io_context io;
    fake_relay relay;
    relay.proxy_bytes_max = 1u << 20; // nginx's default
    const auto box = open_outbox(io, place.path() / "spool", relay);
    ASSERT_TRUE(box->seal_with(seal_plainly));
    for (int i = 0; i < 20; ++i)
        ASSERT_TRUE(box->push(json::value_from(std::string(200'000, 'x')), 0));
    asio::co_spawn(io, outbox::run(box), asio::detached);
    EXPECT_TRUE(run(io, box->drained(std::chrono::seconds(10))));
    EXPECT_EQ(relay.refused_sizes, 0);
    EXPECT_GT(relay.largest_batch, 1u);
    box->stop();
}

TEST(outbox, what_no_relay_said_drops_nothing_and_ends_nothing)
{
    const fresh_directory place;
    boost::asio::io_context io;
    fake_relay relay;
    relay.refusal = relay_failure::stranger("http://relay", "HTTP 404, a web page");
    const auto box = open_outbox(io, place.path() / "spool", relay);
    box->on_dropped = [](const spool_entry&, const relay_failure&, bool) { FAIL(); };
    box->on_refused = [](const relay_failure&) { FAIL(); };
    ASSERT_TRUE(box->seal_with(seal_plainly));
    ASSERT_TRUE(box->push(1, 0));
    asio::co_spawn(io, outbox::run(box), asio::detached);
    EXPECT_FALSE(run(io, box->drained(std::chrono::milliseconds(600))));
    relay.refusal.reset();
    box->nudge();
    EXPECT_TRUE(run(io, box->drained(std::chrono::seconds(20))));
    EXPECT_EQ(relay.stored.size(), 1u);
    box->stop();
}

// Goal: exactly once and in order, whatever is lost on the way there or back, and wherever the agent is killed.
// Method: random fates for each send; a crash is an exception out of a random step of a disk write, after which a new
// outbox is opened on the same file. What push() returned from must arrive; what it did not may, once.
RC_GTEST_PROP(outbox, exactly_once_and_in_order_whatever_happens, ())
{
    std::mt19937 random(*rc::gen::arbitrary<unsigned>());
    const auto chance = [&](unsigned percent) { return random() % 100 < percent; };
    const fresh_directory place;
    const auto file = place.path() / "spool";
    boost::asio::io_context io;
    fake_relay relay;
    relay.fate = [&]() -> int { return chance(40) ? static_cast<int>(random() % 4) : 0; };

    bool may_crash = true;
    const auto crash = [&](std::string_view)
    {
        if (may_crash && chance(4))
            throw simulated_crash();
    };
    std::vector<std::string> said;
    std::set<std::string> unsure; // the crash came before push() returned
    std::shared_ptr<outbox> box;
    const auto reopen = [&]
    {
        for (;;)
        {
            try
            {
                box = open_outbox(io, file, relay, crash);
                if (box->seal_with(seal_plainly))
                    break;
            }
            catch (const simulated_crash&)
            {
            }
        }
        // A crash inside run() ends that coroutine; the loop below opens anew.
        asio::co_spawn(io, outbox::run(box), [](const std::exception_ptr&) {});
    };
    reopen();
    for (int i = 0; i < 60; ++i)
    {
        const auto bundle = "sealed " + std::to_string(i);
        try
        {
            RC_ASSERT(box->push(i, 0).has_value());
            said.push_back(bundle);
        }
        catch (const simulated_crash&)
        {
            said.push_back(bundle);
            unsure.insert(bundle);
            box->stop();
            reopen();
        }
        if (chance(30))
        {
            io.restart();
            io.poll();
        }
        if (chance(5))
        {
            box->stop(); // killed between two writes
            reopen();
        }
    }
    may_crash = false;
    box->stop();
    io.restart();
    io.poll();
    reopen();
    RC_ASSERT(run(io, box->drained(std::chrono::seconds(60))));
    box->stop();

    std::vector<std::string> wanted;
    for (const auto& each : said)
    {
        if (!unsure.contains(each) || std::ranges::find(relay.stored, each) != relay.stored.end())
            wanted.push_back(each);
    }
    RC_ASSERT(relay.stored == wanted);
}
