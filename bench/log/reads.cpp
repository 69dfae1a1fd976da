#include "bare.hpp"
#include "consortium/projections/views.hpp"
#include "parts.hpp"
#include <rocksdb/db.h>
#include <thread>

namespace consortium::bench
{
namespace
{

constexpr std::size_t reads_per_round = 50'000;

template <class Read>
spent read_randomly(std::uint64_t records, std::size_t threads, Read read)
{
    return measure(
        [&]
        {
            std::vector<std::jthread> workers;
            for (std::size_t i = 0; i < threads; ++i)
                workers.emplace_back(
                    [&, i]
                    {
                        std::mt19937_64 random(i + 1);
                        for (std::size_t done = 0; done < reads_per_round / threads; ++done)
                            read(lsn{1 + random() % records});
                    });
        });
}

} // namespace

void measure_reads(const settings& wanted)
{
    heading("Point reads");
    const auto directory = filled_log(wanted);
    const auto source = need(log::open_log_reader(options_for(directory), projections::rules()), "cannot open the log");
    const auto live = source->read();
    const auto records = live->head().value;
    const auto store = need(
        log::rocks_store::open(directory / "db", log::store_access::read_only, projections::rules().tables(), nullptr),
        "cannot open the store");

    std::printf(
        "Records at random among %s, page cache warm, RocksDB's block cache (64 MiB) mostly not; medians of %d rounds "
        "of %s reads. Bare: RocksDB's Get. Open: authenticate, decode, and base64 as the client wrote it.\n\n",
        grouped(static_cast<double>(records)).c_str(), wanted.rounds, grouped(reads_per_round).c_str());
    table out({"threads", "reads/s", "CPU us a read", "bare reads/s", "its CPU", "of bare"});
    for (const std::size_t threads : {1u, 2u})
    {
        rounds ours, bare;
        for (int round = 0; round < wanted.rounds; ++round)
        {
            bare.add(
                reads_per_round, read_randomly(
                                     records, threads,
                                     [&](lsn number)
                                     {
                                         rocksdb::PinnableSlice value;
                                         const auto key = big_endian(number.value);
                                         if (!store->db().Get({}, store->log(), log::slice(key), &value).ok())
                                             std::abort();
                                     }));
            ours.add(
                reads_per_round, read_randomly(
                                     records, threads,
                                     [&](lsn number)
                                     {
                                         if (!live->read(number))
                                             std::abort();
                                     }));
        }
        out.row(
            {std::to_string(threads), grouped(ours.rate()), decimal(ours.cpu_us(), 2), grouped(bare.rate()),
             decimal(bare.cpu_us(), 2), percent(ours.ratio_to(bare))});
    }
}

} // namespace consortium::bench
