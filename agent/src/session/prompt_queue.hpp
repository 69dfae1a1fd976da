#pragma once
#include "base/bounded_telling.hpp"
#include "base/wakeup.hpp"
#include "drivers/driver.hpp"
#include "link/held_messages.hpp"
#include "session/agent_state.hpp"
#include "session/conversation_feed.hpp"
#include "session/prompt_gate.hpp"
#include "terminal/screen.hpp"
#include <functional>
#include <memory>

namespace consortium::agent
{

/// What people ask of the program: let in by the gate, handed over in order and once, each in the mode that it was
/// written for; held, stopped and taken back; and the ends of turns, by which later prompts are judged. What becomes of
/// each is told in the session. Everything on one executor.
class prompt_queue
{
public:
    /// All of them must outlive it.
    prompt_queue(
        const asio::any_io_executor& executor, session_folder& folder, account_id account,
        const device_directory& devices, conversation_feed& feed, agent_state& state, screen& out,
        const clock_source& clock, const boot_clock& spans);

    /// How far the session's messages were looked at.
    prompt_gate& gate() noexcept { return gate_; }
    const prompt_gate& gate() const noexcept { return gate_; }
    /// Where prompts go from now on.
    void serve(std::shared_ptr<driver> program) { program_ = std::move(program); }

    /// Takes note of a message of the session. Judged once it is known who belongs to the account.
    void look_at(const stored_message& message);
    void judge();
    /// Hands over what may run, until stop().
    asio::awaitable<void> run();
    void stop();
    /// Something may run that could not before.
    void wake() { changed_.notify(); }
    /// What was typed at the machine itself, by whoever sits there, who needs no signature.
    void type(const std::string& text);

    /// Stop means stop: what waits behind the running turn does not run after it either. The end of the turn is on disk
    /// before the program hears of it. The bundle that says so, or the last that did.
    asio::awaitable<result<std::optional<e2ee::bundle_id>>> stop_turn();
    /// As in the gate.
    result<void> decide(const std::string& id, bool run);
    result<void> take_back(const std::string& id, const std::string& from, std::uint64_t n);

    /// Mode and model that a session was in before it was interrupted. What does not work now is tried again before
    /// each prompt, and holds that up until it works.
    asio::awaitable<void> restore();
    /// What is not done is said, and changes nothing that is remembered.
    asio::awaitable<result<void>> set_mode(std::string mode);
    asio::awaitable<result<void>> set_model(std::string model);

    // What the program says.
    void heard(const std::string& uuid, prompt_step step);
    void turn_ended();
    void on_mode(const std::string& mode);
    void on_model(const std::string& model);

    /// The end of a turn that is known but was not said: before a crash, or of one that was stopped before it began.
    void say_unsaid_end();
    /// The last end once more, for readers of a log that has not heard of it. One that waits here still will reach
    /// whichever log is there.
    void say_end_anew();

    /// What stands in the state has changed.
    std::function<void()> on_change = [] {};
    /// Whether it is known who belongs to the account.
    std::function<bool()> knows_account = [] { return true; };
    /// Something came of a device that nobody has named: find out, then judge().
    std::function<void()> on_stranger = [] {};

private:
    void report(const gate_news& news);
    void say_refused(const gate_news& news);
    void say_untold();
    void say_end();
    asio::awaitable<bool> prepare_for(const prompt& next);
    void say_not_prepared(const prompt& next, const std::string& what, const error& why);
    void save_choice();

    session_folder& folder_;
    conversation_feed& feed_;
    agent_state& state_;
    screen& out_;
    const boot_clock& spans_;
    prompt_gate gate_;
    std::shared_ptr<driver> program_;
    bounded_telling refusals_told_;
    std::string mode_to_restore_; ///< what a resumed session was in, and the program is not yet
    std::string model_to_restore_;
    std::string unprepared_; ///< id of the prompt that waits for its mode: said
    wakeup changed_;
    bool stopped_ = false;
};

} // namespace consortium::agent
