// How fast the log appends, beside RocksDB alone writing the same bytes in the same batches in the same run.
//
//   ninja bench_log_append && build/release/bin/bench_log_append [DIRECTORY [SECONDS [PRODUCERS OUTSTANDING]]]
//
// Each line: producers × outstanding commands of one 1 KiB message, the log's records/s and the time from submission to
// acknowledgement, its batches, and what bare RocksDB does with batches of that size and the same bytes (sealed records
// and view rows prepared before).
#include "consortium/common/base64.hpp"
#include "log/small_domain.hpp"
#include "rocks_store.hpp"
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <semaphore>
#include <sys/resource.h>
#include <thread>

namespace
{

using namespace consortium;
using namespace consortium::log;
using namespace consortium::log::testing;
using steady = std::chrono::steady_clock;

constexpr std::ptrdiff_t outstanding_max = 1 << 16;

class say_once final : public command
{
public:
    say_once(account_id account, session_id session, const std::string& content)
        : account_(account), session_(session), content_(content)
    {
    }
    account_id account() const override { return account_; }
    std::size_t size() const override { return content_.size() + 100; }
    result<decision> decide(const view_reader& rows, unix_millis) override
    {
        const auto cell = rows.get(table_cells, small_domain::cell_key(rows, account_, session_.as<stream_id>()));
        decision out{.account = account_, .drafts = {}};
        out.drafts.push_back(
            {.type = event_type::message_appended,
             .stream = session_.as<stream_id>(),
             .seq = number_in(*cell, 1) + 1,
             .key = session_.as<key_id>(),
             .creates_key = false,
             .destroys = {},
             .body = message_appended{.id = {}, .local_id = std::nullopt, .content = content_}});
        return out;
    }
    steady::time_point submitted;
    std::counting_semaphore<outstanding_max>* room = nullptr;

private:
    account_id account_;
    session_id session_;
    const std::string& content_;
};

class measuring_sink final : public commit_sink
{
public:
    void on_commit(std::span<const outcome> batch) override
    {
        const auto now = steady::now();
        for (const auto& out : batch)
            if (auto* mine = dynamic_cast<say_once*>(out.wanted.get()))
            {
                if (!out.committed)
                    std::abort();
                latencies.push_back(std::chrono::duration<double, std::milli>(now - mine->submitted).count());
                mine->room->release();
            }
            else if (auto* other = dynamic_cast<test_command*>(out.wanted.get()))
                other->complete(out.committed);
        ++batches;
    }
    void on_pressure(bool) override {}
    void on_failure(const error& why) override
    {
        std::fprintf(stderr, "%s\n", why.detail.c_str());
        std::abort();
    }
    std::vector<double> latencies;
    std::size_t batches = 0;
};

/// CPU time of this process so far, which other people's programs do not lengthen.
double cpu_seconds()
{
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& time)
    { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6; };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

struct measured
{
    double records_per_s = 0;
    double p50 = 0;
    double p99 = 0;
    double records_per_batch = 0;
    double cpu_us = 0; ///< for each record
};

measured measure_log(
    const std::filesystem::path& place, int producers, std::ptrdiff_t window, double seconds,
    const std::string& content)
{
    std::filesystem::remove_all(place);
    const small_domain rules;
    const system_clock_source clock;
    measuring_sink sink;
    auto log = open_log(options_for(place), rules, sink, clock).value();
    const auto run = [&](std::shared_ptr<test_command> wanted)
    {
        auto outcome = wanted->outcome();
        if (!log->submit(wanted) || !outcome.get())
            std::abort();
    };
    for (int i = 0; i < producers; ++i)
    {
        run(create_account(account_of(static_cast<std::uint8_t>(i))));
        run(create_session(account_of(static_cast<std::uint8_t>(i)), session_of(static_cast<std::uint8_t>(i))));
    }
    const auto first = log->read()->head().value;
    sink.batches = 0;
    const auto cpu = cpu_seconds();
    const auto begun = steady::now();
    const auto end = begun + std::chrono::duration_cast<steady::duration>(std::chrono::duration<double>(seconds));
    std::vector<std::unique_ptr<std::counting_semaphore<outstanding_max>>> rooms;
    for (int i = 0; i < producers; ++i)
        rooms.push_back(std::make_unique<std::counting_semaphore<outstanding_max>>(window));
    std::vector<std::thread> threads;
    for (int i = 0; i < producers; ++i)
        threads.emplace_back(
            [&, i]
            {
                auto* room = rooms[static_cast<std::size_t>(i)].get();
                while (steady::now() < end)
                {
                    room->acquire();
                    auto wanted = std::make_shared<say_once>(
                        account_of(static_cast<std::uint8_t>(i)), session_of(static_cast<std::uint8_t>(i)), content);
                    wanted->room = room;
                    wanted->submitted = steady::now();
                    while (!log->submit(wanted))
                        std::this_thread::yield();
                }
            });
    for (auto& thread : threads)
        thread.join();
    log->close();
    const auto took = std::chrono::duration<double>(steady::now() - begun).count();
    const auto used = cpu_seconds() - cpu;
    const auto records = log->read()->head().value - first;
    std::ranges::sort(sink.latencies);
    const auto at = [&](double share)
    {
        return sink.latencies.empty()
                   ? 0.0
                   : sink.latencies[static_cast<std::size_t>(share * static_cast<double>(sink.latencies.size() - 1))];
    };
    return {
        .records_per_s = static_cast<double>(records) / took,
        .p50 = at(0.5),
        .p99 = at(0.99),
        .records_per_batch = static_cast<double>(records) / static_cast<double>(std::max<std::size_t>(sink.batches, 1)),
        .cpu_us = 1e6 * used / static_cast<double>(records)};
}

/// The same rows as the log writes for messages of one session, made of random bytes, synced per batch.
measured
measure_bare(const std::filesystem::path& place, std::size_t per_batch, double seconds, std::size_t content_bytes)
{
    std::filesystem::remove_all(place);
    std::filesystem::create_directories(place);
    const small_domain rules;
    auto store = rocks_store::open(place, store_access::create, rules.tables(), nullptr).value();
    bytes record(content_bytes / 4 * 3 + 223 + 84);
    fill_random(record);
    bytes row_key(40);
    fill_random(row_key);
    const bytes small_value(24);
    const bytes head(500);
    std::uint64_t number = 0;
    const auto cpu = cpu_seconds();
    const auto begun = steady::now();
    double took = 0;
    rocksdb::WriteOptions options;
    options.sync = true;
    while (took < seconds)
    {
        rocksdb::WriteBatch batch;
        for (std::size_t i = 0; i < per_batch; ++i)
        {
            const auto key = big_endian(++number);
            batch.Put(store->log(), slice(key), slice(record));
            std::memcpy(row_key.data() + 32, key.data(), 8);
            batch.Put(store->view(2), slice(row_key), slice(small_value));
        }
        batch.Put(store->view(0), slice(byte_view(row_key).first(16)), slice(small_value));
        batch.Put(store->view(1), slice(byte_view(row_key).first(32)), slice(small_value));
        batch.Put(store->meta(), "head", slice(head));
        if (!store->db().Write(options, &batch).ok())
            std::abort();
        took = std::chrono::duration<double>(steady::now() - begun).count();
    }
    return {
        .records_per_s = static_cast<double>(number) / took,
        .cpu_us = 1e6 * (cpu_seconds() - cpu) / static_cast<double>(number)};
}

} // namespace

int main(int argc, char** argv)
{
    init_crypto();
    const auto place =
        argc > 1 ? std::filesystem::path(argv[1]) : std::filesystem::temp_directory_path() / "consortium-bench-log";
    const double seconds = argc > 2 ? std::atof(argv[2]) : 3.0;
    bytes plain(1024);
    fill_random(plain);
    const auto content = base64_encode(plain);

    std::printf("One message: %zu characters of base64. %.1f s a line.\n", content.size(), seconds);
    std::printf("CPU: microseconds of all threads, producers included, for each record.\n");
    std::printf(
        "%9s %11s | %10s %6s %8s %8s %9s | %10s %6s | %6s\n", "producers", "outstanding", "log rec/s", "CPU", "p50 ms",
        "p99 ms", "rec/batch", "bare rec/s", "CPU", "log is");
    struct line
    {
        int producers;
        std::ptrdiff_t window;
    };
    std::vector<line> lines{{1, 1}, {1, 16}, {1, 64}, {1, 128}, {1, 256}, {4, 64}, {4, 256}, {16, 128}};
    if (argc > 4)
        lines = {{std::atoi(argv[3]), std::atoi(argv[4])}};
    for (const auto& [producers, window] : lines)
    {
        const auto ours = measure_log(place / "log", producers, window, seconds, content);
        const auto per_batch = static_cast<std::size_t>(std::max(1.0, ours.records_per_batch + 0.5));
        const auto bare = measure_bare(place / "bare", per_batch, seconds, content.size());
        std::printf(
            "%9d %11td | %10.0f %6.1f %8.2f %8.2f %9.1f | %10.0f %6.1f | %5.0f%%\n", producers, window,
            ours.records_per_s, ours.cpu_us, ours.p50, ours.p99, ours.records_per_batch, bare.records_per_s,
            bare.cpu_us, 100 * ours.records_per_s / bare.records_per_s);
        std::fflush(stdout);
    }
    const small_domain rules;
    const system_clock_source clock;
    measuring_sink sink;
    for (const auto* what : {"with the records of the last line", "again"})
    {
        const auto log = open_log(options_for(place / "log"), rules, sink, clock).value();
        std::printf(
            "Opening %s: %lld ms, %llu records\n", what, static_cast<long long>(log->opened().opening.count()),
            static_cast<unsigned long long>(log->opened().head.value));
    }
    std::filesystem::remove_all(place);
}
