#include "parts.hpp"
#include <thread>

namespace consortium::bench
{

void measure_fairness(const settings& wanted)
{
    heading("Fairness");
    std::printf(
        "One account floods and always has so many messages of %zu bytes waiting; another sends one at a time and "
        "waits "
        "for its acknowledgement. Batch: mean time from one commit to the next. %.0f s a line.\n\n",
        wanted.payload_bytes, wanted.round_s * wanted.rounds);
    table out(
        {"flood waiting", "flood records/s", "batch ms", "lone ack p50 ms", "p99 ms", "p50 in batches",
         "p99 in batches"});
    for (const std::size_t depth : {64u, 512u, 1024u, 2048u, 4000u})
    {
        std::filesystem::remove_all(wanted.place);
        std::filesystem::create_directories(wanted.place);
        workload both(wanted.place / "log", 2, wanted.payload_bytes);
        const auto end = steady::now() + std::chrono::duration_cast<steady::duration>(
                                             std::chrono::duration<double>(wanted.round_s * wanted.rounds));
        std::vector<double> lone_ms;
        written flood;
        {
            // Producer 0 writes for tenant 0; the lone writer is tenant 1.
            std::jthread flooding(
                [&]
                {
                    flood = both.send(
                        {.producers = 1, .outstanding = depth}, [&](std::uint64_t) { return steady::now() >= end; });
                });
            while (both.batches() < 20)
                std::this_thread::yield();
            while (steady::now() < end)
                lone_ms.push_back(both.send_one(both.of(1)));
        }
        const auto batch_ms = 1000 * flood.took.wall_s / flood.batches;
        const auto p50 = quantile(lone_ms, 0.5);
        const auto p99 = quantile(lone_ms, 0.99);
        out.row(
            {grouped(static_cast<double>(depth)), grouped(flood.records / flood.took.wall_s), decimal(batch_ms, 2),
             decimal(p50, 2), decimal(p99, 2), decimal(p50 / batch_ms, 1), decimal(p99 / batch_ms, 1)});
    }
}

} // namespace consortium::bench
