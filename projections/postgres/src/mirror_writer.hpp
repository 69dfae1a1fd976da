#pragma once
#include "consortium/common/ids.hpp"
#include "consortium/log/event.hpp"
#include "consortium/postgres/database_url.hpp"
#include "server_connection.hpp"
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>

namespace consortium::postgres
{

/// How long the mirror waits for its Postgres.
struct patience
{
    std::chrono::milliseconds connecting;
    std::chrono::milliseconds working; ///< one transaction
};

/// Tells an event from another one with the same lsn: a log that was set back to a backup keeps its id. Of the header
/// alone, which outlives the body.
std::string fingerprint(const log::event& happened);

/// Writes events into Postgres. It is the only one that does: while it lives, no other can be made for the same
/// database. Throws for whatever goes wrong, and is of no use then; nothing of a transaction that failed is left.
class mirror_writer
{
public:
    /// Connects, and makes the schema what this version needs.
    mirror_writer(const database_url& where, const patience& how, watchdog& by);
    mirror_writer(const mirror_writer&) = delete;
    mirror_writer& operator=(const mirror_writer&) = delete;

    /// Which log the rows are of, and its last event that they hold. Empty: nothing was written yet.
    struct reached
    {
        log_id log;
        lsn at;
        std::string last_event; ///< fingerprint() of it; empty at 0
        friend bool operator==(const reached&, const reached&) = default;
    };
    std::optional<reached> position();

    /// Empties every table, for the log `id`.
    void start_over(log_id id);

    /// Writes what happened next, all of it or nothing: `after` must be the position. Throws `position_moved` when it
    /// is not.
    void write(const reached& after, std::span<const std::shared_ptr<const log::event>> happened);

    server_connection& connection() { return *connection_; }
    [[nodiscard]] watchdog::watch watched() { return {by_, connection_->sock(), patience_.working + grace}; }

private:
    /// So much later than Postgres itself, which says why.
    static constexpr std::chrono::seconds grace{2};

    const patience patience_;
    watchdog& by_;
    std::unique_ptr<server_connection> connection_;
};

/// Somebody else wrote to the mirror.
struct position_moved : std::runtime_error
{
    position_moved() : runtime_error("the mirror's position is not where it was left: somebody else writes there") {}
};

} // namespace consortium::postgres
