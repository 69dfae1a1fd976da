#include "consortium/projections/rebuild.hpp"
#include "consortium/projections/views.hpp"
#include "parts.hpp"
#include "rocks_store.hpp"
#include <rocksdb/db.h>
#include <thread>

namespace consortium::bench
{
namespace
{

/// Reads every record and touches its bytes: what any replay must do at least.
std::uint64_t iterate(const log::rocks_store& store, std::uint64_t first, std::uint64_t last)
{
    rocksdb::ReadOptions options;
    options.readahead_size = 2 << 20;
    options.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> records(store.db().NewIterator(options, store.log()));
    std::uint64_t sum = 0;
    const auto from = big_endian(first);
    records->Seek(log::slice(from));
    for (auto number = first; number <= last && records->Valid(); ++number, records->Next())
        sum += log::view(records->value()).back();
    need(
        records->status().ok() ? result<void>() : fail(errc::io, records->status().ToString()),
        "cannot iterate over the log");
    return sum;
}

spent iterate_all(const log::rocks_store& store, std::uint64_t records, std::size_t threads)
{
    return measure(
        [&]
        {
            std::vector<std::jthread> workers;
            for (std::size_t i = 0; i < threads; ++i)
                workers.emplace_back([&, i]
                                     { iterate(store, 1 + i * records / threads, (i + 1) * records / threads); });
        });
}

void check_sound(const log::log_reader::report& report)
{
    if (!report.findings.empty())
        throw std::runtime_error("verify found: " + report.findings.front().what);
}

void print_row(table& out, const std::string& what, const rounds& seen, const rounds& bare)
{
    out.row(
        {what, grouped(seen.rate()), decimal(seen.cpu_us(), 2), decimal(1e6 / seen.rate(), 2),
         percent(seen.ratio_to(bare))});
}

} // namespace

void measure_replay(const settings& wanted)
{
    heading("Replay");
    const auto directory = filled_log(wanted);

    const auto source = need(log::open_log_reader(options_for(directory), projections::rules()), "cannot open the log");
    const auto records = static_cast<double>(source->read()->head().value);
    const auto store = need(
        log::rocks_store::open(directory / "db", log::store_access::read_only, projections::rules().tables(), nullptr),
        "cannot open the store");

    rounds bare_one, bare_two, verify_one, verify_two, fold, everything, compared;
    for (int round = 0; round < wanted.rounds; ++round)
    {
        bare_one.add(records, iterate_all(*store, source->read()->head().value, 1));
        bare_two.add(records, iterate_all(*store, source->read()->head().value, 2));
        const auto verify = [&](std::size_t threads)
        { return measure([&] { check_sound(need(source->verify(threads), "cannot verify")); }); };
        verify_one.add(records, verify(1));
        const auto checked = verify(2);
        verify_two.add(records, checked);
        spent folded;
        {
            const auto views = need(
                log::open_scratch_views(wanted.place / "scratch", *source, projections::rules()),
                "cannot make scratch views");
            folded = measure([&] { need(projections::fold_log(*source, *views), "cannot fold"); });
        }
        fold.add(records, folded);
        everything.add(records, {.wall_s = checked.wall_s + folded.wall_s, .cpu_s = checked.cpu_s + folded.cpu_s});
        compared.add(
            records,
            measure(
                [&]
                {
                    const auto report =
                        need(projections::compare_rebuilt_views(*source, wanted.place / "compared"), "cannot compare");
                    for (const auto& one : report.tables)
                        if (!one.equal())
                            throw std::runtime_error("view table " + one.table + " differs");
                }));
    }
    std::printf(
        "%s records, warm page cache; medians of %d rounds. Bare: an iterator that reads every record.\n\n",
        grouped(records).c_str(), wanted.rounds);
    table out({"what", "records/s", "CPU us a record", "wall us a record", "of bare"});
    print_row(out, "bare, one thread", bare_one, bare_one);
    print_row(out, "bare, two threads", bare_two, bare_two);
    print_row(out, "open + commitments + tree, one thread", verify_one, bare_one);
    print_row(out, "open + commitments + tree, two threads", verify_two, bare_two);
    print_row(out, "open + fold + view rows", fold, bare_two);
    print_row(out, "all of these, one after the other, two threads", everything, bare_two);
    print_row(out, "rebuild and compare with the live views", compared, bare_two);
}

} // namespace consortium::bench
