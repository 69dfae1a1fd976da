#include "parts.hpp"
#include <algorithm>
#include <atomic>
#include <thread>

namespace consortium::bench
{
namespace
{

using namespace std::chrono_literals;

constexpr std::size_t taken_max = 512;
constexpr std::size_t taken_bytes_max = 1 << 20;

/// Readers of everything that is committed, each on a thread of its own.
class readers
{
public:
    /// `from_disk`: they begin anew with the first record whenever they have come to the end.
    readers(log::event_log& log, std::size_t count, bool from_disk)
    {
        for (std::size_t i = 0; i < count; ++i)
            threads_.emplace_back([this, &log, from_disk](const std::stop_token& stop) { read(log, from_disk, stop); });
    }
    std::uint64_t taken() const { return taken_; }

private:
    void read(log::event_log& log, bool from_disk, const std::stop_token& stop)
    {
        const auto start = from_disk ? lsn{} : log.read()->head();
        auto feed = log.follow(start).value();
        while (!stop.stop_requested())
        {
            const auto some = feed->take(taken_max, taken_bytes_max, 10ms);
            if (!some)
                return;
            taken_ += some->size();
            if (from_disk && some->empty())
                feed = log.follow(start).value();
        }
    }

    std::atomic<std::uint64_t> taken_ = 0;
    std::vector<std::jthread> threads_;
};

} // namespace

void measure_following(const settings& wanted)
{
    heading("Following");
    std::printf(
        "Messages of %zu bytes; one producer waits for each acknowledgement, and sixteen keep 2,048 on the way, while "
        "so "
        "many feeds take everything. *Live*: from memory; *from disk*: the whole log again and again. Medians of %d "
        "rounds of %.1f s, one of each kind after the other.\n\n",
        wanted.payload_bytes, wanted.rounds, wanted.round_s);
    std::filesystem::remove_all(wanted.place);
    std::filesystem::create_directories(wanted.place);
    workload ours(wanted.place / "log", 16, wanted.payload_bytes);

    struct line
    {
        const char* name;
        std::size_t feeds;
        bool from_disk;
        rounds flood{};
        std::vector<double> lone_ms{};
        std::vector<double> flood_ms{};
        double taken_per_s = 0;
    };
    std::vector<line> lines{
        {"none", 0, false},
        {"1 live", 1, false},
        {"4 live", 4, false},
        {"64 live", 64, false},
        {"1 from disk", 1, true}};
    for (int round = 0; round < wanted.rounds; ++round)
        for (auto& one : lines)
        {
            readers all(ours.log(), one.feeds, one.from_disk);
            const auto lone = ours.send_for({.producers = 1, .outstanding = 1}, wanted.round_s);
            one.lone_ms.insert(one.lone_ms.end(), lone.ack_ms.begin(), lone.ack_ms.end());
            const auto before = all.taken();
            const auto flood = ours.send_for({.producers = 16, .outstanding = 2048}, wanted.round_s);
            one.flood.add(flood.records, flood.took);
            one.flood_ms.insert(one.flood_ms.end(), flood.ack_ms.begin(), flood.ack_ms.end());
            one.taken_per_s += static_cast<double>(all.taken() - before) / flood.took.wall_s / wanted.rounds;
        }
    table out(
        {"feeds", "lone ack p50 ms", "p99 ms", "flood records/s", "CPU us", "ack p50 ms", "ack p99 ms",
         "taken events/s"});
    for (const auto& one : lines)
        out.row(
            {one.name, decimal(quantile(one.lone_ms, 0.5), 2), decimal(quantile(one.lone_ms, 0.99), 2),
             grouped(one.flood.rate()), decimal(one.flood.cpu_us(), 1), decimal(quantile(one.flood_ms, 0.5), 2),
             decimal(quantile(one.flood_ms, 0.99), 2), grouped(one.taken_per_s)});
}

} // namespace consortium::bench
