#include "log/log_fixture.hpp"
#include <random>
#include <thread>

namespace consortium::log
{
namespace
{

using namespace testing;
using namespace std::chrono_literals;

constexpr auto long_enough = 60s;
constexpr std::size_t no_bound = std::size_t(-1);

class event_feed_test : public log_fixture
{
protected:
    std::unique_ptr<event_feed> follow(std::uint64_t after)
    {
        auto feed = log->follow({after});
        EXPECT_TRUE(feed) << feed.error().detail;
        return std::move(*feed);
    }
    /// The numbers of all up to this one; waits for it, since a feed learns of an event after who wrote it.
    static std::vector<std::uint64_t> take_to(event_feed& from, std::uint64_t last, std::size_t at_once = 1000)
    {
        std::vector<std::uint64_t> out;
        while (from.position().value < last)
        {
            const auto some = from.take(at_once, no_bound, long_enough);
            EXPECT_TRUE(some) << some.error().detail;
            if (!some || some->empty())
                return out;
            EXPECT_LE(some->size(), at_once);
            for (const auto& happened : *some)
                out.push_back(happened->number.value);
        }
        return out;
    }
    static std::vector<std::uint64_t> numbers(std::uint64_t first, std::uint64_t last)
    {
        std::vector<std::uint64_t> out;
        for (; first <= last; ++first)
            out.push_back(first);
        return out;
    }
};

TEST_F(event_feed_test, a_feed_begins_anywhere_and_goes_on_live)
{
    open();
    make_session();
    fill_up_to(30, 7);
    const auto from_the_first = follow(0);
    const auto from_the_middle = follow(17);
    const auto from_the_end = follow(30);
    EXPECT_EQ(take_to(*from_the_first, 30, 4), numbers(1, 30));
    EXPECT_EQ(take_to(*from_the_middle, 30), numbers(18, 30));
    EXPECT_TRUE(from_the_end->take(1, no_bound, 0ms).value().empty());
    fill_up_to(40, 3);
    for (const auto* feed : {&from_the_first, &from_the_middle, &from_the_end})
    {
        EXPECT_EQ(take_to(**feed, 40), numbers(31, 40));
        EXPECT_EQ((*feed)->position().value, 40u);
    }
}

TEST_F(event_feed_test, what_it_gives_is_what_the_log_holds)
{
    open();
    make_session();
    auto live = follow(2);
    ASSERT_TRUE(run(say(ann, talk, {"one", "two"}, "local")));
    const auto from_memory = live->take(10, no_bound, long_enough).value();
    live.reset();
    reopen();
    const auto from_disk = follow(2)->take(10, no_bound, long_enough).value();
    ASSERT_EQ(from_memory.size(), 2u);
    ASSERT_EQ(from_disk.size(), 2u);
    for (std::size_t i = 0; i < 2; ++i)
    {
        EXPECT_EQ(*from_memory[i], *from_disk[i]);
        EXPECT_EQ(*from_memory[i], log->read()->read(from_memory[i]->number).value());
    }
}

TEST_F(event_feed_test, a_part_ends_after_the_event_that_reaches_the_bytes)
{
    open();
    make_session();
    const auto live = follow(2);
    ASSERT_TRUE(run(say(ann, talk, std::vector<std::string>(8, std::string(1000, '-')))));
    const auto from_disk = follow(2);
    for (auto* feed : {live.get(), from_disk.get()})
    {
        EXPECT_EQ(feed->take(100, 1, long_enough).value().size(), 1u);
        EXPECT_EQ(feed->take(100, 1500, long_enough).value().size(), 2u);
        EXPECT_EQ(feed->take(3, no_bound, long_enough).value().size(), 3u);
        EXPECT_EQ(feed->take(100, no_bound, long_enough).value().size(), 2u);
    }
}

TEST_F(event_feed_test, above_the_head_there_is_nothing_to_follow)
{
    open();
    make_session();
    EXPECT_EQ(log->follow({3}).error(), errc::not_found);
}

TEST_F(event_feed_test, a_feed_that_waits_is_woken_once)
{
    open();
    make_session();
    const auto feed = follow(2);
    {
        std::jthread waker([&] { feed->wake(); });
        EXPECT_TRUE(feed->take(1, 1, long_enough).value().empty());
    }
    // The next one waits again, for an event.
    std::jthread writer([&] { run(say(ann, talk, {"x"})); });
    EXPECT_EQ(feed->take(1, 1, long_enough).value().size(), 1u);
}

TEST_F(event_feed_test, a_closed_log_is_taken_to_its_end)
{
    open();
    make_session();
    const auto live = follow(2);
    const auto behind = follow(0);
    fill_up_to(20, 5);
    log->close();
    EXPECT_EQ(live->take(100, no_bound, 0ms).value().size(), 18u);
    EXPECT_EQ(live->take(100, no_bound, long_enough).error(), errc::closed);
    for (std::uint64_t taken = 0; taken < 20;)
        taken += behind->take(7, no_bound, 0ms).value().size();
    EXPECT_EQ(behind->take(100, no_bound, long_enough).error(), errc::closed);
}

TEST_F(event_feed_test, closing_ends_the_wait)
{
    open();
    make_session();
    const auto feed = follow(2);
    std::jthread closer([&] { log->close(); });
    EXPECT_EQ(feed->take(1, 1, long_enough).error(), errc::closed);
}

TEST_F(event_feed_test, what_was_deleted_comes_without_its_body)
{
    open();
    make_session();
    ASSERT_TRUE(run(say(ann, talk, {"gone soon"})));
    ASSERT_TRUE(run(delete_session(ann, talk)));
    const auto all = follow(0)->take(10, no_bound, long_enough).value();
    ASSERT_EQ(all.size(), 4u);
    EXPECT_FALSE(all[0]->shredded());
    EXPECT_TRUE(all[2]->shredded());
    EXPECT_EQ(all[2]->header.type, event_type::message_appended);
}

TEST_F(event_feed_test, nothing_is_kept_for_nobody_and_no_more_than_allowed)
{
    recent_events recent({0}, {.count_max = 4, .bytes_max = 100});
    const auto add = [&](std::uint64_t number, std::uint32_t bytes)
    {
        event happened{.number = {number}, .header = {}, .body = {}};
        happened.header.body_bytes = bytes;
        const std::array<outcome, 1> one{{{nullptr, std::vector{std::make_shared<const event>(std::move(happened))}}}};
        recent.add(one);
    };
    using state = recent_events::reader::state;
    std::vector<std::shared_ptr<const event>> taken;
    add(1, 10);
    recent_events::reader reader(recent);
    EXPECT_EQ(reader.take({0}, 10, no_bound, 0ms, taken), state::behind);
    for (std::uint64_t number = 2; number <= 6; ++number)
        add(number, 10);
    EXPECT_EQ(reader.take({1}, 10, no_bound, 0ms, taken), state::behind);
    EXPECT_EQ(reader.take({2}, 10, no_bound, 0ms, taken), state::taken);
    EXPECT_EQ(taken.size(), 4u);
    add(7, 95);
    EXPECT_EQ(reader.take({5}, 10, no_bound, 0ms, taken), state::behind);
    taken.clear();
    EXPECT_EQ(reader.take({6}, 10, no_bound, 0ms, taken), state::taken);
    EXPECT_EQ(taken.size(), 1u);
    add(8, 101); // alone larger than all that is kept
    EXPECT_EQ(reader.take({7}, 10, no_bound, 0ms, taken), state::behind);
}

// Goal: whatever is committed, whoever reads it from wherever and however slowly, each event comes once and in order.
// Method: writers, and readers that begin at random positions and take random amounts, some so slowly that what is kept
// in memory (next to nothing) runs away from them; the log closes under all of them.
TEST_F(event_feed_test, every_reader_gets_each_event_once_and_in_order)
{
    const auto seed = std::random_device()();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    below.recent = {.count_max = 1 + random() % 64, .bytes_max = 64 + random() % 8192};
    open();
    make_session();
    fill_up_to(random() % 200, 5);

    struct reader
    {
        std::uint64_t after;
        std::vector<std::uint64_t> got{};
        std::optional<errc> end{};
        std::jthread thread{};
    };
    std::vector<std::unique_ptr<reader>> readers;
    const auto start_reader = [&]
    {
        const auto head = log->read()->head().value;
        auto& one = *readers.emplace_back(std::make_unique<reader>(reader{.after = random() % (head + 1)}));
        one.thread = std::jthread(
            [&one, feed = follow(one.after), own = std::mt19937(random())]() mutable
            {
                const bool slow = own() % 3 == 0;
                for (;;)
                {
                    const auto some =
                        feed->take(1 + own() % 40, 1 + own() % 4000, std::chrono::milliseconds(own() % 5));
                    if (!some)
                    {
                        one.end = some.error().code;
                        return;
                    }
                    for (const auto& happened : *some)
                        one.got.push_back(happened->number.value);
                    if (!one.got.empty() && feed->position().value != one.got.back())
                        return;
                    if (slow)
                        std::this_thread::sleep_for(std::chrono::microseconds(own() % 2000));
                }
            });
    };
    for (int i = 0; i < 4; ++i)
        start_reader();
    {
        std::vector<std::jthread> writers;
        for (int i = 0; i < 3; ++i)
            writers.emplace_back(
                [&, own = std::mt19937(random())]() mutable
                {
                    for (int command = 0; command < 60; ++command)
                        EXPECT_TRUE(run(
                            say(ann, talk, std::vector<std::string>(1 + own() % 6, std::string(own() % 400, '-')))));
                });
        for (int i = 0; i < 4; ++i)
            start_reader();
    }
    const auto last = log->read()->head().value;
    log->close();
    for (const auto& one : readers)
    {
        one->thread.join();
        EXPECT_EQ(one->end, errc::closed);
        EXPECT_EQ(one->got, numbers(one->after + 1, last));
    }
    readers.clear();
}

} // namespace
} // namespace consortium::log
