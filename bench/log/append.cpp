#include "bare.hpp"
#include "parts.hpp"
#include <algorithm>

namespace consortium::bench
{
namespace
{

struct variant
{
    bare_store store;
    rounds seen;
};

void run_bare(variant& bare, std::size_t per_batch, double seconds)
{
    const auto before = bare.store.records();
    const auto took = measure(
        [&]
        {
            const auto end =
                steady::now() + std::chrono::duration_cast<steady::duration>(std::chrono::duration<double>(seconds));
            while (steady::now() < end)
                bare.store.write(per_batch);
        });
    bare.seen.add(static_cast<double>(bare.store.records() - before), took);
}

void measure_line(const settings& wanted, std::size_t batch, std::size_t producers, table& out)
{
    workload ours(wanted.place / "log", producers, wanted.payload_bytes, batch);
    const auto bare = [&](const char* name, bool view_rows, bool witness)
    {
        return variant{
            .store = bare_store(
                wanted.place / name, {.payload_bytes = wanted.payload_bytes,
                                      .view_rows = view_rows,
                                      .witness = witness,
                                      .sessions = producers}),
            .seen = {}};
    };
    auto records_only = bare("bare-records", false, false);
    auto same_bytes = bare("bare", true, false);
    auto two_syncs = bare("bare-witness", true, true);

    rounds seen;
    std::vector<double> ack_ms;
    std::vector<double> per_batch;
    // One batch is built, one is written, one is confirmed, and the next ones are on their way.
    const pace how{.producers = producers, .outstanding = std::max(producers, batch == 1 ? std::size_t{1} : 4 * batch)};
    for (int round = 0; round < wanted.rounds; ++round)
    {
        auto sent = ours.send_for(how, wanted.round_s);
        seen.add(sent.records, sent.took);
        per_batch.push_back(sent.per_batch());
        ack_ms.insert(ack_ms.end(), sent.ack_ms.begin(), sent.ack_ms.end());
        if (wanted.alone)
            continue;
        const auto same = static_cast<std::size_t>(std::max(1.0, sent.per_batch() + 0.5));
        run_bare(records_only, same, wanted.round_s);
        run_bare(same_bytes, same, wanted.round_s);
        run_bare(two_syncs, same, wanted.round_s);
    }
    out.row(
        {std::to_string(producers), std::to_string(how.outstanding), decimal(median(per_batch), 1),
         grouped(seen.rate()), decimal(seen.cpu_us(), 1), decimal(quantile(ack_ms, 0.5), 2),
         decimal(quantile(ack_ms, 0.99), 2), grouped(records_only.seen.rate()), grouped(same_bytes.seen.rate()),
         grouped(two_syncs.seen.rate()), decimal(same_bytes.seen.cpu_us(), 1),
         percent(seen.ratio_to(records_only.seen)), percent(seen.ratio_to(same_bytes.seen)),
         percent(seen.ratio_to(two_syncs.seen))});
}

} // namespace

void measure_append(const settings& wanted)
{
    heading("Append");
    std::printf(
        "Messages of %zu bytes with a localId; records/s. Bare: RocksDB given random bytes in batches of the same "
        "number "
        "of records, synced: *records* alone; with *rows* of the sizes that the views get; and with the *witness*' "
        "sync "
        "after each batch as well. CPU: microseconds of all threads for each record, producers included. Medians of %d "
        "rounds of %.1f s, each round next to its bare ones.\n\n",
        wanted.payload_bytes, wanted.rounds, wanted.round_s);
    table out(
        {"producers", "on the way", "records a batch", "log", "CPU", "ack p50 ms", "ack p99 ms", "bare records",
         "bare + rows", "bare + rows + witness", "its CPU", "of records", "of rows", "of rows + witness"});
    for (const auto batch : wanted.batches)
        for (const std::size_t producers : {1u, 4u, 16u})
        {
            std::filesystem::remove_all(wanted.place);
            std::filesystem::create_directories(wanted.place);
            measure_line(wanted, batch, producers, out);
        }
}

} // namespace consortium::bench
