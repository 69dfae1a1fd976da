#pragma once
#include "mirror_writer.hpp"
#include "postgres/postgres_server.hpp"
#include "projections/random_history.hpp"
#include "verify.hpp"
#include <gtest/gtest.h>
#include <pqxx/transaction>

namespace consortium::postgres::testing
{

using namespace consortium::projections::testing;
using namespace std::chrono_literals;

using events = std::vector<std::shared_ptr<const log::event>>;

/// The events of a log without a disk from `first` to its head, as they read now.
inline events events_from(const memory_log& log, lsn first)
{
    events out;
    for (auto next = first; next <= log.head(); next = next.next())
        out.push_back(std::make_shared<const log::event>(log.read(next)));
    return out;
}

/// A mirror of such a log in a Postgres of its own.
class mirrored_log
{
public:
    static constexpr patience limits{.connecting = 20s, .working = 30s};

    postgres_server server;
    log_id id{make_uuid_v4()};
    watchdog dog;
    std::unique_ptr<mirror_writer> writer;
    lsn at;

    mirrored_log() { connect(); }
    void connect(const patience& how = limits, const std::string& user = "postgres")
    {
        writer.reset();
        writer = std::make_unique<mirror_writer>(database_url::parse(server.url(user)).value(), how, dog);
        const auto known = writer->position();
        if (!known)
            writer->start_over(id);
        at = known ? known->at : lsn{};
    }
    /// Writes what the mirror has not, `count` events in a batch.
    void follow(const memory_log& log, std::size_t count = SIZE_MAX)
    {
        const auto left = events_from(log, at.next());
        for (std::size_t done = 0; done < left.size();)
        {
            const auto batch = std::min(count, left.size() - done);
            write(std::span(left).subspan(done, batch));
            done += batch;
        }
    }
    void write(std::span<const std::shared_ptr<const log::event>> batch)
    {
        if (batch.empty())
            return;
        writer->write({id, at, {}}, batch);
        at = batch.back()->number;
    }

    verify_report verify(const memory_log& log)
    {
        pqxx::work in(writer->connection());
        return verify_rows(in, memory_snapshot(log)).value();
    }
    /// Every row is there as the log and the views say, and no other.
    void expect_equal(const memory_log& log)
    {
        const auto is = writer->position();
        ASSERT_TRUE(is.has_value());
        EXPECT_EQ(is->log, id);
        EXPECT_EQ(is->at, log.head());
        EXPECT_EQ(is->last_event, log.head() == lsn{} ? "" : fingerprint(log.read(log.head())));
        const auto report = verify(log);
        EXPECT_EQ(report.position, log.head());
        EXPECT_EQ(report.differences, 0u);
        for (const auto& one : report.findings)
            ADD_FAILURE() << one;
    }
};

} // namespace consortium::postgres::testing
