#include "files.hpp"
#include "log/child_program.hpp"
#include "log/small_domain.hpp"
#include "open_log.hpp"
#include "root_key.hpp"
#include <algorithm>
#include <csignal>
#include <fstream>
#include <gtest/gtest.h>
#include <thread>
#include <unistd.h>

namespace consortium::log
{
namespace
{

namespace fs = std::filesystem;
using namespace testing;

constexpr std::uint64_t records = 12; // an account, a session, 10 messages
constexpr std::size_t slot_size = 256;
const std::string first_secret(test_secret);

constexpr crash_point steps[] = {crash_point::inside_new_slot,    crash_point::new_slot_written,
                                 crash_point::new_secret_written, crash_point::secret_replaced,
                                 crash_point::inside_old_slot,    crash_point::old_slot_cleared};

class rekey_test : public ::testing::Test
{
protected:
    void SetUp() override
    {
        make_log();
        std::ofstream(file_) << first_secret << "\n";
        fs::permissions(file_, fs::perms::owner_read | fs::perms::owner_write);
    }
    void make_log()
    {
        auto log = open_log(options_for(data_), rules_, sink_, clock_).value();
        const auto run = [&](std::shared_ptr<test_command> wanted)
        {
            auto outcome = wanted->outcome();
            EXPECT_TRUE(log->submit(wanted));
            EXPECT_TRUE(outcome.get());
        };
        run(create_account(account_of(1)));
        run(create_session(account_of(1), session_of(1)));
        for (std::uint64_t i = 2; i < records; ++i)
            run(say(account_of(1), session_of(1), {"message " + std::to_string(i)}));
        log->close();
    }
    std::string in_file() const
    {
        const auto content = read_file(file_, 4096).value();
        return std::string(text(content).substr(0, content.size() - 1));
    }
    errc error_with(const std::string& secret) const
    {
        const auto opened = open_root_key(data_ / "root.key", secret);
        return opened ? errc{} : opened.error().code;
    }
    std::size_t filled_slots() const
    {
        const auto content = read_file(data_ / "root.key", 4096).value();
        std::size_t out = 0;
        for (std::size_t at = 0; at < content.size(); at += slot_size)
            out += std::ranges::any_of(byte_view(content).subspan(at, slot_size), [](auto byte) { return byte != 0; });
        return out;
    }
    /// Every record is there and sound.
    void expect_sound(const std::string& secret)
    {
        auto options = options_for(data_);
        options.master_secret = secret;
        const auto reader = open_log_reader(options, rules_);
        ASSERT_TRUE(reader) << reader.error().detail;
        const auto report = (*reader)->verify(1).value();
        EXPECT_TRUE(report.findings.empty());
        EXPECT_EQ(report.records, records);
    }
    /// What kills the process that rotates, or 0.
    int killed_at(crash_point point, const std::string& from, const std::string& to, bool with_file = true)
    {
        return signal_that_ends(
            {CONSORTIUM_REKEY_CHILD, data_.string(), from, to, with_file ? file_.string() : "",
             std::to_string(static_cast<int>(point))});
    }

    temporary_directory place_;
    fs::path data_ = place_.path() / "data";
    fs::path file_ = place_.path() / "data.secret";
    small_domain rules_;
    test_sink sink_;
    manual_clock clock_{1'700'000'000'000};
};

TEST_F(rekey_test, the_new_secret_opens_everything_and_the_old_one_nothing)
{
    auto secret = first_secret;
    // Each slot is the live one in turn.
    for (int i = 0; i < 3; ++i)
    {
        const auto next = make_master_secret();
        const auto done = rekey(data_, secret, next, file_);
        ASSERT_TRUE(done) << done.error().detail;
        EXPECT_EQ(in_file(), next);
        EXPECT_EQ(error_with(secret), errc::wrong_secret);
        EXPECT_EQ(filled_slots(), 1u);
        expect_sound(next);
        secret = next;
    }
    using fs::perms;
    EXPECT_EQ(fs::status(file_).permissions(), perms::owner_read | perms::owner_write);
    EXPECT_EQ(std::distance(fs::directory_iterator(place_.path()), {}), 2) << "nothing else was left";
}

// Goal: a process killed at any step leaves a log that opens with what the secret's file says, and the next rotation
// leaves that one secret alone.
TEST_F(rekey_test, sigkill_at_each_step_leaves_a_log_that_its_file_opens)
{
    for (const auto step : steps)
    {
        const auto before = in_file();
        const auto wanted = make_master_secret();
        EXPECT_EQ(killed_at(step, before, wanted), SIGKILL);
        const auto now = in_file();
        EXPECT_EQ(now, step < crash_point::secret_replaced ? before : wanted);
        expect_sound(now);
        EXPECT_EQ(open_root_key(data_ / "root.key", now)->rotation_unfinished, step != crash_point::old_slot_cleared);

        const auto next = make_master_secret();
        ASSERT_TRUE(rekey(data_, now, next, file_));
        EXPECT_EQ(in_file(), next);
        EXPECT_EQ(filled_slots(), 1u);
        for (const auto& gone : {before, wanted})
            EXPECT_EQ(error_with(gone), errc::wrong_secret);
        expect_sound(next);
    }
}

// Without a file the secret is in the hands of whoever starts the relay: the same rotation can be asked for again.
TEST_F(rekey_test, sigkill_at_each_step_without_a_file_is_made_good_by_doing_it_again)
{
    auto secret = first_secret;
    for (const auto step : steps)
    {
        const auto next = make_master_secret();
        const bool reached = step != crash_point::new_secret_written && step != crash_point::secret_replaced;
        EXPECT_EQ(killed_at(step, secret, next, /*with_file=*/false), reached ? SIGKILL : 0);
        EXPECT_TRUE(error_with(secret) == errc{} || error_with(next) == errc{});
        const auto again = rekey(data_, secret, next, {});
        ASSERT_TRUE(again) << again.error().detail;
        EXPECT_EQ(error_with(secret), errc::wrong_secret);
        EXPECT_EQ(filled_slots(), 1u);
        expect_sound(next);
        secret = next;
    }
    EXPECT_EQ(in_file(), first_secret) << "a file that was not named is left alone";
}

TEST_F(rekey_test, a_disk_that_fails_leaves_a_log_that_its_file_opens)
{
    for (int failing = 1; failing <= 6; ++failing)
    {
        const auto before = in_file();
        int calls = 0;
        seams below;
        below.pwrite = [&](int fd, const void* data, std::size_t size, off_t at) -> ssize_t
        {
            if (++calls != failing)
                return ::pwrite(fd, data, size, at);
            errno = EIO;
            return -1;
        };
        below.fdatasync = [&](int fd)
        {
            if (++calls != failing)
                return ::fdatasync(fd);
            errno = EIO;
            return -1;
        };
        const auto done = rekey_over(data_, before, make_master_secret(), file_, below);
        ASSERT_FALSE(done);
        EXPECT_EQ(done.error(), errc::io);
        expect_sound(in_file());
        EXPECT_EQ(in_file() == before, failing <= 3) << failing;
    }
    ASSERT_TRUE(rekey(data_, in_file(), make_master_secret(), file_));
    EXPECT_EQ(filled_slots(), 1u);
}

TEST_F(rekey_test, refusals_change_nothing)
{
    const auto next = make_master_secret();
    const auto before = read_file(data_ / "root.key", 4096).value();
    EXPECT_EQ(rekey(data_, next, make_master_secret(), file_).error(), errc::wrong_secret);
    EXPECT_EQ(rekey(data_, first_secret, "too short", file_).error(), errc::bad_request);
    EXPECT_EQ(rekey(data_, first_secret, first_secret + "\n", file_).error(), errc::bad_request);
    const auto other = place_.path() / "precious";
    std::ofstream(other) << "not the secret, and dear to somebody";
    EXPECT_EQ(rekey(data_, first_secret, next, other).error(), errc::wrong_secret);
    EXPECT_EQ(rekey(data_, first_secret, next, place_.path() / "missing").error(), errc::not_found);
    EXPECT_EQ(read_file(data_ / "root.key", 4096).value(), before);
    EXPECT_EQ(in_file(), first_secret);
}

TEST_F(rekey_test, a_link_to_the_secret_stays_a_link)
{
    const auto link = place_.path() / "link";
    fs::create_symlink(file_, link);
    const auto next = make_master_secret();
    ASSERT_TRUE(rekey(data_, first_secret, next, link));
    EXPECT_TRUE(fs::is_symlink(link));
    EXPECT_EQ(in_file(), next);
}

// Goal: the rotation disturbs neither writers nor the keys that tokens and checkpoints are signed with.
TEST_F(rekey_test, runs_beside_a_log_that_is_written_to)
{
    std::optional<key256> token_seed;
    std::optional<key256> checkpoint_seed;
    std::string secret;
    std::uint64_t head = 0;
    {
        auto log = open_log(options_for(data_), rules_, sink_, clock_).value();
        token_seed = log->keys().token_seed;
        checkpoint_seed = log->keys().checkpoint_seed;
        EXPECT_EQ(rekey(data_, first_secret, make_master_secret(), file_).error(), errc::locked);

        // Of two at once the second finds that its old secret is no longer one.
        std::atomic<int> done = 0;
        const auto rotate = [&]
        {
            const auto next = make_master_secret();
            const auto outcome = log->rekey(first_secret, next, file_);
            done += outcome ? 1 : 0;
            EXPECT_TRUE(outcome || outcome.error() == errc::wrong_secret) << outcome.error().detail;
        };
        std::thread one(rotate);
        std::thread other(rotate);
        for (int i = 0; i < 50; ++i)
        {
            auto wanted = say(account_of(1), session_of(1), {"beside " + std::to_string(i)});
            auto outcome = wanted->outcome();
            ASSERT_TRUE(log->submit(wanted));
            EXPECT_TRUE(outcome.get());
        }
        one.join();
        other.join();
        EXPECT_EQ(done, 1);
        head = log->read()->head().value;
        log->close();
    }
    EXPECT_EQ(head, records + 50);
    secret = in_file();
    EXPECT_EQ(error_with(first_secret), errc::wrong_secret);
    EXPECT_EQ(filled_slots(), 1u);
    auto options = options_for(data_);
    options.master_secret = secret;
    auto log = open_log(options, rules_, sink_, clock_).value();
    EXPECT_EQ(log->read()->head().value, head);
    EXPECT_EQ(log->keys().token_seed, *token_seed);
    EXPECT_EQ(log->keys().checkpoint_seed, *checkpoint_seed);
    log->close();
}

} // namespace
} // namespace consortium::log
