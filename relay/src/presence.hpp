#pragma once
#include "consortium/common/clock.hpp"
#include "consortium/common/ids.hpp"
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

/// Who is there: heartbeats in memory, transitions to be written to the log. Pure: time comes in, actions come out.
namespace consortium::relay
{

struct presence_settings
{
    std::chrono::milliseconds session_timeout;
    std::chrono::milliseconds machine_timeout;
    /// Between two ephemerals that say the same.
    std::chrono::milliseconds activity_interval;
    /// A session that was ended on purpose does not come back through a late heartbeat.
    std::chrono::milliseconds suppression{60'000};
};

/// What has to be done: tell the account's user-scoped clients (`announce`), or write the transition (`record`), or
/// both. Exactly one of session and machine is set.
struct presence_action
{
    account_id account;
    session_id session;
    std::string machine;
    bool active = false;
    unix_millis active_at = 0;
    bool thinking = false;
    bool announce = false;
    bool record = false;

    friend bool operator==(const presence_action&, const presence_action&) = default;
};

/// Not thread-safe.
class presence_table
{
public:
    using actions = std::vector<presence_action>;

    explicit presence_table(const presence_settings& settings) : settings_(settings) {}

    // What the log says. Times are of the relay's clock.
    void session_opened(account_id account, session_id session, unix_millis now);
    /// Ended (by whomever) or deleted.
    void session_closed(session_id session, unix_millis now);
    void session_deleted(session_id session);
    /// Everything of it is forgotten; its sockets go by themselves.
    void account_deleted(account_id account);
    void machine_opened(account_id account, const std::string& machine, unix_millis now);
    void machine_closed(account_id account, const std::string& machine);
    /// The row exists now: its sockets that came before count from here.
    actions machine_registered(account_id account, const std::string& machine, unix_millis now);
    void machine_removed(account_id account, const std::string& machine);

    // What clients say. `time` is theirs: clamped to now; one of long ago is ignored.
    actions session_alive(account_id account, session_id session, unix_millis time, bool thinking, unix_millis now);
    actions session_end(account_id account, session_id session, unix_millis time, unix_millis now);
    /// Reopened through its tag: heartbeats count again.
    void session_reopened(session_id session);
    actions machine_alive(account_id account, const std::string& machine, unix_millis time, unix_millis now);
    /// `known`: the machine has a row.
    actions machine_connected(account_id account, const std::string& machine, bool known, unix_millis now);
    actions machine_disconnected(account_id account, const std::string& machine, unix_millis now);

    /// Gives up what has been silent for too long. Call a few times per timeout.
    actions sweep(unix_millis now);

    std::size_t size() const noexcept { return sessions_.size() + machines_.size(); }

private:
    struct session_state
    {
        account_id account;
        bool active = false;
        bool thinking = false;
        unix_millis heard_at = 0;  ///< by the relay's clock
        unix_millis active_at = 0; ///< as announced
        unix_millis announced_at = 0;
        unix_millis suppressed_until = 0;
    };
    struct machine_state
    {
        bool known = false;
        bool active = false;
        unix_millis heard_at = 0;
        unix_millis announced_at = 0;
        std::size_t sockets = 0;
    };
    struct machine_name
    {
        account_id account;
        std::string id;
        friend bool operator==(const machine_name&, const machine_name&) = default;
    };
    struct machine_hash
    {
        std::size_t operator()(const machine_name& name) const noexcept
        {
            return std::hash<account_id>()(name.account) ^ std::hash<std::string>()(name.id);
        }
    };
    static std::optional<unix_millis> believed(unix_millis time, unix_millis now);
    static presence_action of_machine(const machine_name& name, bool active, unix_millis at);

    const presence_settings settings_;
    std::unordered_map<session_id, session_state> sessions_;
    std::unordered_map<machine_name, machine_state, machine_hash> machines_;
};

} // namespace consortium::relay
