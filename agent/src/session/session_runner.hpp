#pragma once
#include "drivers/claude/brought.hpp"
#include "drivers/driver.hpp"
#include "identity/device_book.hpp"
#include "identity/device_directory.hpp"
#include "identity/keystore.hpp"
#include "identity/log_checker.hpp"
#include "link/held_messages.hpp"
#include "link/relay_client.hpp"
#include "link/session_link.hpp"
#include "session/agent_state.hpp"
#include "session/approvals.hpp"
#include "session/call_gate.hpp"
#include "session/conversation_feed.hpp"
#include "session/prompt_queue.hpp"
#include "session/session_fields.hpp"
#include "storage/session_folder.hpp"
#include "terminal/screen.hpp"
#include "terminal/terminal_input.hpp"

namespace consortium::agent
{
namespace json = boost::json;

/// What ends a session in order (docs/protocol.md 5.1, `ended`).
enum class ending
{
    terminal,  ///< Ctrl-C twice
    dashboard, ///< a browser of the account
    system,    ///< a signal: the terminal was closed, the machine goes down
    claude,    ///< Claude Code ended
    trouble,   ///< it could not go on
};
std::string_view word(ending because);

/// A question that is asked before Claude is started, in words for the terminal.
struct early_words
{
    own_text before;
    std::vector<std::string> shown;
    own_text after;
    own_text question;
    std::string waiting; ///< what is said where only the dashboard is asked
    std::string yes;     ///< what the dashboard is told when it was answered here
    std::string no;
};

struct run_options
{
    std::filesystem::path claude;
    std::vector<std::string> environment;
    std::vector<std::string> arguments; ///< for Claude, unchanged
    std::string program = "consortium"; ///< how this program was called, and with which words for Claude: what a person
    std::vector<std::string> given;     ///< must type to take the session up again, but for its id
    std::string first_prompt;           ///< typed at the terminal, behind the command's name; may be empty
    bool resumed = false;               ///< the folder is of a session that ended, or that a crash left
    terminal_input* terminal = nullptr; ///< where a person can be asked; none: only in the dashboard
    link_options::dialler dial = &socket_client::connect;
    std::chrono::milliseconds log_interval{60'000}; ///< between looks at the relay's log
};

/// One session in remote mode, from its start to its end: Claude on one side, the relay on the other.
/// Everything on one executor.
class session_runner final : driver_events, link_events, message_sender
{
public:
    session_runner(
        asio::any_io_executor executor, const keystore& store, const identity& who, session_folder folder,
        relay_client& relay, device_directory& devices, screen& out, const clock_source& clock, const boot_clock& spans,
        run_options options);
    ~session_runner() override;

    /// Runs until the session has ended. The process's exit status.
    asio::awaitable<int> run();

    /// Ctrl-C: the first stops the running turn, the second soon after it ends the session.
    void interrupt();
    /// Ends the session in order.
    void end(std::string why, ending because = ending::trouble);

    // What the account's book of devices says.
    void on_device_alarm(const device_alarm& alarm);
    void on_device_revoked();

private:
    // What Claude says.
    void on_said(said what) override;
    void on_unreadable(std::string_view line) override;
    void on_partial() override;
    void on_question(question asked) override;
    void on_unknown_request(const std::string& what) override;
    void on_question_end(const std::string& request_id) override;
    void on_busy(bool busy) override;
    void on_prompt(const std::string& uuid, prompt_step step) override { prompts_->heard(uuid, step); }
    void on_mode(const std::string& mode) override { prompts_->on_mode(mode); }
    void on_model(const std::string& model) override { prompts_->on_model(model); }
    void on_conversation(const std::string& id) override;
    void on_title(const std::string& title) override;
    void on_background(std::vector<background_task> tasks) override;

    // What the relay says.
    void on_caught_up(bool from_known_place) override;
    void on_online() override;
    void on_offline(const error& reason) override;
    void on_update(const unchecked& body) override;
    void on_rpc(const std::string& method, const std::string& params, std::function<void(std::string)> reply) override;
    void on_link_refused(const relay_failure& reason) override;
    asio::awaitable<relay_answer<void>> send_messages(std::vector<spool_entry> batch) override;

    asio::awaitable<void> go();
    json::object description() const;
    json::object whole_state() const;
    asio::awaitable<void> ask_for_trust(question asked);
    asio::awaitable<void> ask_for_brought();
    asio::awaitable<result<bool>> ask_early(question asked, early_words words);
    asio::awaitable<void> ask_early_at_terminal(early_words words);
    bool decide_early(bool yes, std::string_view where);
    void remember_brought(const std::vector<claude::brought>& about, bool run);
    void leave_out_brought(const claude::brought_plan& plan);
    void connect_once();
    asio::awaitable<result<void>> start_claude();
    asio::awaitable<void> end_leftover_claude();
    result<void> take_back_unanswered();
    asio::awaitable<relay_answer<void>> make_session();
    asio::awaitable<void> connect();
    asio::awaitable<void> beat();
    asio::awaitable<void> watch_log();
    void on_log_alarm(const log_alarm& alarm);
    asio::awaitable<void> stream_partial();
    asio::awaitable<void> watch_claude();
    asio::awaitable<void> fetch_messages();
    asio::awaitable<void> heard_of_deletion(unchecked said, hearsay otherwise);
    asio::awaitable<void> begin(std::string params, std::function<void(std::string)> reply);
    asio::awaitable<void> serve(call_method method, std::string params, std::function<void(std::string)> reply);
    asio::awaitable<result<json::value>> carry_out(const accepted_call& call);
    asio::awaitable<result<json::value>> act(const accepted_call& call);
    result<json::value> learn_devices(const json::value& d);
    asio::awaitable<result<void>> read_chain();
    asio::awaitable<void> read_chain_anew();
    asio::awaitable<void> read_chain_then_judge();
    void tell_resumed(bool had_ended);
    void tell_earlier(unix_millis ended_at);
    asio::awaitable<void> pause_for(std::chrono::milliseconds time);
    asio::awaitable<void> stop_claude();
    asio::awaitable<void> close_session();
    void spawn(asio::awaitable<void> work);

    void look_at_message(const stored_message& message);
    void say_offline(const error& reason);
    void save_record();
    bool follow_log(const std::string& log);
    void read_log_anew(std::string_view why);
    void say_anew(std::string_view why);
    void fetch_unread();
    bool begins_as_remembered(const std::vector<unchecked>& messages) const;
    void session_gone(const evidence& proof, const std::string& why);
    bool is_ours(const unchecked& session, const std::string& boxed) const;
    void show(const said& what);
    void send_alive();

    asio::any_io_executor executor_;
    const keystore& store_;
    identity who_;
    session_folder folder_;
    relay_client& relay_;
    device_directory& devices_;
    screen& out_;
    const clock_source& clock_;
    const boot_clock& spans_;
    run_options options_;

    conversation_feed feed_;
    std::shared_ptr<driver> driver_;
    std::shared_ptr<session_link> link_;
    std::optional<call_gate> calls_; ///< once the session is made
    approvals approvals_;
    agent_state state_;
    session_fields fields_;
    std::optional<prompt_queue> prompts_; ///< once run() has read who the account is

    std::uint64_t connection_ = 0; ///< counts them
    bool chain_read_ = false;      ///< since this connection came up
    wakeup partial_changed_;
    wakeup ending_;
    wakeup early_changed_;
    std::optional<bool> early_answer_; ///< to what is asked before Claude is started, once somebody answered
    std::string early_ask_;            ///< the id of that
    bool asking_at_terminal_ = false;  ///< that
    json::object brought_decided_;     ///< about servers and plugins, by file
    bool connecting_ = false;          ///< under way since it was first needed
    wakeup alive_;
    wakeup log_due_;
    log_checker log_;
    bool prove_next_ = false; ///< the last message of a turn
    held_messages held_;      ///< that came live while the stored ones are being read
    bool fetching_ = false;
    bool started_ = false;   ///< Claude has answered
    bool as_before_ = false; ///< nothing came of taking the session up: it stays interrupted, or ended when it had
    bool ended_ = false;
    bool gone_ = false; ///< deleted, or access withdrawn: nothing more to say to the relay
    bool online_ = false;
    bool said_offline_ = false;
    std::string why_;
    ending because_ = ending::trouble;
    bool forgotten_ = false; ///< Claude has no record any more of what it was asked before
    int status_ = 0;
    std::chrono::steady_clock::time_point last_interrupt_;
    int tasks_ = 0;
    wakeup task_done_;
};

} // namespace consortium::agent
