#include "log/small_domain.hpp"
#include "seams.hpp"
#include <csignal>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <set>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace consortium::log
{
namespace
{

using namespace testing;

/// Records that a process was told were acknowledged.
using acknowledged = std::map<std::uint64_t, std::string>;

/// Runs the writing process; kills it once it has acknowledged `kill_after` messages, or waits until it ends by itself.
class writer
{
public:
    writer(const std::filesystem::path& directory, int round, const std::vector<std::string>& more = {})
    {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0)
            throw std::runtime_error("pipe");
        std::vector<std::string> words{CONSORTIUM_CRASH_CHILD, directory.string(), std::to_string(round)};
        words.insert(words.end(), more.begin(), more.end());
        std::vector<char*> arguments;
        for (auto& word : words)
            arguments.push_back(word.data());
        arguments.push_back(nullptr);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        const auto failed = ::posix_spawn(&child_, arguments[0], &actions, nullptr, arguments.data(), environ);
        posix_spawn_file_actions_destroy(&actions);
        ::close(ends[1]);
        output_ = ends[0];
        if (failed != 0)
            throw std::runtime_error("spawn");
    }
    ~writer()
    {
        ::close(output_);
        if (child_ > 0)
        {
            ::kill(child_, SIGKILL);
            ::waitpid(child_, nullptr, 0);
        }
    }

    /// Adds what was acknowledged to `known`; returns the signal that ended the process, or 0.
    int run(acknowledged& known, std::size_t kill_after = SIZE_MAX)
    {
        std::string text;
        std::array<char, 65536> block;
        std::size_t lines = 0;
        bool killed = false;
        for (;;)
        {
            const auto size = ::read(output_, block.data(), block.size());
            if (size <= 0)
                break;
            text.append(block.data(), static_cast<std::size_t>(size));
            std::size_t start = 0;
            for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n', start))
            {
                const auto space = text.find(' ', start);
                known[std::stoull(text.substr(start, space - start))] = text.substr(space + 1, end - space - 1);
                start = end + 1;
                ++lines;
            }
            text.erase(0, start);
            if (!killed && lines >= kill_after)
            {
                ::kill(child_, SIGKILL);
                killed = true;
            }
        }
        int status = 0;
        ::waitpid(child_, &status, 0);
        child_ = -1;
        return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    }

private:
    pid_t child_ = -1;
    int output_ = -1;
};

class crash_test : public ::testing::Test
{
protected:
    /// Every acknowledged message is there, once, at its place; the log is contiguous and sound; the views say the
    /// same.
    void check(const acknowledged& known)
    {
        const auto reader = open_log_reader(options_for(directory), rules);
        ASSERT_TRUE(reader) << reader.error().detail;
        const auto report = (*reader)->verify(2).value();
        for (const auto& finding : report.findings)
            ADD_FAILURE() << finding.number.value << ": " << finding.what;
        const auto at = (*reader)->read();
        const auto all = at->read(lsn{1}, at->head().value).value();
        ASSERT_EQ(all.size(), at->head().value);
        std::set<std::string> contents;
        std::uint64_t messages = 0;
        for (const auto& happened : all)
            if (const auto* message = happened.as<message_appended>())
            {
                EXPECT_EQ(happened.header.seq, ++messages);
                EXPECT_TRUE(contents.insert(message->content).second) << message->content << " is there twice";
            }
        for (const auto& [number, content] : known)
        {
            ASSERT_LE(number, all.size()) << content << " was acknowledged and is lost";
            const auto* message = all[number - 1].as<message_appended>();
            ASSERT_NE(message, nullptr);
            EXPECT_EQ(message->content, content);
        }
    }

    temporary_directory place;
    std::filesystem::path directory = place.path() / "data";
    small_domain rules;
};

// Goal: whatever moment a process is killed at, the log opens with every acknowledged message, and goes on.
TEST_F(crash_test, sigkill_at_random_moments_loses_nothing_acknowledged)
{
    const auto seed = std::random_device{}();
    std::cout << "seed " << seed << "\n";
    std::mt19937 random(seed);
    acknowledged known;
    for (int round = 0; round < 12; ++round)
    {
        writer child(directory, round);
        const auto before = known.size();
        EXPECT_EQ(child.run(known, std::uniform_int_distribution<std::size_t>(1, 1500)(random)), SIGKILL);
        EXPECT_GT(known.size(), before);
        check(known);
    }
}

TEST_F(crash_test, sigkill_at_each_crash_point_loses_nothing_acknowledged)
{
    acknowledged known;
    int round = 0;
    for (const int times : {1, 2, 7})
        for (const auto& point :
             {std::to_string(static_cast<int>(crash_point::before_write)), std::string("wal-sync"),
              std::to_string(static_cast<int>(crash_point::after_wal_sync)),
              std::to_string(static_cast<int>(crash_point::inside_witness)),
              std::to_string(static_cast<int>(crash_point::after_witness_sync)),
              std::to_string(static_cast<int>(crash_point::checkpoint_stored))})
        {
            writer child(directory, ++round, {point, std::to_string(times)});
            EXPECT_EQ(child.run(known), SIGKILL) << point;
            if (std::filesystem::exists(directory / "relay.json"))
                check(known);
        }
    EXPECT_FALSE(known.empty());
}

// Goal: a process killed while it makes the log leaves something that the next start makes a log of.
TEST_F(crash_test, sigkill_while_the_log_is_made_is_survived)
{
    for (const auto point :
         {crash_point::creation_begun, crash_point::root_key_made, crash_point::database_made,
          crash_point::witness_made})
    {
        acknowledged none;
        writer child(directory, 0, {std::to_string(static_cast<int>(point)), "1"});
        EXPECT_EQ(child.run(none), SIGKILL);
        EXPECT_TRUE(none.empty());
    }
    acknowledged known;
    writer child(directory, 1);
    EXPECT_EQ(child.run(known, 10), SIGKILL);
    check(known);
}

} // namespace
} // namespace consortium::log
