#include "log/closed_store.hpp"
#include "log/small_domain.hpp"
#include "rocks_store.hpp"
#include <algorithm>
#include <fstream>
#include <gtest/gtest.h>
#include <map>

namespace consortium::log
{
namespace
{

using namespace testing;

class log_reader_test : public ::testing::Test
{
protected:
    void write(const std::function<void(const std::function<void(std::shared_ptr<test_command>)>&)>& commands)
    {
        test_sink sink;
        auto log = open_log(options, rules, sink, clock).value();
        commands(
            [&](std::shared_ptr<test_command> wanted)
            {
                auto outcome = wanted->outcome();
                ASSERT_TRUE(log->submit(wanted));
                const auto done = outcome.get();
                ASSERT_TRUE(done) << done.error().detail;
            });
    }
    void write_history()
    {
        write(
            [&](const auto& run)
            {
                run(create_account(ann));
                run(create_account(bob));
                for (std::uint8_t i = 0; i < 4; ++i)
                {
                    run(create_session(i % 2 == 0 ? ann : bob, session_of(i)));
                    for (int message = 0; message < 30; ++message)
                        run(say(i % 2 == 0 ? ann : bob, session_of(i), {std::string(100, 'A'), "text"}));
                }
                run(delete_session(ann, session_of(0)));
                run(delete_session(bob, session_of(3)));
            });
    }
    std::unique_ptr<log_reader> reader() { return open_log_reader(options, rules).value(); }

    static std::string stored(rocks_store& store, std::uint64_t number)
    {
        std::string value;
        EXPECT_TRUE(store.db().Get({}, store.log(), slice(big_endian(number)), &value).ok());
        return value;
    }

    temporary_directory place;
    log_options options = options_for(place.path() / "data");
    small_domain rules;
    manual_clock clock{1'700'000'000'000};
    const account_id ann = account_of(1);
    const account_id bob = account_of(2);
};

TEST_F(log_reader_test, verifies_a_sound_log_with_deletions)
{
    write_history();
    for (const std::size_t threads : {1u, 2u, 5u})
    {
        const auto report = reader()->verify(threads).value();
        EXPECT_EQ(report.records, 2u + 4u * 61u + 2u);
        EXPECT_EQ(report.shredded, 2u * 61u);
        EXPECT_EQ(report.witness.value, report.records);
        EXPECT_GT(report.bytes, report.records * 200);
        for (const auto& finding : report.findings)
            ADD_FAILURE() << finding.number.value << ": " << finding.what;
    }
}

TEST_F(log_reader_test, verifies_an_empty_log)
{
    write([](const auto&) {});
    const auto report = reader()->verify(2).value();
    EXPECT_EQ(report.records, 0u);
    EXPECT_TRUE(report.findings.empty());
}

TEST_F(log_reader_test, finds_an_altered_a_missing_and_a_moved_record)
{
    write_history();
    write_store(
        options.directory, rules,
        [](rocks_store& store, rocksdb::WriteBatch& batch)
        {
            auto altered = stored(store, 70);
            altered[altered.size() - 20] ^= 1;
            batch.Put(store.log(), slice(big_endian(std::uint64_t{70})), altered);
            batch.Delete(store.log(), slice(big_endian(std::uint64_t{80})));
            batch.Put(store.log(), slice(big_endian(std::uint64_t{90})), stored(store, 91));
        });
    const auto report = reader()->verify(2).value();
    std::vector<std::uint64_t> where;
    for (const auto& finding : report.findings)
        where.push_back(finding.number.value);
    for (const std::uint64_t number : {70u, 80u, 90u})
        EXPECT_NE(std::ranges::find(where, number), where.end()) << number;
    EXPECT_NE(std::ranges::find(where, 0u), where.end()) << "the tree must not be believed";
    EXPECT_EQ(reader()->read()->read(lsn{70}).error(), errc::corrupt);
    EXPECT_EQ(reader()->read()->read(lsn{80}).error(), errc::corrupt);
    EXPECT_EQ(reader()->read()->read(lsn{60}, 50).error(), errc::corrupt);
}

TEST_F(log_reader_test, a_key_that_vanished_without_a_deletion_is_damage)
{
    write_history();
    write_store(
        options.directory, rules,
        [](rocks_store& store, rocksdb::WriteBatch& batch)
        {
            const auto key = "d" + stored(store, 70).substr(1, 16);
            batch.Delete(store.keys(), key);
        });
    EXPECT_EQ(reader()->read()->read(lsn{70}).error(), errc::corrupt);
    EXPECT_FALSE(reader()->verify(1)->findings.empty());
}

TEST_F(log_reader_test, a_key_that_pretends_to_be_deleted_is_found)
{
    write_history();
    write_store(
        options.directory, rules,
        [](rocks_store& store, rocksdb::WriteBatch& batch)
        {
            const auto key = "d" + stored(store, 70).substr(1, 16);
            batch.Put(store.keys(), key, std::string("\x02\0\0\0\0\0\0\0\x50", 9));
        });
    EXPECT_TRUE(reader()->read()->read(lsn{70})->shredded());
    const auto report = reader()->verify(1).value();
    ASSERT_EQ(report.findings.size(), 1u);
    EXPECT_NE(report.findings[0].what.find("deleted nothing"), std::string::npos);
}

// Goal: reading changes no byte of the directory, so that it can be done to evidence.
TEST_F(log_reader_test, changes_nothing)
{
    write_history();
    const auto contents = [&]
    {
        std::map<std::string, std::string> out;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(options.directory))
            if (entry.is_regular_file())
            {
                std::ifstream file(entry.path(), std::ios::binary);
                out[entry.path().string()] = {std::istreambuf_iterator<char>(file), {}};
            }
        return out;
    };
    const auto before = contents();
    ASSERT_TRUE(reader()->verify(2)->findings.empty());
    EXPECT_EQ(contents(), before);
}

TEST_F(log_reader_test, a_log_in_use_is_not_read)
{
    test_sink sink;
    const auto log = open_log(options, rules, sink, clock).value();
    EXPECT_EQ(open_log_reader(options, rules).error(), errc::locked);
}

// Goal: folding the log anew gives the rows that were made while it was written, deletions included, however the
// rebuild is cut into commits.
TEST_F(log_reader_test, rebuilt_views_equal_the_live_ones)
{
    write_history();
    const auto source = reader();
    const auto live = source->read();
    for (const std::size_t step : {1u, 7u, 1000u})
    {
        const auto scratch_path = place.path() / "scratch";
        {
            const auto scratch = open_scratch_views(scratch_path, *source, rules).value();
            for (lsn next{1}; next <= live->head();)
            {
                const auto events = live->read(next, step).value();
                for (const auto& happened : events)
                    rules.fold(happened, scratch->rows());
                scratch->commit();
                next.value += events.size();
            }
            for (table_id table = 0; table < rules.tables().size(); ++table)
                EXPECT_EQ(table_digest(scratch->rows(), table), table_digest(*live, table)) << rules.tables()[table];
        }
        EXPECT_FALSE(std::filesystem::exists(scratch_path));
    }
}

TEST_F(log_reader_test, scans_run_both_ways_within_their_prefix)
{
    write_history();
    const auto live = reader()->read();
    const auto prefix = small_domain::cell_key(*live, ann, session_of(2).as<stream_id>());
    std::vector<std::uint64_t> up;
    live->scan(
        table_messages, prefix, {},
        [&](byte_view key, byte_view)
        {
            up.push_back(number_in(key.subspan(prefix.size())));
            return up.size() < 5;
        });
    EXPECT_EQ(up, (std::vector<std::uint64_t>{1, 2, 3, 4, 5}));
    std::vector<std::uint64_t> down;
    live->scan_down(
        table_messages, prefix, {},
        [&](byte_view key, byte_view)
        {
            down.push_back(number_in(key.subspan(prefix.size())));
            return true;
        });
    ASSERT_EQ(down.size(), 60u);
    EXPECT_EQ(down.front(), 60u);
    EXPECT_EQ(down.back(), 1u);
    down.clear();
    live->scan_down(
        table_messages, prefix, joined({prefix, big_endian(std::uint64_t{10})}),
        [&](byte_view key, byte_view)
        {
            down.push_back(number_in(key.subspan(prefix.size())));
            return down.size() < 2;
        });
    EXPECT_EQ(down, (std::vector<std::uint64_t>{10, 9}));
}

} // namespace
} // namespace consortium::log
