#pragma once
#include "consortium/common/base64.hpp"
#include "consortium/common/limits.hpp"
#include "consortium/e2ee/bundle.hpp"
#include "from_relay.hpp"
#include "spool.hpp"
#include "wakeup.hpp"
#include <functional>
#include <memory>
#include <vector>

namespace consortium::agent
{

/// Takes entries to the relay.
class message_sender
{
public:
    virtual ~message_sender() = default;
    /// All of the batch, in order, or nothing that a repetition would not mend: the relay knows entries by their ids.
    /// Failures worth retrying leave the outcome open.
    virtual asio::awaitable<relay_answer<void>> send_messages(std::vector<spool_entry> batch) = 0;
};

/// Sends what the session says, each once and in order, whatever happens to network, relay and this process: at most
/// one batch is under way, and nothing is forgotten before the relay has it. Everything on one executor.
class outbox : public std::enable_shared_from_this<outbox>
{
public:
    /// Seals an entry for its place in the session; called once for each, in order.
    using sealer = std::function<result<std::string>(spool_entry&)>;

    outbox(const asio::any_io_executor& executor, spool store, message_sender& sender)
        : spool_(std::move(store)), sender_(&sender), changed_(executor), drained_(executor)
    {
    }

    /// From now on entries are sealed at once; those that wait are sealed now, under one write.
    result<void> seal_with(sealer seal);
    /// Keeps it on disk, to be sent. Errors: those of spool::append().
    /// `local_id`: the id of the bundle that it becomes, in hex.
    result<void> push(
        boost::json::value d, unix_millis at,
        std::string local_id = hex_encode(random_array<sizeof(e2ee::bundle_id)>()));
    /// Whether that one waits here.
    bool holds(std::string_view local_id) const;
    /// The relay can be reached again: try at once.
    void nudge();

    /// Sends until stop(). One call.
    static asio::awaitable<void> run(std::shared_ptr<outbox> self);
    /// Sends one batch of what waits, for who does not run().
    enum class step
    {
        idle,    ///< nothing waits
        on,      ///< a batch is done with, or the next one will be smaller
        later,   ///< try again after a pause
        refused, ///< the relay takes nothing from us any more
    };
    asio::awaitable<step> attempt();
    void stop();
    /// Waits until all is sent. False after `limit`.
    asio::awaitable<bool> drained(std::chrono::milliseconds limit);
    std::size_t waiting() const noexcept { return spool_.waiting().size(); }

    /// The relay itself will never take this one; it is left out.
    std::function<void(const spool_entry&, const relay_failure&)> on_dropped;
    /// Something on the way refuses the size of this single message. It is kept and tried again; said once for each.
    std::function<void(const spool_entry&, const relay_failure&)> on_stuck;
    /// The relay has no room for it now (a quota, a full disk): all is kept and tried again. Said once until it takes
    /// some.
    std::function<void(const relay_failure&)> on_no_room;
    /// The relay takes nothing from us any more (no such session, no such device); run() ends.
    std::function<void(const relay_failure&)> on_refused;

private:
    std::vector<spool_entry> next_batch() const;
    step judge(const std::vector<spool_entry>& batch, const relay_failure& failure);

    spool spool_;
    message_sender* sender_;
    sealer seal_;
    wakeup changed_;
    wakeup drained_;
    bool stopped_ = false;
    bool single_ = false;                                  ///< one of the last batch is refused for good: find it
    std::size_t batch_bytes_max_ = limits::post_bytes_max; ///< halved when something on the way takes no more
    bool told_no_room_ = false;
    std::string stuck_;                  ///< id of the message that is too large for it
    std::chrono::milliseconds retry_{0}; ///< what the relay asked for with the last failure
};

} // namespace consortium::agent
