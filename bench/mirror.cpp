#include "consortium/postgres/mirror.hpp"
#include "consortium/common/secret.hpp"
#include "consortium/projections/views.hpp"
#include "log/workload.hpp"
#include "mirror_writer.hpp"
#include "postgres/postgres_server.hpp"
#include "tables.hpp"
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <pqxx/stream_to>
#include <pqxx/transaction>
#include <thread>

/// How fast the mirror catches up, beside pqxx::stream_to of the very same rows into the same table in batches of 512,
/// by turns in one run. usage: bench_mirror [MESSAGES [PAYLOAD BYTES [ROUNDS]]]
namespace consortium::bench
{
namespace
{

using namespace std::chrono_literals;
using postgres::messages_table;
using row = messages_table::row_type::value_type;

constexpr std::size_t batch = 512;

class no_sink final : public log::commit_sink
{
public:
    void on_commit(std::span<const log::outcome>) override {}
    void on_pressure(bool) override {}
    void on_failure(const error&) override {}
};

/// The rows that the mirror would write, made before anything is measured.
std::vector<row> rows_of(const log::event_log& source)
{
    std::vector<row> out;
    const auto at = source.read();
    for (lsn next{1}; next <= at->head();)
    {
        const auto events = at->read(next, batch).value();
        for (const auto& happened : events)
            if (auto made = messages_table::row(happened))
                out.push_back(std::move(*made));
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

double stream(const postgres::testing::postgres_server& server, const std::vector<row>& rows)
{
    pqxx::connection connection(server.url() + "?options=-csynchronous_commit%3Doff");
    const auto took = measure(
        [&]
        {
            for (std::size_t done = 0; done < rows.size();)
            {
                pqxx::work in(connection);
                pqxx::stream_to to(in, std::string(messages_table::name), messages_table::columns);
                for (const auto end = std::min(rows.size(), done + batch); done < end; ++done)
                    to << rows[done];
                to.complete();
                in.commit();
            }
        });
    return static_cast<double>(rows.size()) / took.wall_s;
}

double mirror(const postgres::testing::postgres_server& server, log::event_log& source, std::size_t messages)
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
    return static_cast<double>(messages) / took.wall_s;
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
            "%zu messages of %zu bytes\n%14s %14s %8s\n", rows.size(), payload, "stream_to/s", "mirror/s", "ratio");
        std::vector<double> bare;
        std::vector<double> mirrored;
        for (int round = 0; round < rounds; ++round)
        {
            empty(server);
            bare.push_back(stream(server, rows));
            empty(server);
            mirrored.push_back(mirror(server, *source, rows.size()));
            std::printf("%14.0f %14.0f %8.2f\n", bare.back(), mirrored.back(), mirrored.back() / bare.back());
        }
        std::printf("%14.0f %14.0f %8.2f median\n", median(bare), median(mirrored), median(mirrored) / median(bare));
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
