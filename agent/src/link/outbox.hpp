#pragma once
#include "base/agent_limits.hpp"
#include "base/wakeup.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/limits.hpp"
#include "consortium/e2ee/bundle.hpp"
#include "link/from_relay.hpp"
#include "link/spool.hpp"
#include <functional>
#include <limits>
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
    /// What was sealed since this was called last is kept, or it is nowhere, and its places are free.
    using settler = std::function<void(bool kept)>;

    outbox(const asio::any_io_executor& executor, spool store, message_sender& sender)
        : spool_(std::move(store)), sender_(&sender), changed_(executor), drained_(executor)
    {
    }

    /// From now on entries are sealed at once; those that wait are sealed now, under one write.
    result<void> seal_with(sealer seal, settler settle = [](bool) {});
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

    /// The relay itself will never take this one; it is left out. `kept`: in the file beside the spool.
    std::function<void(const spool_entry&, const relay_failure&, bool kept)> on_dropped;
    /// This single message does not pass: something on the way refuses its size, or the relay fails on it again and
    /// again. It is kept and tried again, as long as patience lasts; said once for each.
    std::function<void(const spool_entry&, const relay_failure&)> on_stuck;
    /// Whether the relay took something else of this session since then: if it did, it is the message that it fails on.
    std::function<bool(std::chrono::steady_clock::time_point since)> takes_others;
    /// What fails on one message for so long, and so often, would hold up all that is behind it for ever.
    struct patience
    {
        int tries_said = limits::failures_said_after;
        int tries = limits::failures_borne;
        std::chrono::milliseconds time = limits::failures_borne_for;
    };
    void set_patience(const patience& wanted) noexcept { patience_ = wanted; }
    /// The relay has no room for it now (a quota, a full disk): all is kept and tried again. Said once until it takes
    /// some.
    std::function<void(const relay_failure&)> on_no_room;
    /// The relay takes nothing from us any more (no such session, no such device); run() ends.
    std::function<void(const relay_failure&)> on_refused;

private:
    std::vector<spool_entry> next_batch() const;
    step judge(const std::vector<spool_entry>& batch, const relay_failure& failure);
    step bear_with(const std::vector<spool_entry>& batch, const relay_failure& failure);
    void left_out(const spool_entry& entry, const relay_failure& failure, bool kept);

    /// The message that the relay fails on.
    struct failing
    {
        std::string id;
        int tries = 0;
        std::chrono::steady_clock::time_point since;
    };

    spool spool_;
    message_sender* sender_;
    sealer seal_;
    settler settle_;
    wakeup changed_;
    wakeup drained_;
    bool stopped_ = false;
    bool single_ = false;                                  ///< one of the last batch is refused: find it
    std::size_t batch_bytes_max_ = limits::post_bytes_max; ///< halved when something on the way takes no more
    std::string stuck_;                                    ///< id of the message that is too large for it
    std::size_t size_given_up_ = std::numeric_limits<std::size_t>::max(); ///< of what was left out for its size
    patience patience_;
    failing failing_;
    bool set_one_aside_ = false; ///< since the relay last took a message: another one would be no coincidence
    bool told_no_room_ = false;
    std::chrono::milliseconds retry_{0}; ///< what the relay asked for with the last failure
};

} // namespace consortium::agent
