#include "bare.hpp"
#include "consortium/projections/views.hpp"
#include "parts.hpp"
#include <csignal>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace consortium::bench
{
namespace
{

constexpr std::size_t small_payload = 64;
/// What a process writes before it is killed: several times what its WALs may hold, so that they are as full as ever.
constexpr std::uint64_t records_before_kill = 300'000;

class deaf_sink final : public log::commit_sink
{
public:
    void on_commit(std::span<const log::outcome>) override {}
    void on_pressure(bool) override {}
    void on_failure(const error&) override {}
};

/// Opens as the relay does, and closes in order.
double open_ours(const std::filesystem::path& directory)
{
    deaf_sink sink;
    const system_clock_source clock;
    std::unique_ptr<log::event_log> opened;
    const auto took = measure(
        [&]
        {
            opened =
                need(log::open_log(options_for(directory), projections::rules(), sink, clock), "cannot open the log");
        });
    opened->close();
    return 1000 * took.wall_s;
}

double open_bare(const std::filesystem::path& directory)
{
    std::unique_ptr<log::rocks_store> opened;
    const auto took = measure(
        [&]
        {
            opened = need(
                log::rocks_store::open(
                    directory / "db", log::store_access::read_write, projections::rules().tables(), nullptr),
                "cannot open the store");
        });
    return 1000 * took.wall_s;
}

/// Another process writes to the log and is killed in the middle.
void write_and_kill(const settings& wanted, const std::filesystem::path& directory, std::uint64_t records)
{
    int said[2];
    if (::pipe(said) != 0)
        throw std::runtime_error("no pipe");
    posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_adddup2(&files, said[1], STDOUT_FILENO);
    ::posix_spawn_file_actions_addclose(&files, said[0]);
    std::vector<std::string> words{wanted.self, "write-until-killed",    "--place",   directory.string(),
                                   "--records", std::to_string(records), "--payload", std::to_string(small_payload)};
    std::vector<char*> arguments;
    for (auto& word : words)
        arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_t child = -1;
    const auto failed = ::posix_spawn(&child, wanted.self.c_str(), &files, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&files);
    ::close(said[1]);
    char ready = 0;
    const bool heard = failed == 0 && ::read(said[0], &ready, 1) == 1;
    ::close(said[0]);
    if (failed == 0)
    {
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
    }
    if (!heard)
        throw std::runtime_error("the writing process ended early");
}

void measure_length(const settings& wanted, const std::filesystem::path& directory, std::uint64_t length, table& out)
{
    std::vector<double> clean, clean_bare, killed, killed_bare;
    for (int round = 0; round < wanted.rounds; ++round)
    {
        clean.push_back(open_ours(directory));
        clean_bare.push_back(open_bare(directory));
        open_ours(directory); // and stop in order again
    }
    const auto before_kill = std::min(length, records_before_kill);
    for (int round = 0; round < wanted.rounds; ++round)
    {
        write_and_kill(wanted, directory, before_kill);
        killed.push_back(open_ours(directory));
        write_and_kill(wanted, directory, before_kill);
        killed_bare.push_back(open_bare(directory));
        open_ours(directory);
    }
    out.row(
        {grouped(static_cast<double>(length)), decimal(median(clean), 0), decimal(quantile(clean, 1), 0),
         decimal(median(clean_bare), 0), decimal(median(killed), 0), decimal(quantile(killed, 1), 0),
         decimal(median(killed_bare), 0)});
}

} // namespace

void measure_opening(const settings& wanted)
{
    heading("Opening");
    std::filesystem::remove_all(wanted.place);
    const auto directory = wanted.place / "log";
    std::printf(
        "Milliseconds until the log takes commands; messages of %zu bytes (records of %zu), so that the longest log "
        "fits "
        "on a disk; warm page cache; %d times each. After SIGKILL: another process had written up to %s messages at "
        "full "
        "speed. Bare: RocksDB alone opens the same directory once, without the look at it first, the head, the "
        "witness.\n\n",
        small_payload, small_payload + record_extra_bytes(), wanted.rounds,
        grouped(static_cast<double>(records_before_kill)).c_str());
    std::vector<std::uint64_t> lengths{1000, 1'000'000};
    if (wanted.records > lengths.back())
        lengths.push_back(wanted.records);
    std::uint64_t there = 0;
    for (const auto length : lengths)
    {
        fill(directory, length - there, small_payload);
        there = length;
        table out({"records", "clean stop", "slowest", "bare", "after SIGKILL", "slowest", "bare after SIGKILL"});
        measure_length(wanted, directory, length, out);
        std::printf("\n");
    }
}

void write_until_killed(const std::filesystem::path& directory, std::uint64_t records, std::size_t payload_bytes)
{
    workload writing(directory, 1, payload_bytes);
    bool told = false;
    writing.send(
        {.producers = 1, .outstanding = 1024},
        [&](std::uint64_t submitted)
        {
            if (submitted >= records && !told)
            {
                told = true;
                if (::write(STDOUT_FILENO, "!", 1) != 1)
                    return true;
            }
            return false;
        });
}

} // namespace consortium::bench
