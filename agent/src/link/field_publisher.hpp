#pragma once
#include "base/wakeup.hpp"
#include "consortium/common/error.hpp"
#include "link/from_relay.hpp"
#include <boost/json/object.hpp>
#include <functional>
#include <memory>
#include <string>

namespace consortium::agent
{

/// Keeps one versioned field of the session (its metadata, the agent's state) at the relay equal to what we have:
/// writes only over the version it knows, and again when somebody else was first. Everything on one executor.
class field_publisher : public std::enable_shared_from_this<field_publisher>
{
public:
    using asker = std::function<asio::awaitable<relay_answer<unchecked>>(std::string event, boost::json::object value)>;

    struct options
    {
        std::string event; ///< update-metadata, update-state
        std::string field; ///< metadata, agentState
        std::string session_id;
        std::int64_t version = 0;
        /// The sealed value, to replace what has that version.
        std::function<result<std::string>(std::int64_t after)> seal;
        /// Somebody else's value was there first; take over from it what is theirs.
        std::function<void(const std::string& sealed)> merge;
        /// The relay will never take this value, or it cannot be sealed: it is left until it changes.
        std::function<void(const relay_failure&)> refused = {};
        std::function<void()> taken = {};
    };

    field_publisher(const asio::any_io_executor& executor, options wanted, asker ask)
        : options_(std::move(wanted)), ask_(std::move(ask)), changed_(executor), settled_(executor)
    {
    }

    void changed()
    {
        dirty_ = true;
        changed_.notify();
    }
    /// It changed since it was last sealed.
    bool unsealed() const noexcept { return dirty_; }
    /// The relay's log is another one: so are its versions.
    void start_over();
    /// The connection is back.
    void nudge() { changed_.notify(); }
    /// An update of the relay named a newer version.
    void seen(std::int64_t version, const std::string& sealed);
    static asio::awaitable<void> run(std::shared_ptr<field_publisher> self);
    void stop();
    /// Waits until the relay has what we have. False after `limit`.
    asio::awaitable<bool> settled(std::chrono::milliseconds limit);

private:
    asio::awaitable<bool> attempt();
    bool give_up(const relay_failure& reason);

    options options_;
    asker ask_;
    wakeup changed_;
    wakeup settled_;
    bool dirty_ = false;
    bool under_way_ = false;
    bool stopped_ = false;
};

} // namespace consortium::agent
