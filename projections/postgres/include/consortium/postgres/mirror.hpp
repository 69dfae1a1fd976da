#pragma once
#include "consortium/common/clock.hpp"
#include "consortium/log/event_log.hpp"
#include "consortium/postgres/database_url.hpp"
#include "consortium/postgres/limits.hpp"
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

/// The Postgres mirror: docs/mirror.md.
namespace consortium::postgres
{

struct mirror_options
{
    database_url where;
    std::chrono::milliseconds connect_timeout = limits::mirror_connect_timeout;
    /// Of one transaction.
    std::chrono::milliseconds timeout = limits::mirror_timeout;
    /// Between two attempts, at most; the first ones come sooner.
    std::chrono::milliseconds retry = limits::mirror_retry;
};

struct mirror_status
{
    enum class phase
    {
        connecting, ///< or waiting to try again
        following,
        verifying,
    };
    phase doing = phase::connecting;
    /// The last event that the mirror is known to hold. Empty: nobody could ask it yet.
    std::optional<lsn> position;
    lsn head; ///< of the log
    /// How old the first event is that the mirror lacks; 0: it lacks none. Empty: nobody can tell.
    std::optional<std::chrono::milliseconds> lag;
    /// Why it did not follow, at last; empty: it always did.
    std::string last_error;
    unix_millis last_error_at = 0;
    std::uint64_t failures = 0; ///< since the relay was started
};

struct verify_report
{
    lsn position;
    std::uint64_t rows = 0;
    std::vector<std::string> findings; ///< the first 100
    std::uint64_t differences = 0;
};

/// Follows the log on a thread of its own and writes what happened to Postgres. Whatever becomes of Postgres, it tries
/// again, and nobody waits for it. Thread-safe.
class mirror
{
public:
    virtual ~mirror() = default;

    virtual mirror_status status() const = 0;
    /// Empties the mirror and fills it again, as soon as Postgres can be reached.
    virtual void rebuild() = 0;
    /// Waits until the mirror has all that the log had when this was called, holds it there and compares every row.
    /// errc::unavailable: the mirror does not follow at the moment; errc::closed.
    virtual result<verify_report> verify() = 0;
    /// Ends at once, whatever Postgres does. Idempotent.
    virtual void stop() = 0;
};

/// `source` must outlive it.
std::unique_ptr<mirror> start_mirror(const mirror_options& wanted, log::event_log& source, const clock_source& clock);

} // namespace consortium::postgres
