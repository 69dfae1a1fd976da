#include "log/key_traces.hpp"
#include "log/log_fixture.hpp"
#include <algorithm>
#include <semaphore>
#include <thread>

namespace consortium::log
{
namespace
{

using namespace testing;
using namespace std::chrono_literals;

class compaction_test : public log_fixture
{
protected:
    compaction_test()
    {
        options.compact_delay = 1h; // not by itself
        below.opened = [this](rocks_store& opened) { store = &opened; };
        below.reached = [this](crash_point point)
        {
            if (point == crash_point::keys_wiped)
                wiped.release();
        };
    }
    ~compaction_test() override { log.reset(); }

    /// Makes a session with messages and deletes it; returns its key as it lay in the key ring.
    std::string destroyed_key(bool in_table_files)
    {
        make_session();
        EXPECT_TRUE(run(say(ann, talk, {"one", "two"})));
        if (in_table_files)
            EXPECT_TRUE(store->db().Flush({}, store->keys()).ok());
        const auto before = wrapped_keys(*store);
        EXPECT_TRUE(run(delete_session(ann, talk)));
        const auto after = wrapped_keys(*store);
        std::vector<std::string> gone;
        std::set_difference(before.begin(), before.end(), after.begin(), after.end(), std::back_inserter(gone));
        EXPECT_EQ(gone.size(), 1u);
        return gone.empty() ? "" : gone.front();
    }
    using names = std::vector<std::string>;

    rocks_store* store = nullptr;
    std::counting_semaphore<> wiped{0};
};

// Goal: after compact() no file holds the bytes of a destroyed key, wherever they lay before.
TEST_F(compaction_test, a_destroyed_key_is_in_no_file_afterwards)
{
    open();
    const auto key = destroyed_key(/*in_table_files=*/false);
    EXPECT_FALSE(files_with(options.directory, key).empty());
    ASSERT_TRUE(log->compact());
    EXPECT_EQ(files_with(options.directory, key), names{});
    // What was not deleted stays.
    EXPECT_EQ(wrapped_keys(*store).size(), 1u);
    reopen();
    EXPECT_FALSE(log->read()->read(lsn{1})->shredded());
    EXPECT_TRUE(log->read()->read(lsn{3})->shredded());
}

TEST_F(compaction_test, a_key_in_table_files_is_wiped_too)
{
    open();
    const auto key = destroyed_key(/*in_table_files=*/true);
    EXPECT_GE(files_with(options.directory, key).size(), 2u); // the WAL and a table
    ASSERT_TRUE(log->compact());
    EXPECT_EQ(files_with(options.directory, key), names{});
    // Once more has nothing to do and does no harm.
    ASSERT_TRUE(log->compact());
}

TEST_F(compaction_test, it_happens_by_itself_after_the_delay)
{
    options.compact_delay = 0ms;
    open();
    const auto key = destroyed_key(/*in_table_files=*/true);
    wiped.acquire();
    EXPECT_EQ(files_with(options.directory, key), names{});
}

// Goal: a process that ends before the delay leaves the work to the next.
TEST_F(compaction_test, it_is_made_up_for_after_a_restart)
{
    open();
    const auto key = destroyed_key(/*in_table_files=*/true);
    log.reset();
    EXPECT_FALSE(files_with(options.directory, key).empty());
    options.compact_delay = 0ms;
    open();
    wiped.acquire();
    EXPECT_EQ(files_with(options.directory, key), names{});
    // It is noted: the next start has nothing to do.
    const auto up_to = [&]
    {
        std::string value;
        EXPECT_TRUE(store->db().Get({}, store->meta(), "compacted", &value).ok());
        return value;
    };
    EXPECT_EQ(up_to(), text(big_endian(std::uint64_t{5})));
    std::string destroyed;
    EXPECT_TRUE(store->db().Get({}, store->meta(), "destroyed", &destroyed).ok());
    EXPECT_EQ(destroyed, up_to());
}

// Goal: a reader of the moment before the deletion reads on; the key goes once it is done.
TEST_F(compaction_test, it_waits_for_readers_of_the_time_before)
{
    options.compact_delay = 0ms;
    open();
    make_session();
    ASSERT_TRUE(run(say(ann, talk, {"one"})));
    auto early = log->read();
    const auto before = wrapped_keys(*store);
    ASSERT_TRUE(run(delete_session(ann, talk)));
    EXPECT_FALSE(wiped.try_acquire());
    EXPECT_EQ(early->read(lsn{3})->as<message_appended>()->content, "one");
    early.reset();
    wiped.acquire();
    for (const auto& key : before)
        EXPECT_EQ(files_with(options.directory, key).empty(), !wrapped_keys(*store).contains(key));
}

// Goal: something else may be written right behind a deletion, as a checkpoint is. The wipe waits for no commit after
// it.
TEST_F(compaction_test, an_idle_log_is_wiped_too)
{
    below.reached = [this](crash_point point)
    {
        if (point == crash_point::after_witness_sync)
            EXPECT_TRUE(store->db().Put({}, store->meta(), "of the test", "").ok());
    };
    open();
    const auto key = destroyed_key(/*in_table_files=*/true);
    const auto wiped = log->compact();
    ASSERT_TRUE(wiped) << wiped.error().detail;
    EXPECT_EQ(files_with(options.directory, key), names{});
}

TEST_F(compaction_test, closing_does_not_wait_for_it)
{
    options.compact_delay = 0ms;
    open();
    make_session();
    const auto early = log->read();
    ASSERT_TRUE(run(delete_session(ann, talk)));
    log->close(); // while a reader keeps it waiting
    EXPECT_EQ(log->compact().error(), errc::closed);
}

TEST_F(compaction_test, writers_go_on_meanwhile)
{
    open();
    const auto key = destroyed_key(/*in_table_files=*/false);
    ASSERT_TRUE(run(create_session(ann, session_of(2))));
    result<void> done;
    std::thread compacting([&] { done = log->compact(); });
    for (int i = 0; i < 200; ++i)
        EXPECT_TRUE(run(say(ann, session_of(2), {"x"})));
    compacting.join();
    EXPECT_TRUE(done);
    EXPECT_EQ(files_with(options.directory, key), names{});
    log.reset();
    const auto report = open_log_reader(options, rules).value()->verify(2).value();
    EXPECT_TRUE(report.findings.empty());
    EXPECT_EQ(report.records, 206u);
}

} // namespace
} // namespace consortium::log
