#pragma once
#include "base/child_process.hpp"
#include "drivers/claude/line_buffer.hpp"
#include "drivers/claude/partial_text.hpp"
#include "drivers/claude/permission.hpp"
#include "drivers/driver.hpp"
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

/// Its uuids of prompts are Claude's: it does not run one again that it has seen in this conversation.
class pipe_driver final : public driver, public std::enable_shared_from_this<pipe_driver>
{
public:
    /// `events` must outlive the driver or call detach().
    static std::shared_ptr<pipe_driver> make(asio::any_io_executor executor, driver_events& events);

    /// Starts the child and waits until it answers. Errors: errc::not_found (no such program), errc::closed (it ended;
    /// `detail` has its own words), errc::timeout.
    asio::awaitable<result<void>> start(driver_options options);

    void detach() noexcept override { events_ = nullptr; }
    void prompt(const std::string& uuid, const std::string& text) override;
    asio::awaitable<result<std::vector<std::string>>> stop_turn(std::vector<std::string> waiting) override;
    result<std::string> prepare_answer(question_kind kind, std::string_view ask, const verdict& said) const override;
    void answer(const std::string& request_id, std::string prepared) override;
    void refuse(const question& asked, const std::string& why) override;
    asio::awaitable<result<std::string>> set_mode(std::string mode) override;
    asio::awaitable<result<void>> set_model(std::string model) override;
    asio::awaitable<result<void>> stop_task(std::string id) override;
    std::vector<partial_text> take_partial() override { return partial_.take(); }
    bool busy() const noexcept override { return busy_; }
    bool started() const noexcept override { return child_ != nullptr; }
    asio::awaitable<child_exit> ended() override;
    std::string last_words() const override;
    void close() override;
    void kill() noexcept override;

    /// Any control request of Claude's.
    asio::awaitable<result<json::object>> control(std::string subtype, json::object fields = {});
    pid_t pid() const noexcept { return child_ ? child_->pid() : 0; }

private:
    struct waiting
    {
        explicit waiting(const asio::any_io_executor& executor) : arrived(executor) {}
        asio::steady_timer arrived;
        std::optional<result<json::object>> outcome;
    };

    pipe_driver(asio::any_io_executor executor, driver_events& events);
    static asio::awaitable<void> read_output(std::shared_ptr<pipe_driver> self);
    static asio::awaitable<void> read_errors(std::shared_ptr<pipe_driver> self);
    static asio::awaitable<void> write_input(std::shared_ptr<pipe_driver> self);
    void write(const json::object& line);
    void write_text(std::string line);
    void close_input();
    void pass_on(json::object line, std::string block = {});
    void on_line(std::string_view text);
    void on_unreadable(std::string_view text);
    void on_system(json::object& line);
    bool is_due(const json::object& line);
    void on_control_request(const json::object& line, std::string_view text);
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
    bool running_ = false;    ///< by those: a turn, or a subagent in the background
    bool background_ = false; ///< something runs there
    std::string session_id_;
};

} // namespace consortium::agent::claude
