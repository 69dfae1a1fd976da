#include "log/log_fixture.hpp"
#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <unistd.h>

namespace consortium::log
{
namespace
{

using namespace testing;
using namespace std::chrono_literals;

/// The witness' sync can be held, and made to fail.
class pipeline_test : public log_fixture
{
protected:
    pipeline_test()
    {
        // Its own write, now and then, is none of the batches.
        options.checkpoint_interval = 1h;
        below.fdatasync = [this](int file)
        {
            std::unique_lock lock(mutex_);
            ++syncs_;
            changed_.notify_all();
            changed_.wait(lock, [this] { return !held_; });
            if (!broken_)
                return ::fdatasync(file);
            errno = EIO;
            return -1;
        };
        below.reached = [this](crash_point point)
        {
            if (point != crash_point::after_wal_sync)
                return;
            const std::lock_guard lock(mutex_);
            ++stored_;
            changed_.notify_all();
        };
    }

    /// From now on. Forgets what was counted.
    void hold()
    {
        const std::lock_guard lock(mutex_);
        held_ = true;
        syncs_ = stored_ = 0;
    }
    void let_go(bool broken = false)
    {
        const std::lock_guard lock(mutex_);
        held_ = false;
        broken_ = broken;
        changed_.notify_all();
    }
    /// One message waits for the sync that is held, the next one is in the store as well.
    void store_two()
    {
        hold();
        first = start(say(ann, talk, {"a"}));
        await_sync();
        second = start(say(ann, talk, {"b"}));
        await_stored(2);
    }
    void await_stored(int batches)
    {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stored_ >= batches; });
    }
    void await_sync()
    {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return syncs_ > 0; });
    }
    int syncs()
    {
        const std::lock_guard lock(mutex_);
        return syncs_;
    }

    std::future<result<test_command::events>> first, second;

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool held_ = false;
    bool broken_ = false;
    int syncs_ = 0;
    int stored_ = 0;
};

bool answered(const std::future<result<test_command::events>>& outcome)
{
    return outcome.wait_for(0s) == std::future_status::ready;
}

TEST_F(pipeline_test, batches_are_written_while_the_witness_of_one_is_synced_and_are_confirmed_together)
{
    open();
    make_session();
    // A batch is in the store a moment before it waits for its sync: if it is let go within that it has one of its own.
    bool together = false;
    for (int attempt = 0; attempt < 100 && !together; ++attempt)
    {
        const auto before = log->read()->head().value;
        store_two();
        auto third = start(say(ann, talk, {"c"}));
        await_stored(3);
        // In the store, but not acknowledged and not shown.
        EXPECT_FALSE(answered(first) || answered(second) || answered(third));
        EXPECT_EQ(log->read()->head().value, before);
        EXPECT_EQ(syncs(), 1);

        let_go();
        EXPECT_EQ(first.get()->front()->number.value, before + 1);
        EXPECT_EQ(second.get()->front()->number.value, before + 2);
        EXPECT_EQ(third.get()->front()->number.value, before + 3);
        EXPECT_EQ(log->read()->head().value, before + 3);
        together = syncs() == 2;
    }
    EXPECT_TRUE(together);
    EXPECT_TRUE(std::ranges::is_sorted(sink->order()));
    log.reset();
}

TEST_F(pipeline_test, what_a_snapshot_shows_ends_with_its_head)
{
    open();
    make_session();
    store_two();
    sink->before_commit = [this](std::span<const outcome>)
    {
        // The first one's state is published while the second one has long been in the store.
        const auto at = log->read();
        const auto cell = at->get(table_cells, small_domain::cell_key(*at, ann, talk.as<stream_id>()));
        ASSERT_TRUE(cell);
        EXPECT_EQ(number_in(*cell, 1) + 2, at->head().value);
    };
    let_go();
    EXPECT_TRUE(first.get());
    EXPECT_TRUE(second.get());
    log.reset();
}

TEST_F(pipeline_test, a_witness_that_cannot_be_synced_refuses_all_that_was_written_after_it)
{
    open();
    make_session();
    store_two();
    // Comes to no record, but knows from rows that are not durable that there is nothing to do.
    auto nothing = start(say(ann, talk, {}));
    let_go(true);
    EXPECT_EQ(first.get().error(), errc::io);
    EXPECT_EQ(second.get().error(), errc::io);
    EXPECT_FALSE(nothing.get());
    sink->wait_until([](const test_sink& seen) { return !seen.failures().empty(); });
    EXPECT_EQ(sink->failures().size(), 1u);
    EXPECT_EQ(log->read()->head(), lsn{2});

    let_go();
    reopen();
    // Nobody was told of them, but they are whole.
    EXPECT_EQ(log->read()->head(), lsn{4});
    EXPECT_TRUE(run(say(ann, talk, {"c"})));
    log.reset();
}

} // namespace
} // namespace consortium::log
