#include "log/log_fixture.hpp"
#include <algorithm>
#include <atomic>
#include <gtest/gtest.h>
#include <random>
#include <thread>
#include <unistd.h>

namespace consortium::log
{
namespace
{

using namespace testing;

class event_log_test : public log_fixture
{
protected:
    std::uint64_t cell_number(std::size_t index)
    {
        const auto at = log->read();
        return number_in(at->get(table_cells, small_domain::cell_key(*at, ann, talk.as<stream_id>())).value(), index);
    }

    const account_id bob = account_of(2);
};

TEST_F(event_log_test, what_was_appended_is_read_back_and_survives_reopening)
{
    open();
    make_session();
    const auto said = run(say(ann, talk, {"aGVsbG8=", "not base64!"}, "local"));
    ASSERT_TRUE(said);
    ASSERT_EQ(said->size(), 2u);
    EXPECT_EQ((*said)[1]->header.rev.value, 4u);
    EXPECT_EQ((*said)[1]->header.seq, 2u);

    const auto id = log->id();
    for (int i = 0; i < 2; ++i)
    {
        auto at = log->read();
        EXPECT_EQ(at->head(), lsn{4});
        EXPECT_EQ(at->read(lsn{4}).value(), *(*said)[1]);
        const auto all = at->read(lsn{1}, 100).value();
        ASSERT_EQ(all.size(), 4u);
        EXPECT_EQ(all[2], *(*said)[0]);
        EXPECT_EQ(cell_number(1), 2u);
        EXPECT_EQ(at->read(lsn{5}).error(), errc::not_found);
        EXPECT_TRUE(at->read(lsn{5}, 10)->empty());
        at.reset(); // it keeps the store open
        reopen();
        EXPECT_EQ(log->id(), id);
        EXPECT_EQ(log->opened().head, lsn{4});
        EXPECT_EQ(log->opened().kept_records, 0u);
    }
}

// Goal: order and contiguity under many writers; every acknowledged record is there once, at its place.
TEST_F(event_log_test, many_writers_get_contiguous_numbers_in_commit_order)
{
    open();
    make_session();
    constexpr int writers = 4;
    constexpr int each = 200;
    std::vector<std::thread> threads;
    std::array<std::vector<std::uint64_t>, writers> seqs;
    for (int writer = 0; writer < writers; ++writer)
        threads.emplace_back(
            [&, writer]
            {
                std::vector<std::future<result<test_command::events>>> waiting;
                for (int i = 0; i < each; ++i)
                    waiting.push_back(start(say(ann, talk, {std::to_string(writer) + "/" + std::to_string(i)})));
                for (auto& one : waiting)
                    seqs[static_cast<std::size_t>(writer)].push_back(one.get().value().at(0)->header.seq);
            });
    for (auto& thread : threads)
        thread.join();

    const auto order = sink->order();
    ASSERT_EQ(order.size(), 2u + writers * each);
    for (std::size_t i = 0; i < order.size(); ++i)
        EXPECT_EQ(order[i].value, i + 1);
    const auto all = log->read()->read(lsn{1}, 10'000).value();
    ASSERT_EQ(all.size(), order.size());
    for (std::size_t i = 2; i < all.size(); ++i)
    {
        EXPECT_EQ(all[i].header.seq, i - 1);
        EXPECT_EQ(all[i].header.rev.value, i + 1);
    }
    // What one thread submitted for one account keeps its order.
    for (const auto& own : seqs)
        EXPECT_TRUE(std::ranges::is_sorted(own));
    EXPECT_LT(sink->batch_sizes().size(), order.size()) << "nothing was ever committed together";
}

// Goal: at most one writer wins each version, and no update is lost.
TEST_F(event_log_test, optimistic_locking_has_one_winner_per_version)
{
    open();
    make_session();
    std::atomic<int> wins = 0;
    std::vector<std::thread> threads;
    for (unsigned writer = 0; writer < 4; ++writer)
        threads.emplace_back(
            [&, writer]
            {
                std::mt19937 random(writer);
                revision seen{2};
                for (int i = 0; i < 150; ++i)
                {
                    const auto written = run(write_cell(ann, talk, seen, std::to_string(random())));
                    if (written)
                    {
                        ++wins;
                        seen = written->at(0)->header.rev;
                    }
                    else
                    {
                        ASSERT_EQ(written.error(), errc::version_mismatch);
                        seen.value = std::stoull(written.error().detail);
                    }
                }
            });
    for (auto& thread : threads)
        thread.join();
    EXPECT_EQ(log->read()->head().value, 2u + static_cast<unsigned>(wins));
    EXPECT_EQ(cell_number(0), 2u + static_cast<unsigned>(wins));
}

// Goal: nobody is told of a record, and no snapshot shows it, before it and its witness are synced.
TEST_F(event_log_test, acknowledges_only_what_is_durable)
{
    open();
    make_session();
    log.reset();
    std::atomic<bool> synced = true;
    below.fdatasync = [&](int file)
    {
        const auto done = ::fdatasync(file);
        synced = true;
        return done;
    };
    below.reached = [&](crash_point point)
    {
        if (point != crash_point::before_write && point != crash_point::after_wal_sync)
            return;
        synced = false;
        if (log)
            EXPECT_EQ(log->read()->head().value, sink->order().empty() ? 2u : sink->order().back().value);
    };
    open();
    sink->before_commit = [&](std::span<const outcome>) { EXPECT_TRUE(synced); };
    for (int i = 0; i < 20; ++i)
        ASSERT_TRUE(run(say(ann, talk, {"x"})));
}

// Goal: a command sees what commands before it in the same, not yet durable batch wrote.
TEST_F(event_log_test, decisions_see_rows_of_batches_that_are_not_durable_yet)
{
    open();
    std::promise<void> release;
    auto gate = release.get_future().share();
    // The first command holds the deciding thread until all are queued: they form one batch.
    auto first = start(std::make_shared<test_command>(
        ann, 1,
        [gate](const view_reader&, unix_millis) -> result<decision>
        {
            gate.wait();
            return decision{};
        }));
    std::vector<std::future<result<test_command::events>>> waiting;
    waiting.push_back(start(create_account(ann)));
    waiting.push_back(start(create_session(ann, talk)));
    for (int i = 0; i < 10; ++i)
        waiting.push_back(start(say(ann, talk, {"one", "two"})));
    waiting.push_back(start(delete_session(ann, talk)));
    auto late = start(say(ann, talk, {"too late"}));
    release.set_value();
    EXPECT_TRUE(first.get()->empty());
    for (auto& one : waiting)
        ASSERT_TRUE(one.get());
    EXPECT_EQ(late.get().error(), errc::not_found);
    EXPECT_EQ(sink->batch_sizes().front(), 15u);
    EXPECT_EQ(log->read()->head().value, 23u);
    EXPECT_FALSE(log->read()->get(table_cells, small_domain::cell_key(*log->read(), ann, talk.as<stream_id>())));
    std::size_t rows = 0;
    log->read()->scan(table_messages, {}, {}, [&](byte_view, byte_view) { return ++rows, true; });
    EXPECT_EQ(rows, 0u);
}

TEST_F(event_log_test, a_destroyed_key_leaves_a_shredded_record_and_later_appends_are_refused)
{
    open();
    make_session();
    ASSERT_TRUE(run(say(ann, talk, {"secret"})));
    auto before = log->read();
    ASSERT_TRUE(before->read(lsn{3})->body);
    ASSERT_TRUE(run(delete_session(ann, talk)));
    for (int i = 0; i < 2; ++i)
    {
        const auto shredded = log->read()->read(lsn{3}).value();
        EXPECT_TRUE(shredded.shredded());
        EXPECT_EQ(shredded.header.seq, 1u);
        EXPECT_FALSE(log->read()->read(lsn{4})->shredded());
        EXPECT_EQ(run(say(ann, talk, {"x"})).error(), errc::not_found);
        // A domain that forgot the deletion is stopped by the missing key.
        EXPECT_EQ(
            run(std::make_shared<test_command>(
                    ann, 1,
                    [&](const view_reader&, unix_millis) -> result<decision>
                    {
                        return decision{
                            .account = ann,
                            .drafts = {draft{
                                .type = event_type::session_ended,
                                .stream = talk.as<stream_id>(),
                                .seq = 0,
                                .key = talk.as<key_id>(),
                                .creates_key = false,
                                .destroys = {},
                                .body = no_body{}}}};
                    }))
                .error(),
            errc::internal);
        if (i == 0)
        {
            // A snapshot from before still opens it, and does not bring the key back for others.
            EXPECT_TRUE(before->read(lsn{3})->body);
            EXPECT_TRUE(log->read()->read(lsn{3})->shredded());
            before.reset();
            reopen();
        }
    }
}

// Goal: one account's flood does not make another wait for the whole queue.
TEST_F(event_log_test, accounts_take_turns)
{
    open();
    make_session();
    ASSERT_TRUE(run(create_account(bob)));
    std::promise<void> release;
    auto gate = release.get_future().share();
    auto first = start(std::make_shared<test_command>(
        ann, 1,
        [gate](const view_reader&, unix_millis) -> result<decision>
        {
            gate.wait();
            return decision{};
        }));
    std::vector<std::future<result<test_command::events>>> flood;
    for (int i = 0; i < 1000; ++i)
        flood.push_back(start(say(ann, talk, {"flood"})));
    auto lone = start(create_session(bob, session_of(9)));
    release.set_value();
    const auto number = lone.get().value().at(0)->number;
    for (auto& one : flood)
        ASSERT_TRUE(one.get());
    EXPECT_LE(number.value, 3u + 70u);
}

TEST_F(event_log_test, a_full_queue_refuses_and_reports_pressure)
{
    options.queue_records_max = 64;
    open();
    std::promise<void> entered;
    std::promise<void> release;
    auto gate = release.get_future().share();
    auto first = start(std::make_shared<test_command>(
        ann, 1,
        [&entered, gate](const view_reader&, unix_millis) -> result<decision>
        {
            entered.set_value();
            gate.wait();
            return decision{};
        }));
    entered.get_future().wait(); // from here on nothing leaves the queue
    std::vector<std::future<result<test_command::events>>> waiting;
    std::optional<error> refused;
    for (int i = 0; i < 200 && !refused; ++i)
    {
        auto wanted = std::make_shared<test_command>(
            ann, 1, [](const view_reader&, unix_millis) -> result<decision> { return decision{}; });
        auto outcome = wanted->outcome();
        if (const auto taken = log->submit(wanted); !taken)
            refused = taken.error();
        else
            waiting.push_back(std::move(outcome));
    }
    ASSERT_TRUE(refused);
    EXPECT_EQ(*refused, errc::overloaded);
    EXPECT_TRUE(refused->retry);
    EXPECT_LE(waiting.size(), 64u);
    // Another account still gets in.
    waiting.push_back(start(std::make_shared<test_command>(
        bob, 1, [](const view_reader&, unix_millis) -> result<decision> { return decision{}; })));
    EXPECT_TRUE(sink->pressure().empty()) << "a flood of one account is no reason to hold back the others";
    for (std::uint8_t other = 11; other <= 13; ++other)
        for (int i = 0; i < 8; ++i)
            waiting.push_back(start(std::make_shared<test_command>(
                account_of(other), 1, [](const view_reader&, unix_millis) -> result<decision> { return decision{}; })));
    EXPECT_EQ(sink->pressure(), std::vector<bool>{true});
    release.set_value();
    for (auto& one : waiting)
        ASSERT_TRUE(one.get());
    sink->wait_until([](const test_sink& now) { return now.pressure().size() == 2; });
    EXPECT_EQ(sink->pressure(), (std::vector<bool>{true, false}));
}

TEST_F(event_log_test, a_nearly_full_disk_refuses_before_writing_and_recovers_by_itself)
{
    std::atomic<std::uint64_t> space = 1000;
    below.free_bytes = [&](const std::filesystem::path&) { return space.load(); };
    options.disk_free_floor_bytes = 500;
    open();
    make_session();
    space = 100;
    EXPECT_EQ(run(say(ann, talk, {"x"})).error(), errc::unavailable);
    EXPECT_EQ(log->read()->head().value, 2u);
    EXPECT_EQ(log->submit(say(ann, talk, {"x"})).error(), errc::unavailable);
    ASSERT_TRUE(log->read()->read(lsn{2}));
    space = 1000;
    while (!log->submit(create_account(bob)))
        std::this_thread::yield();
    ASSERT_TRUE(run(say(ann, talk, {"x"})));
    EXPECT_TRUE(sink->failures().empty());
    log.reset(); // it measures the disk once more
}

// Goal: who filled the disk does not keep others from deleting; the reserve has an end too.
TEST_F(event_log_test, below_the_floor_deletions_go_on_until_half_of_it)
{
    std::atomic<std::uint64_t> space = 1000;
    below.free_bytes = [&](const std::filesystem::path&) { return space.load(); };
    options.disk_free_floor_bytes = 500;
    open();
    make_session();
    space = 499;
    const auto refused = run(say(ann, talk, {"x"}));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), errc::unavailable);
    EXPECT_TRUE(refused.error().retry);
    EXPECT_FALSE(refused.error().detail.contains(options.directory.string())) << refused.error().detail;
    space = 250;
    ASSERT_TRUE(run(delete_session(ann, talk)));
    space = 249;
    EXPECT_EQ(run(delete_session(ann, talk)).error(), errc::unavailable);
    space = 1000;
    while (!log->submit(create_account(bob)))
        std::this_thread::yield();
    log.reset(); // it measures the disk once more
}

TEST_F(event_log_test, a_clock_that_steps_back_does_not_reorder_time)
{
    open();
    make_session();
    clock.set(1'700'000'005'000);
    ASSERT_TRUE(run(say(ann, talk, {"late"})));
    clock.set(1'600'000'000'000);
    EXPECT_EQ(run(say(ann, talk, {"early"})).value().at(0)->header.time, 1'700'000'005'000);
    reopen();
    EXPECT_EQ(run(say(ann, talk, {"early"})).value().at(0)->header.time, 1'700'000'005'000);
}

TEST_F(event_log_test, closing_completes_what_waits_and_refuses_what_comes)
{
    open();
    make_session();
    std::vector<std::future<result<test_command::events>>> waiting;
    for (int i = 0; i < 300; ++i)
        waiting.push_back(start(say(ann, talk, {"x"})));
    log->close();
    for (auto& one : waiting)
        EXPECT_TRUE(one.get());
    EXPECT_EQ(log->submit(say(ann, talk, {"x"})).error(), errc::closed);
    EXPECT_EQ(log->read()->head().value, 302u);
    log->close();
}

// Goal: after an orderly end the next start has little to read back.
TEST_F(event_log_test, closing_leaves_short_logs_to_replay)
{
    open();
    make_session();
    for (int i = 0; i < 3; ++i)
        ASSERT_TRUE(run(say(ann, talk, {std::string(limits::message_bytes_max - 1, '!')})));
    log.reset();
    std::uintmax_t size = 0;
    for (const auto& entry : std::filesystem::directory_iterator(options.directory / "db"))
        if (entry.path().extension() == ".log")
            size += entry.file_size();
    EXPECT_LT(size, 1u << 20);
    open();
    EXPECT_EQ(log->read()->head().value, 5u);
}

// Goal: a batch is bounded, a command is never split, and one larger than a batch goes alone.
TEST_F(event_log_test, batches_are_bounded_and_commands_are_not_split)
{
    open();
    make_session();
    std::promise<void> release;
    auto gate = release.get_future().share();
    auto first = start(std::make_shared<test_command>(
        ann, 1,
        [gate](const view_reader&, unix_millis) -> result<decision>
        {
            gate.wait();
            return decision{};
        }));
    std::vector<std::vector<std::size_t>> batches;
    sink->before_commit = [&](std::span<const outcome> batch)
    {
        std::vector<std::size_t> sizes;
        for (const auto& out : batch)
            if (out.committed && !out.committed->empty())
                sizes.push_back(out.committed->size());
        batches.push_back(sizes);
    };
    std::vector<std::future<result<test_command::events>>> waiting;
    for (const std::size_t count : {300u, 200u, 300u, 600u, 1u})
        waiting.push_back(start(say(ann, talk, std::vector<std::string>(count, "x"))));
    waiting.push_back(start(say(ann, talk, {std::string(2 << 20, 'x')})));
    waiting.push_back(start(say(ann, talk, {"x"})));
    release.set_value();
    for (auto& one : waiting)
        ASSERT_TRUE(one.get());
    log->close();
    const std::vector<std::vector<std::size_t>> expected{{300, 200}, {300}, {600}, {1}, {1}, {1}};
    EXPECT_EQ(batches, expected);
    EXPECT_EQ(log->read()->head().value, 2u + 1403u);
}

TEST_F(event_log_test, a_record_above_the_bound_is_refused)
{
    open();
    make_session();
    EXPECT_EQ(run(say(ann, talk, {std::string(limits::record_body_bytes_max, 'x')})).error(), errc::too_large);
    ASSERT_TRUE(run(say(ann, talk, {std::string(limits::message_bytes_max, 'A')})));
    EXPECT_EQ(log->read()->read(lsn{3})->as<message_appended>()->content.size(), limits::message_bytes_max);
}

TEST_F(event_log_test, another_secret_is_told_apart_from_damage)
{
    open();
    log.reset();
    options.master_secret = "another master secret, long enough too";
    EXPECT_EQ(open_log_over(options, rules, *sink, clock, below).error(), errc::wrong_secret);
    options.master_secret = "short";
    EXPECT_EQ(open_log_over(options, rules, *sink, clock, below).error(), errc::bad_request);
    options.master_secret = std::string(test_secret) + "\n";
    open();
}

TEST_F(event_log_test, one_directory_has_one_owner)
{
    open();
    EXPECT_EQ(open_log_over(options, rules, *sink, clock, below).error(), errc::locked);
}

// Goal: nobody opens a database that is still open: RocksDB would delete files under the second one's hands.
TEST_F(event_log_test, a_snapshot_that_outlives_the_log_keeps_the_directory_locked)
{
    open();
    make_session();
    auto kept = log->read();
    log.reset();
    test_sink another;
    EXPECT_EQ(open_log_over(options, rules, another, clock, below).error(), errc::locked);
    EXPECT_EQ(open_log_reader(options, rules).error(), errc::locked);
    EXPECT_TRUE(kept->read(lsn{1}));
    kept.reset();
    reopen();
    EXPECT_EQ(log->opened().head, lsn{2});
}

TEST_F(event_log_test, a_missing_log_is_made_only_when_asked)
{
    options.create = false;
    test_sink unused;
    EXPECT_EQ(open_log_over(options, rules, unused, clock, below).error(), errc::not_found);
    EXPECT_FALSE(std::filesystem::exists(options.directory));
    std::filesystem::create_directory(options.directory);
    EXPECT_EQ(open_log_over(options, rules, unused, clock, below).error(), errc::not_found);
    EXPECT_TRUE(std::filesystem::is_empty(options.directory));
}

} // namespace
} // namespace consortium::log
