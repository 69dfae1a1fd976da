#pragma once
#include "consortium/log/event_log.hpp"
#include "consortium/projections/commands.hpp"
#include "measuring.hpp"
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>

/// A log under real messages: clients' ciphertext in base64, each with its localId, through the rules the relay has.
namespace consortium::bench
{

/// What the command line says.
struct settings
{
    std::filesystem::path place; ///< made, and emptied of what was measured
    double round_s = 0.5;
    int rounds = 5;
    std::vector<std::size_t> batches{1, 8, 64, 512};
    bool alone = false; ///< append without its bare limits
    std::uint64_t records = 1'000'000;
    std::size_t payload_bytes = 1024;
    /// For replay and reads: a log that an earlier run kept. Without it: one is filled.
    std::filesystem::path kept;
    std::string self; ///< this program's path
};

log::log_options options_for(const std::filesystem::path& directory);

/// One account with one session, which sends the same content again and again.
struct tenant
{
    projections::principal who;
    session_id session;
    std::uint64_t sent = 0;
};

/// Producers each keep so many messages on the way.
struct pace
{
    std::size_t producers = 1;
    std::size_t outstanding = 1; ///< all producers together
};

struct written
{
    spent took;
    double records = 0;
    double batches = 0;
    std::vector<double> ack_ms;
    double per_batch() const { return batches > 0 ? records / batches : 0; }
};

class workload
{
public:
    /// Opens the log in `directory`, made if needed, and gives it `tenants` accounts. Accounts made by an earlier run
    /// are left alone.
    workload(
        const std::filesystem::path& directory, std::size_t tenants, std::size_t payload_bytes,
        std::size_t batch_records_max = limits::batch_records_max);
    ~workload();

    log::event_log& log() noexcept { return *log_; }
    tenant& of(std::size_t index) { return tenants_.at(index); }

    /// Sends until `enough` says so, then waits for every answer. Producer i writes for tenant i.
    written send(pace how, const std::function<bool(std::uint64_t submitted)>& enough);
    written send_for(pace how, double seconds);
    void send_records(std::uint64_t count);
    /// One message of a tenant nobody else uses meanwhile; milliseconds until its acknowledgement.
    double send_one(tenant& by);
    std::uint64_t batches() const;

private:
    struct producer;
    class timed_message;
    class sink;

    std::shared_ptr<timed_message> make(tenant& by, producer& back) const;

    std::string content_;
    std::unique_ptr<sink> sink_;
    std::unique_ptr<clock_source> clock_;
    std::unique_ptr<log::event_log> log_;
    std::vector<tenant> tenants_;
};

/// Where a log of the wanted length lies, closed: the kept one, or a new one in an emptied place.
std::filesystem::path filled_log(const settings& wanted);
/// Adds so many messages to a log, made if needed; says how long it took.
void fill(const std::filesystem::path& directory, std::uint64_t records, std::size_t payload_bytes);

} // namespace consortium::bench
