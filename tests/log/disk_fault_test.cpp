#include "log/fault_file_system.hpp"
#include "log/small_domain.hpp"
#include "open_log.hpp"
#include <atomic>
#include <cerrno>
#include <gtest/gtest.h>
#include <unistd.h>

namespace consortium::log
{
namespace
{

using namespace testing;

struct fault
{
    const char* name;
    /// Arms the fault; it strikes while `armed`.
    void (*arm)(fault_disk&, seams&, std::atomic<bool>& armed);
};

rocksdb::IOStatus refuse(bool full)
{
    return full ? rocksdb::IOStatus::NoSpace("injected") : rocksdb::IOStatus::IOError("injected");
}
template <disk_operation Operation, bool Full>
void arm_wal(fault_disk& disk, seams&, std::atomic<bool>& armed)
{
    disk.files->before = [&armed](const std::string& file, disk_operation operation)
    { return armed && is_wal(file) && operation == Operation ? refuse(Full) : rocksdb::IOStatus::OK(); };
}
template <int Errno>
void arm_witness_write(fault_disk&, seams& below, std::atomic<bool>& armed)
{
    below.pwrite = [&armed](int file, const void* data, std::size_t size, off_t at) -> ssize_t
    {
        if (!armed)
            return ::pwrite(file, data, size, at);
        errno = Errno;
        return -1;
    };
}
template <int Errno>
void arm_witness_sync(fault_disk&, seams& below, std::atomic<bool>& armed)
{
    below.fdatasync = [&armed](int file)
    {
        if (!armed)
            return ::fdatasync(file);
        errno = Errno;
        return -1;
    };
}

class disk_fault_test : public ::testing::TestWithParam<fault>
{
};

// Goal: after a failed write or sync nothing is acknowledged, nothing more is taken, the owner is told once; on a
// healed disk everything acknowledged before is there.
TEST_P(disk_fault_test, costs_nothing_that_was_acknowledged)
{
    const temporary_directory place;
    const auto options = options_for(place.path() / "data");
    const small_domain rules;
    const manual_clock clock(1'700'000'000'000);
    const auto ann = account_of(1);
    const auto talk = session_of(1);
    std::vector<std::shared_ptr<const event>> acknowledged;
    {
        fault_disk disk;
        seams below;
        below.env = disk.env.get();
        std::atomic<bool> armed = false;
        GetParam().arm(disk, below, armed);
        test_sink sink;
        const auto log = open_log_over(options, rules, sink, clock, below).value();
        const auto start = [&](std::shared_ptr<test_command> wanted)
        {
            auto outcome = wanted->outcome();
            EXPECT_TRUE(log->submit(wanted));
            return outcome;
        };
        for (auto wanted : {create_account(ann), create_session(ann, talk), say(ann, talk, {"kept"})})
            for (auto& happened : start(wanted).get().value())
                acknowledged.push_back(happened);

        armed = true;
        EXPECT_EQ(start(say(ann, talk, {"lost"})).get().error(), errc::io);
        sink.wait_until([](const test_sink& now) { return !now.failures().empty(); });
        EXPECT_EQ(log->submit(say(ann, talk, {"refused"})).error(), errc::closed);
        EXPECT_EQ(log->read()->head().value, 3u) << "a snapshot shows what was never durable";
        log->close();
        EXPECT_EQ(sink.failures().size(), 1u);
        EXPECT_EQ(sink.order().size(), 3u);
        armed = false;
    }
    {
        test_sink sink;
        const auto log = open_log(options, rules, sink, clock);
        ASSERT_TRUE(log) << log.error().detail;
        for (const auto& happened : acknowledged)
            EXPECT_EQ((*log)->read()->read(happened->number).value(), *happened);
        auto more = say(ann, talk, {"goes on"});
        auto outcome = more->outcome();
        ASSERT_TRUE((*log)->submit(more));
        EXPECT_TRUE(outcome.get());
    }
    EXPECT_TRUE(open_log_reader(options, rules).value()->verify(1)->findings.empty());
}

// Goal: everything that waits when the disk fails is answered, whatever the depth of the queue.
TEST_P(disk_fault_test, answers_everybody_who_waits)
{
    const temporary_directory place;
    const small_domain rules;
    const manual_clock clock(1'700'000'000'000);
    const auto ann = account_of(1);
    fault_disk disk;
    seams below;
    below.env = disk.env.get();
    std::atomic<bool> armed = false;
    GetParam().arm(disk, below, armed);
    test_sink sink;
    const auto log = open_log_over(options_for(place.path() / "data"), rules, sink, clock, below).value();
    std::vector<std::future<result<test_command::events>>> waiting;
    const auto start = [&](std::shared_ptr<test_command> wanted)
    {
        auto outcome = wanted->outcome();
        if (log->submit(wanted))
            waiting.push_back(std::move(outcome));
    };
    start(create_account(ann));
    start(create_session(ann, session_of(1)));
    for (int i = 0; i < 1500; ++i)
    {
        if (i == 700)
            armed = true;
        start(say(ann, session_of(1), {"x"}));
    }
    std::size_t failed = 0;
    for (auto& one : waiting)
        failed += one.get() ? 0 : 1;
    EXPECT_GT(failed, 0u);
    log->close();
    EXPECT_EQ(sink.failures().size(), 1u);
}

INSTANTIATE_TEST_SUITE_P(
    faults, disk_fault_test,
    ::testing::Values(
        fault{"wal_write_EIO", arm_wal<disk_operation::append, false>},
        fault{"wal_write_ENOSPC", arm_wal<disk_operation::append, true>},
        fault{"wal_sync_EIO", arm_wal<disk_operation::sync, false>},
        fault{"wal_sync_ENOSPC", arm_wal<disk_operation::sync, true>},
        fault{"witness_write_EIO", arm_witness_write<EIO>}, fault{"witness_write_ENOSPC", arm_witness_write<ENOSPC>},
        fault{"witness_sync_EIO", arm_witness_sync<EIO>}, fault{"witness_sync_ENOSPC", arm_witness_sync<ENOSPC>}),
    [](const auto& info) { return std::string(info.param.name); });

} // namespace
} // namespace consortium::log
