#include "consortium/postgres/mirror.hpp"
#include "consortium/common/secret.hpp"
#include "consortium/projections/views.hpp"
#include "log/workload.hpp"
#include "mirror_writer.hpp"
#include "postgres/postgres_server.hpp"
#include "tables.hpp"
#include <array>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <pqxx/stream_to>
#include <pqxx/transaction>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

/// How fast the mirror catches up, beside pqxx::stream_to of the very same rows into the same table in batches of 512,
/// by turns in one run. usage: bench_mirror [MESSAGES [PAYLOAD BYTES [ROUNDS]]]
namespace consortium::bench
{
namespace
{

using namespace std::chrono_literals;
using postgres::messages_table;
using maybe_text = std::optional<std::string>;

constexpr std::size_t batch = 512;

class no_sink final : public log::commit_sink
{
public:
    void on_commit(std::span<const log::outcome>) override {}
    void on_pressure(bool) override {}
    void on_failure(const error&) override {}
};

/// A message's row as COPY's text form has it.
using text_row = std::array<maybe_text, messages_table::columns.size()>;

/// The rows that the mirror would write, made before anything is measured.
std::vector<text_row> rows_of(const log::event_log& source)
{
    std::vector<text_row> out;
    const auto at = source.read();
    for (lsn next{1}; next <= at->head();)
    {
        const auto events = at->read(next, batch).value();
        for (const auto& happened : events)
            if (const auto made = messages_table::row(happened))
                out.push_back(std::apply(
                    [](const auto&... field) { return text_row{maybe_text(postgres::text_of(field))...}; }, *made));
        next = {next.value + events.size()};
    }
    return out;
}

/// The schema, with nothing in it.
void empty(const postgres::testing::postgres_server& server)
{
    postgres::watchdog dog;
    postgres::mirror_writer to(
        postgres::database_url::parse(server.url()).value(), {.connecting = 10s, .working = 60s}, dog);
    to.start_over(log_id{make_uuid_v4()});
}

/// What took how long: the CPU time is this process', not Postgres'.
struct pass
{
    double rate = 0;
    double cpu_us = 0; ///< a row
};

pass pass_of(std::size_t rows, const spent& took)
{
    const auto count = static_cast<double>(rows);
    return {count / took.wall_s, 1e6 * took.cpu_s / count};
}

/// At the mirror's priority, or a machine that has other work too would compare priorities.
pass stream(const postgres::testing::postgres_server& server, const std::vector<text_row>& rows)
{
    pqxx::connection connection(server.url() + "?options=-csynchronous_commit%3Doff");
    const auto write_all = [&]
    {
        ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), limits::mirror_niceness);
        for (std::size_t done = 0; done < rows.size();)
        {
            pqxx::work in(connection);
            pqxx::stream_to to(in, std::string(messages_table::name), messages_table::columns);
            for (const auto end = std::min(rows.size(), done + batch); done < end; ++done)
                to << rows[done];
            to.complete();
            in.commit();
        }
    };
    return pass_of(rows.size(), measure([&] { std::thread(write_all).join(); }));
}

pass mirror(const postgres::testing::postgres_server& server, log::event_log& source, std::size_t messages)
{
    const system_clock_source clock;
    const auto took = measure(
        [&]
        {
            const auto follows =
                postgres::start_mirror({.where = postgres::database_url::parse(server.url()).value()}, source, clock);
            for (auto is = follows->status(); is.position < is.head || is.head == lsn{}; is = follows->status())
                std::this_thread::sleep_for(2ms);
        });
    return pass_of(messages, took);
}

int run(std::uint64_t messages, std::size_t payload, int rounds)
{
    auto name = (std::filesystem::temp_directory_path() / "bench-mirror-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr)
        return 1;
    const std::filesystem::path place = name;
    fill(place / "log", messages, payload);
    {
        no_sink sink;
        const system_clock_source clock;
        auto options = options_for(place / "log");
        const auto source = log::open_log(options, projections::rules(), sink, clock).value();
        const auto rows = rows_of(*source);
        const postgres::testing::postgres_server server;
        std::printf(
            "%zu messages of %zu bytes\n%14s %10s %14s %10s %8s\n", rows.size(), payload, "stream_to/s", "CPU us",
            "mirror/s", "CPU us", "ratio");
        std::vector<double> ratios;
        for (int round = 0; round < rounds; ++round)
        {
            empty(server);
            const auto bare = stream(server, rows);
            empty(server);
            const auto ours = mirror(server, *source, rows.size());
            ratios.push_back(ours.rate / bare.rate);
            std::printf(
                "%14.0f %10.1f %14.0f %10.1f %8.2f\n", bare.rate, bare.cpu_us, ours.rate, ours.cpu_us, ratios.back());
        }
        std::printf("%61.2f median\n", median(ratios));
        source->close();
    }
    std::filesystem::remove_all(place);
    return 0;
}

} // namespace
} // namespace consortium::bench

int main(int argc, char** argv)
{
    consortium::init_crypto();
    const auto number = [&](int at, unsigned long long otherwise)
    { return argc > at ? std::strtoull(argv[at], nullptr, 10) : otherwise; };
    return consortium::bench::run(number(1, 100'000), number(2, 1024), static_cast<int>(number(3, 3)));
}
