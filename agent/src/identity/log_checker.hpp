#pragma once
#include "base/wakeup.hpp"
#include "identity/keystore.hpp"
#include "identity/log_witness.hpp"
#include "link/relay_client.hpp"
#include <functional>
#include <memory>
#include <set>

namespace consortium::agent
{

/// Holds the relay's log against what this machine remembers of it, and remembers what it accepted. Everything on one
/// executor; several agents may share the memory.
class log_checker
{
public:
    enum class outcome
    {
        fits,
        mismatch,    ///< there is an alarm about it
        not_offered, ///< the relay has no such routes: nothing was checked
    };

    log_checker(relay_client& relay, const keystore& store, const clock_source& clock)
        : relay_(relay), store_(store), clock_(clock)
    {
    }

    /// Once. Errors: the relay is not reached or answers in an unknown form, or the memory cannot be read or written.
    asio::awaitable<result<outcome>> check();
    /// Whether the relay's key is known: then messages may be sent with `prove`.
    bool ready() const noexcept { return key_.has_value(); }
    /// The acknowledgement of a message that was sent with `prove`.
    void look_at(
        const unchecked& acknowledgement, const std::string& account, const std::string& session,
        const std::string& bundle);
    /// The person knows of the alarms. Where the relay still shows something else than is remembered, that is what is
    /// remembered from now on. How many alarms there were.
    asio::awaitable<result<std::size_t>> acknowledge();

    /// An alarm that was not there before.
    std::function<void(const log_alarm&)> on_alarm;

private:
    asio::awaitable<relay_answer<note::verifier>> ask_for_key();
    asio::awaitable<relay_answer<protocol::v1::log_answer>> ask_for_head(const pinned_log& known);
    result<void> raise(const std::string& origin, log_mismatch found);

    relay_client& relay_;
    const keystore& store_;
    const clock_source& clock_;
    std::optional<note::verifier> key_;
    std::optional<proved_record> proved_; ///< looked for again with the next check
    std::set<log_finding> unkept_;        ///< told, though it could not be written down
};

} // namespace consortium::agent
