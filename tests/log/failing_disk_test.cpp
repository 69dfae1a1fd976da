#include "log/log_fixture.hpp"
#include "log/recovery_fixture.hpp"
#include "witness.hpp"

/// Disks that fail, are full or cannot be written to while a log is made, opened, flushed or written.
namespace consortium::log
{
namespace
{

using namespace testing;

class failing_disk_test : public recovery_test, public ::testing::WithParamInterface<const char*>
{
protected:
    static rocksdb::IOStatus failure()
    {
        const std::string_view what = GetParam();
        return what == "full"        ? rocksdb::IOStatus::NoSpace("No space left on device")
               : what == "read_only" ? rocksdb::IOStatus::IOError("Read-only file system")
                                     : rocksdb::IOStatus::IOError("Input/output error");
    }
    /// The disk fails from its `first` operation on that changes anything; tells how many there were.
    static std::shared_ptr<std::atomic<int>> fail_from(fault_disk& disk, int first)
    {
        auto count = std::make_shared<std::atomic<int>>(0);
        disk.files->before = [=](const std::string&, disk_operation)
        { return ++*count >= first ? failure() : rocksdb::IOStatus::OK(); };
        return count;
    }
    /// Whatever happened, the log opens on a sound disk with every acknowledged record.
    void expect_sound(const fs::path& directory)
    {
        open(directory);
        EXPECT_GE(log_->read()->head().value, acknowledged);
        EXPECT_TRUE(log_->read()->read(lsn{acknowledged}));
        log_.reset();
        const auto reader = open_log_reader(options_for(directory), rules_);
        ASSERT_TRUE(reader) << reader.error().detail;
        EXPECT_TRUE((*reader)->verify(1)->findings.empty());
    }
};

/// Steps between the operations that are tried: all of them would take a minute.
constexpr int stride = 3;

} // namespace

// Goal: a disk that fails anywhere while the log is opened costs nothing; it is opened, or the reason is told.
TEST_P(failing_disk_test, opening_on_it_loses_nothing)
{
    const auto image = crashed(crash_point::after_wal_sync);
    const auto copy = place_.path() / "copy";
    int failed = 0;
    for (int first = 1;; first += stride)
    {
        SCOPED_TRACE(first);
        fs::remove_all(copy);
        fs::copy(image, copy, fs::copy_options::recursive);
        int reached = 0;
        {
            fault_disk disk;
            const auto count = fail_from(disk, first);
            seams below;
            below.env = disk.env.get();
            test_sink sink;
            const auto opened = open_log_over(options_for(copy), rules_, sink, clock_, below);
            reached = *count;
            if (!opened)
            {
                ++failed;
                EXPECT_EQ(opened.error(), errc::io) << opened.error().detail;
                EXPECT_NE(opened.error().detail.find(copy.string()), std::string::npos) << opened.error().detail;
                EXPECT_EQ(opened.error().detail.find('\n'), std::string::npos) << opened.error().detail;
            }
        }
        expect_sound(copy);
        if (reached < first || HasFailure())
            break;
    }
    EXPECT_GT(failed, 3);
}

// Goal: a first start on such a disk makes no log, and the next one on a sound disk does.
TEST_P(failing_disk_test, a_log_that_could_not_be_made_is_made_later)
{
    const auto directory = place_.path() / "new";
    for (int first = 1;; first += 4 * stride)
    {
        SCOPED_TRACE(first);
        fs::remove_all(directory);
        int reached = 0;
        {
            fault_disk disk;
            const auto count = fail_from(disk, first);
            seams below;
            below.env = disk.env.get();
            test_sink sink;
            const auto opened = open_log_over(options_for(directory), rules_, sink, clock_, below);
            reached = *count;
            if (!opened)
                EXPECT_EQ(opened.error(), errc::io) << opened.error().detail;
        }
        test_sink sink;
        const auto opened = open_log(options_for(directory), rules_, sink, clock_);
        ASSERT_TRUE(opened) << opened.error().detail;
        EXPECT_EQ((*opened)->read()->head().value, 0u);
        if (reached < first)
            break;
    }
}

// Goal: when RocksDB cannot write its tables in the background, what was acknowledged stays, and the log either goes on
// or says once that it cannot.
TEST_P(failing_disk_test, a_failed_flush_loses_nothing)
{
    const auto directory = place_.path() / "data";
    for (const auto operation :
         {disk_operation::create, disk_operation::append, disk_operation::sync, disk_operation::sync_directory})
    {
        fs::remove_all(directory);
        fault_disk disk;
        std::atomic<bool> armed = false;
        disk.files->before = [&](const std::string& file, disk_operation now)
        { return armed && now == operation && !is_wal(file) ? failure() : rocksdb::IOStatus::OK(); };
        rocks_store* store = nullptr;
        seams below;
        below.env = disk.env.get();
        below.opened = [&](rocks_store& opened) { store = &opened; };
        std::uint64_t last = 0;
        {
            test_sink sink;
            const auto log = open_log_over(options_for(directory), rules_, sink, clock_, below).value();
            const auto run = [&](std::shared_ptr<test_command> wanted)
            {
                auto outcome = wanted->outcome();
                if (!log->submit(wanted))
                    return false;
                const auto done = outcome.get();
                if (done)
                    last = done->back()->number.value;
                return done.has_value();
            };
            ASSERT_TRUE(run(create_account(ann_)));
            ASSERT_TRUE(run(create_session(ann_, talk_)));
            ASSERT_TRUE(run(say(ann_, talk_, {"before"})));
            armed = true;
            EXPECT_FALSE(store->db().Flush({}, store->log()).ok());
            const bool goes_on = run(say(ann_, talk_, {"after"}));
            EXPECT_TRUE(log->read()->read(lsn{last}));
            armed = false;
            log->close();
            EXPECT_EQ(sink.failures().empty(), goes_on);
        }
        open(directory);
        EXPECT_GE(log_->read()->head().value, last);
        EXPECT_EQ(log_->read()->read(lsn{1}, 100)->size(), log_->read()->head().value);
        log_.reset();
    }
}

INSTANTIATE_TEST_SUITE_P(
    disks, failing_disk_test, ::testing::Values("broken", "full", "read_only"),
    [](const auto& info) { return std::string(info.param); });

// Goal: a start on a disk that is nearly full serves what there is, refuses to write before it begins, and writes again
// as soon as there is room.
TEST_F(recovery_test, a_start_on_a_nearly_full_disk_serves_what_there_is)
{
    const auto image = crashed(crash_point::before_write);
    std::atomic<std::uint64_t> space = 1000;
    seams below;
    below.free_bytes = [&](const fs::path&) { return space.load(); };
    auto options = options_for(image);
    options.disk_free_floor_bytes = 1001;
    test_sink sink;
    const auto log = open_log_over(options, rules_, sink, clock_, below).value();
    EXPECT_EQ(log->read()->read(lsn{1}, 1000)->size(), acknowledged);
    const auto try_to = [&]
    {
        auto wanted = say(ann_, talk_, {"x"});
        auto outcome = wanted->outcome();
        const auto taken = log->submit(wanted);
        return taken ? outcome.get() : result<test_command::events>(std::unexpected(taken.error()));
    };
    const auto refused = try_to();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), errc::unavailable);
    EXPECT_TRUE(refused.error().retry);
    EXPECT_EQ(refused.error().detail, "the relay's disk is nearly full: nothing is written until space is freed");
    EXPECT_EQ(log->read()->head().value, acknowledged);
    space = 1001;
    auto done = try_to();
    while (!done) // the disk is measured from time to time only
    {
        EXPECT_EQ(done.error(), errc::unavailable);
        std::this_thread::yield();
        done = try_to();
    }
    EXPECT_EQ(done->at(0)->number.value, acknowledged + 1);
    EXPECT_TRUE(sink.failures().empty());
}

/// A disk that is full for some and has room again later.
class no_room_test : public log_fixture
{
protected:
    no_room_test()
    {
        below.env = disk.env.get();
        below.opened = [this](rocks_store& opened) { store = &opened; };
    }
    ~no_room_test() override { log.reset(); }

    fault_disk disk;
    std::atomic<bool> full = false;
    rocks_store* store = nullptr;
};

// Goal: a compaction that found no room is made up for once there is some, and what is written meanwhile stays.
TEST_F(no_room_test, a_compaction_is_made_up_for)
{
    std::atomic<int> refused = 0;
    disk.files->before = [&](const std::string& file, disk_operation now)
    {
        std::array<char, 16> thread{};
        ::pthread_getname_np(::pthread_self(), thread.data(), thread.size());
        const bool compacting = std::string_view(thread.data()) == "rocksdb:low"; // flushes find room
        if (!full || !compacting || now != disk_operation::create || !file.ends_with(".sst"))
            return rocksdb::IOStatus::OK();
        ++refused;
        return rocksdb::IOStatus::NoSpace("injected");
    };
    const auto files_at_level_0 = [&]
    {
        std::string out;
        EXPECT_TRUE(store->db().GetProperty(store->meta(), "rocksdb.num-files-at-level0", &out));
        return std::stoi(out);
    };
    open();
    make_session();
    full = true;
    while (refused == 0)
    {
        ASSERT_TRUE(run(say(ann, talk, {"x"})));
        ASSERT_TRUE(store->db().Flush({}, store->meta()).ok());
    }
    ASSERT_TRUE(run(say(ann, talk, {"while there is no room"})));
    full = false;
    while (files_at_level_0() >= 4)
        std::this_thread::yield();
    ASSERT_TRUE(run(say(ann, talk, {"afterwards"})));
    log->close();
    EXPECT_TRUE(sink->failures().empty());
}

// Goal: what failed for want of room stays failed when there is some: RocksDB, which would go on by itself, takes
// nothing more either, and has nothing under way that closing must wait for.
TEST_F(no_room_test, a_log_that_failed_takes_nothing_more)
{
    disk.files->before = [&](const std::string&, disk_operation now)
    {
        return full && now == disk_operation::append ? rocksdb::IOStatus::NoSpace("injected") : rocksdb::IOStatus::OK();
    };
    open();
    full = true;
    EXPECT_EQ(run(create_account(ann)).error(), errc::io);
    full = false;
    for (int i = 0; i < 5000; ++i)
    {
        ASSERT_FALSE(store->db().Put({}, store->meta(), "later", "x").ok()) << "after " << i << " tries";
        std::this_thread::yield();
    }
    EXPECT_EQ(log->submit(create_account(ann)).error(), errc::closed);
    log->close();
    EXPECT_EQ(sink->failures().size(), 1u);
}

// Goal: a clock that was set back while the relay was down, even before the log began, refuses nothing; times never
// decrease.
TEST_F(recovery_test, a_clock_that_was_set_back_refuses_nothing)
{
    const auto image = crashed(crash_point::before_write);
    clock_.set(0);
    open(image);
    unix_millis before = log_->read()->read(lsn{acknowledged})->header.time;
    EXPECT_EQ(before, 1'700'000'000'000);
    for (const unix_millis now : {unix_millis{-5}, unix_millis{1}, unix_millis{1'700'000'000'001}, unix_millis{2}})
    {
        clock_.set(now);
        auto wanted = say(ann_, talk_, {"x"});
        auto outcome = wanted->outcome();
        ASSERT_TRUE(log_->submit(wanted));
        const auto time = outcome.get().value().at(0)->header.time;
        EXPECT_EQ(time, std::max(before, now));
        before = time;
    }
    log_.reset();
    EXPECT_TRUE(open_log_reader(options_for(image), rules_).value()->verify(1)->findings.empty());
}

// Goal: a witness that the system writes in pieces, or interrupts, is written to its end.
TEST_F(recovery_test, a_witness_written_in_pieces_is_whole)
{
    const auto directory = place_.path() / "data";
    seams below;
    int calls = 0;
    below.pwrite = [&](int file, const void* data, std::size_t size, off_t at) -> ssize_t
    {
        if (++calls % 3 == 0)
        {
            errno = EINTR;
            return -1;
        }
        return ::pwrite(file, data, std::min<std::size_t>(size, 1000), at);
    };
    {
        test_sink sink;
        const auto log = open_log_over(options_for(directory), rules_, sink, clock_, below).value();
        auto wanted = create_account(ann_);
        auto outcome = wanted->outcome();
        ASSERT_TRUE(log->submit(wanted));
        ASSERT_TRUE(outcome.get());
    }
    EXPECT_GT(calls, 8);
    const auto state = read_witness(directory / "witness");
    ASSERT_TRUE(state) << state.error().detail;
    EXPECT_EQ(state->head.value, 1u);
    for (std::uint64_t slot : {0u, 1u})
    {
        // Both slots are whole: with either alone there is a witness.
        const auto copy = place_.path() / "witness";
        fs::copy_file(directory / "witness", copy, fs::copy_options::overwrite_existing);
        flip(copy, slot * 4096 + 40);
        EXPECT_TRUE(read_witness(copy));
    }
}

// Goal: a witness that says nothing was written ends the log before anybody is told.
TEST_F(recovery_test, a_witness_that_takes_no_bytes_ends_the_log)
{
    const auto directory = place_.path() / "data";
    std::atomic<bool> armed = false;
    seams below;
    below.pwrite = [&](int file, const void* data, std::size_t size, off_t at) -> ssize_t
    { return armed ? 0 : ::pwrite(file, data, size, at); };
    test_sink sink;
    const auto log = open_log_over(options_for(directory), rules_, sink, clock_, below).value();
    armed = true;
    auto wanted = create_account(ann_);
    auto outcome = wanted->outcome();
    ASSERT_TRUE(log->submit(wanted));
    EXPECT_EQ(outcome.get().error(), errc::io);
    log->close();
    EXPECT_EQ(sink.failures().size(), 1u);
    EXPECT_TRUE(sink.order().empty());
}

} // namespace consortium::log
