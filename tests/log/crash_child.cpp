// A process that writes to a log until it is killed; for crash_test. Prints "lsn content" for every acknowledged
// message, in one write each, after it was acknowledged.
//
// crash_child DIRECTORY ROUND [POINT N]: kills itself when POINT (a crash_point's number, or "wal-sync") is reached
// for the N-th time.
#include "log/fault_file_system.hpp"
#include "log/small_domain.hpp"
#include "open_log.hpp"
#include <atomic>
#include <csignal>
#include <iostream>
#include <semaphore>
#include <unistd.h>

namespace
{

using namespace consortium;
using namespace consortium::log;
using namespace consortium::log::testing;

constexpr std::ptrdiff_t window = 64;

/// Tells the parent of what was acknowledged.
class reporting_sink final : public commit_sink
{
public:
    reporting_sink(int output, std::counting_semaphore<window>& room) : output_(output), room_(room) {}
    void on_commit(std::span<const outcome> batch) override
    {
        for (const auto& out : batch)
        {
            if (!out.committed)
                std::_Exit(3);
            for (const auto& happened : *out.committed)
                if (const auto* message = happened->as<message_appended>())
                {
                    const auto line = std::to_string(happened->number.value) + " " + message->content + "\n";
                    if (::write(output_, line.data(), line.size()) < 0)
                        std::_Exit(4);
                }
            room_.release();
        }
    }
    void on_pressure(bool) override {}
    void on_failure(const error&) override { std::_Exit(5); }

private:
    int output_;
    std::counting_semaphore<window>& room_;
};

} // namespace

int main(int argc, char** argv)
{
    if (argc != 3 && argc != 5)
        return 2;
    // Standard output belongs to the answers alone; what the log has to say goes to standard error.
    const int output = ::dup(STDOUT_FILENO);
    ::dup2(STDERR_FILENO, STDOUT_FILENO);
    const std::string round = argv[2];
    const std::string point = argc == 5 ? argv[3] : "";
    std::atomic<int> left = argc == 5 ? std::stoi(argv[4]) : 0;
    const auto die_at = [&](const std::string& reached)
    {
        if (reached == point && --left == 0)
            ::kill(::getpid(), SIGKILL);
    };

    fault_disk disk;
    disk.files->before = [&](const std::string& file, disk_operation operation)
    {
        if (is_wal(file) && operation == disk_operation::sync)
            die_at("wal-sync");
        return rocksdb::IOStatus::OK();
    };
    seams below;
    below.env = disk.env.get();
    below.reached = [&](crash_point reached) { die_at(std::to_string(static_cast<int>(reached))); };

    std::counting_semaphore<window> room(window);
    reporting_sink sink(output, room);
    const small_domain rules;
    const system_clock_source clock;
    auto options = options_for(argv[1]);
    options.checkpoint_interval = std::chrono::milliseconds(1); // a checkpoint behind nearly every batch
    auto opened = open_log_over(options, rules, sink, clock, below);
    if (!opened)
    {
        std::cerr << opened.error().detail << "\n";
        return 1;
    }
    auto& log = **opened;
    const auto ann = account_of(1);
    const auto talk = session_of(1);
    const auto submit = [&](std::shared_ptr<command> wanted)
    {
        room.acquire();
        if (!log.submit(std::move(wanted)))
            std::_Exit(6);
    };
    if (log.read()->head().value < 1)
        submit(create_account(ann));
    if (log.read()->head().value < 2)
        submit(create_session(ann, talk));
    for (std::uint64_t i = 0;; ++i)
        submit(say(ann, talk, {round + ":" + std::to_string(i)}));
}
