#pragma once
#include "consortium/e2ee/chain.hpp"
#include "identity/keystore.hpp"
#include "link/outbox.hpp"
#include "storage/session_folder.hpp"
#include "terminal/screen.hpp"
#include <deque>
#include <set>

namespace consortium::agent
{

/// All that a session says: each message once and in one chain, on disk until the relay has it, whether the relay is
/// known yet or not. Whoever looks into the session sees no gap that the agent made. Everything on one executor.
class conversation_feed
{
public:
    /// All of them must outlive it.
    conversation_feed(
        const asio::any_io_executor& executor, session_folder& folder, const identity& who, screen& out,
        const clock_source& clock, message_sender& sender);

    /// What waits from before. Once, before anything is said.
    result<void> open(const key256& local_key);

    /// Says `d` as the bundle of that id. Where it cannot be kept it is lost; that is said here at once, and in the
    /// session with the next that can be.
    void say(boost::json::value d, const e2ee::bundle_id& id = random_array<sizeof(e2ee::bundle_id)>());
    /// Says a line of the agent program to the letter, with its longest texts cut where it would not fit into a
    /// message. `id`: the program's own for the line, `block`: the partial text that it completes; both may be empty.
    /// False: that very line was said already, and is not said again.
    bool relay(boost::json::object line, const std::string& id, const std::string& block);
    /// Says an event of the agent's own (docs/protocol.md 5.1). The id of the bundle that it becomes.
    e2ee::bundle_id tell(boost::json::object data);
    /// A `message`: the agent's own words.
    void tell_words(std::string_view words) { tell({{"type", "message"}, {"message", words}}); }
    static boost::json::object event(boost::json::object data);

    /// The session has an id at the relay: what waits is sealed for its place there, and so is all that is said from
    /// now on. Errors: those of the spool.
    result<void> begin_sealing();
    /// Sends until stop(). Once.
    asio::awaitable<void> run() { return outbox::run(outbox_); }
    /// Sends no more; what is said is kept.
    void stop();
    /// The session is gone: nothing is said any more.
    void fall_silent() noexcept { silent_ = true; }

    bool holds(const e2ee::bundle_id& id) const { return outbox_->holds(hex_encode(id)); }
    std::size_t waiting() const noexcept { return outbox_->waiting(); }
    void nudge() { outbox_->nudge(); }
    /// Waits until all is sent. False after `limit`.
    asio::awaitable<bool> drained(std::chrono::milliseconds limit) { return outbox_->drained(limit); }

    /// More waits than is kept.
    std::function<void()> on_full;
    /// One message does not pass; what is behind it waits.
    std::function<void()> on_stuck;
    /// The relay takes nothing from us any more.
    std::function<void(const relay_failure&)> on_refused;
    /// As in the outbox.
    std::function<bool(std::chrono::steady_clock::time_point since)> takes_others;

private:
    bool is_new(const std::string& line_id);
    result<std::string> seal(spool_entry& entry);
    void say_left_out(const relay_failure& reason, bool kept);
    void say_stuck(const relay_failure& reason);

    asio::any_io_executor executor_;
    session_folder& folder_;
    const identity& who_;
    screen& out_;
    const clock_source& clock_;
    message_sender& sender_;
    std::shared_ptr<outbox> outbox_;
    e2ee::chain_sender chain_;      ///< of what is kept
    e2ee::chain_sender next_chain_; ///< and of what is sealed, and may yet be nowhere
    std::set<std::string> lines_;   ///< ids of the program's that were said lately
    std::deque<std::string> lines_in_order_;
    bool silent_ = false;
    bool loss_said_ = false; ///< what is said cannot be kept
    std::size_t lost_ = 0;   ///< how much of it, since that was told
};

} // namespace consortium::agent
