#pragma once
#include "child_process.hpp"
#include "claude/line_buffer.hpp"
#include "claude/partial_text.hpp"
#include "claude/permission.hpp"
#include "given_prompts.hpp"
#include <boost/asio/steady_timer.hpp>
#include <boost/json/value.hpp>
#include <deque>
#include <map>

/// Claude Code in remote mode: one long-lived child that speaks stream-json (docs/claude-code.md).
namespace consortium::agent::claude
{

struct driver_options
{
    child_options child;
    std::chrono::milliseconds start_timeout = std::chrono::minutes(10); ///< the hooks of a folder may be slow
    std::chrono::milliseconds control_timeout{30'000};
};

/// The command line of remote mode; `user_arguments` go to Claude unchanged.
std::vector<std::string> remote_arguments(
    const std::vector<std::string>& user_arguments, const std::optional<std::string>& resume,
    const std::optional<std::string>& new_session_id);
/// Whether the user chose a conversation himself (--resume, --continue, --session-id …).
bool chooses_session(const std::vector<std::string>& user_arguments);

/// Something that runs on without a turn: a command, a subagent.
struct background_task
{
    std::string id;
    std::string type;
    std::string what;
};

/// What Claude says. Called on the driver's executor, never inside a call to the driver.
class driver_events
{
public:
    virtual ~driver_events() = default;
    /// A finished line; `block` names the block of an assistant line. Every line is one but those that the others of
    /// these functions tell of.
    virtual void on_line(json::object line, const std::string& block) = 0;
    /// A line that cannot be read, whatever is forgiven; what it could have held up was answered.
    virtual void on_unreadable(std::string_view line) = 0;
    /// There is new partial text to take().
    virtual void on_partial() = 0;
    virtual void on_question(question asked) = 0;
    /// Claude wanted something we do not know; it was refused.
    virtual void on_unknown_request(const std::string& subtype) = 0;
    /// A question is void: nobody must answer it any more.
    virtual void on_question_void(const std::string& request_id) = 0;
    virtual void on_busy(bool busy) = 0;
    /// What became of a prompt; it may be one that Claude made itself.
    virtual void on_prompt(const std::string& uuid, prompt_step step) = 0;
    virtual void on_session_id(const std::string& id) = 0;
    virtual void on_mode(const std::string& mode) = 0;
    virtual void on_model(const std::string& model) = 0;
    virtual void on_title(const std::string& title) = 0;
    /// All that runs in the background now.
    virtual void on_background(std::vector<background_task> tasks) = 0;
};

/// Not thread-safe: everything on the executor it was made with.
class driver : public std::enable_shared_from_this<driver>
{
public:
    /// `events` must outlive the driver or call detach().
    static std::shared_ptr<driver> make(asio::any_io_executor executor, driver_events& events);

    /// Starts the child and waits until it answers. Errors: errc::not_found (no such program), errc::closed (it ended;
    /// `detail` has its own words), errc::timeout.
    asio::awaitable<result<json::object>> start(driver_options options);

    /// Hands a prompt over. Claude does not run a uuid again that it has seen in this conversation.
    void prompt(const std::string& uuid, const json::value& content);
    void answer(const std::string& request_id, json::object response);
    /// Errors: errc::bad_request (Claude refused, in its words), errc::closed, errc::timeout.
    asio::awaitable<result<json::object>> control(std::string subtype, json::object fields = {});
    /// Stops the running turn. The prompts that wait behind it (their uuids) are cancelled first, so that stop means
    /// stop. Those of them that could not be cancelled: Claude had begun with them.
    asio::awaitable<result<std::vector<std::string>>> interrupt(std::vector<std::string> waiting);

    /// Completes when the child has ended and all it said was handed on.
    asio::awaitable<child_exit> ended();
    /// The end of what it wrote to stderr, for people.
    std::string last_words() const;

    /// Ends it: asks by closing its input; the caller may become louder with signal().
    void close_input();
    void signal(int number) noexcept;
    void detach() noexcept { events_ = nullptr; }

    std::vector<partial_text> take_partial() { return partial_.take(); }
    bool busy() const noexcept { return busy_; }
    pid_t pid() const noexcept { return child_ ? child_->pid() : 0; }

private:
    struct waiting
    {
        explicit waiting(const asio::any_io_executor& executor) : arrived(executor) {}
        asio::steady_timer arrived;
        std::optional<result<json::object>> outcome;
    };

    driver(asio::any_io_executor executor, driver_events& events);
    static asio::awaitable<void> read_output(std::shared_ptr<driver> self);
    static asio::awaitable<void> read_errors(std::shared_ptr<driver> self);
    static asio::awaitable<void> write_input(std::shared_ptr<driver> self);
    void write(const json::object& line);
    void on_line(std::string_view text);
    void on_unreadable(std::string_view text);
    void on_system(json::object& line);
    bool is_due(const json::object& line);
    void on_control_request(const json::object& line);
    void refuse_request(const std::string& id, const char* why);
    void on_control_response(const json::object& line);
    void set_busy(bool busy);
    void fail_waiting();

    asio::any_io_executor executor_;
    driver_events* events_;
    driver_options options_;
    std::unique_ptr<child_process> child_;
    line_buffer lines_;
    partial_tracker partial_;
    std::deque<std::string> outgoing_;
    asio::steady_timer outgoing_changed_;
    asio::steady_timer readers_done_;
    int readers_ = 0;
    bool input_closing_ = false;
    std::map<std::string, std::shared_ptr<waiting>> waiting_;
    std::map<std::string, std::chrono::steady_clock::time_point> progress_; ///< when it was last passed on
    std::string errors_;
    std::string failure_; ///< of a `result` line before the end, e.g. an unknown conversation
    std::uint64_t next_request_ = 1;
    bool busy_ = false;
    bool has_state_events_ = false;
    std::string session_id_;
};

} // namespace consortium::agent::claude
