#pragma once
#include "link/field_publisher.hpp"
#include "session/conversation_feed.hpp"
#include "storage/session_folder.hpp"
#include <boost/json/object.hpp>
#include <functional>
#include <memory>
#include <set>
#include <string>

namespace consortium::agent
{

/// The two fields that the relay keeps of a session beside its messages (docs/protocol.md 5.1): what describes it
/// (metadata), which others may write too, and the state, which is the agent's alone. Both sealed; kept equal at the
/// relay to what they are here. Everything on one executor.
class session_fields
{
public:
    /// All of them must outlive it. `state`: all of it but its count.
    session_fields(
        const asio::any_io_executor& executor, session_folder& folder, const identity& who, conversation_feed& feed,
        screen& out, boost::json::object description, std::function<boost::json::object()> state);

    /// Changes what describes the session.
    void describe(std::string_view name, boost::json::value value);
    void state_changed();
    /// The state that has all that happened so far: sealed already, or about to be.
    std::int64_t state_count() const;

    /// What describes it, to replace what has that version.
    result<std::string> seal_description(std::int64_t after) const;
    /// Whether that is a description of this session.
    bool describes_us(const std::string& sealed) const { return open_description(sealed).has_value(); }

    /// The relay has the session, `known` of it. `takes_over`: what others wrote into it is taken over.
    void begin(const unchecked& known, bool takes_over, const field_publisher::asker& ask);
    bool begun() const noexcept { return state_ != nullptr; }
    /// Publish until stop(). One call each, after begin().
    asio::awaitable<void> run_state() { return field_publisher::run(state_); }
    asio::awaitable<void> run_description() { return field_publisher::run(description_); }
    /// The relay tells of another version of one of them.
    void seen(const unchecked& update);
    void nudge();
    void start_over();
    void stop();
    /// Says all once more.
    void say_all();
    /// Waits until the relay has both, for that long each.
    asio::awaitable<void> settled(std::chrono::milliseconds limit);

    /// Whether the relay took one since then.
    bool taken_since(std::chrono::steady_clock::time_point since) const noexcept { return taken_ > since; }

    /// The relay does not know the session, or will not have us.
    std::function<void(const relay_failure&)> on_refused = [](const relay_failure&) {};
    /// A browser wants the session to end.
    std::function<void()> on_end_wanted = [] {};

private:
    result<std::string> seal_state();
    void note_state(const std::string& sealed);
    result<bytes> open_description(const std::string& sealed) const;
    void merge_description(const std::string& sealed);
    void say_refused(const std::string& what, const relay_failure& reason);
    void was_taken(const std::string& what);
    void save_record();

    asio::any_io_executor executor_;
    session_folder& folder_;
    const identity& who_;
    conversation_feed& feed_;
    screen& out_;
    boost::json::object words_; ///< that describe it
    std::function<boost::json::object()> current_state_;
    std::shared_ptr<field_publisher> state_;
    std::shared_ptr<field_publisher> description_;
    std::set<std::string> refused_; ///< said
    std::chrono::steady_clock::time_point taken_;
};

} // namespace consortium::agent
