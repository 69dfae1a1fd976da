#pragma once
#include "terminal/painted_screen.hpp"
#include "terminal/pty_child.hpp"
#include "terminal/seat.hpp"
#include "terminal/terminal_mode.hpp"
#include "terminal/typed_keys.hpp"
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unistd.h>
#include <vector>

namespace consortium::agent
{

struct pty_seat_options
{
    int input = STDIN_FILENO; ///< the person's terminal; both stay the caller's
    int output = STDOUT_FILENO;
    /// What a program may show instead of a long text that was pasted begins like that.
    std::string paste_label = {};
    /// A program has the terminal from now on; or (false) the view is open, for what is printed.
    std::function<void(bool)> on_taken = {};
};

/// A seat whose program has a PTY of its own. It cannot tell that from the person's terminal: every byte passes in
/// order and at once, in pieces that the slower side sets the pace of; the size is the terminal's; when it suspends
/// itself so does this process, and `fg` brings back both. What passes is kept nowhere. However it goes, the terminal
/// is left as it was found.
class pty_seat final : public seat, public std::enable_shared_from_this<pty_seat>
{
public:
    static std::shared_ptr<pty_seat> make(asio::any_io_executor executor, pty_seat_options options);
    ~pty_seat() override;

    result<void> start(const child_options& program) override;
    asio::awaitable<result<void>> type(std::string text) override;
    void escape() override;
    bool has_draft() const noexcept override { return keys_.draft(); }
    void draft_taken() noexcept override { keys_.clear(); }
    void on_draft(std::function<void()> changed) override { draft_changed_ = std::move(changed); }
    asio::awaitable<child_exit> ended() override;
    void close() override { signal(SIGTERM); }
    void kill() noexcept override { signal(SIGKILL); }
    void open_view(std::string headline, std::function<void()> on_key) override;
    void close_view() override;

    /// Called when the terminal is gone. A program that runs was sent SIGHUP.
    void on_lost(std::function<void()> told) { on_lost_ = std::move(told); }
    /// Of the program that runs, or ran last.
    pid_t pid() const noexcept { return child_ ? child_->pid() : 0; }

private:
    pty_seat(asio::any_io_executor executor, pty_seat_options options);

    static asio::awaitable<void> read_keys(std::shared_ptr<pty_seat> self);
    static asio::awaitable<void> read_program(std::shared_ptr<pty_seat> self, std::shared_ptr<pty_child> child);
    static asio::awaitable<void> watch_program(std::shared_ptr<pty_seat> self, std::shared_ptr<pty_child> child);
    static asio::awaitable<void> watch_signals(std::shared_ptr<pty_seat> self);
    static asio::awaitable<void> press_escape(std::shared_ptr<pty_seat> self);
    void listen();
    void listen_no_more();
    asio::awaitable<void> take_turn();
    void give_turn();
    asio::awaitable<void> send(std::string_view bytes);
    asio::awaitable<void> show(std::string_view bytes);
    asio::awaitable<void> all_shown();
    asio::awaitable<void> on_typed(std::string_view bytes);
    asio::awaitable<result<void>> type_in_turn(const std::string& text);
    bool looks_empty() const;
    void paint(std::string_view bytes);
    void suspend(pty_child& child);
    void signal(int number) noexcept;
    void lost();
    void finish();
    void resize();
    void draw_headline();
    void print(std::string_view bytes);
    winsize size();

    asio::any_io_executor executor_;
    pty_seat_options options_;
    asio::posix::stream_descriptor input_;
    asio::posix::stream_descriptor output_;
    terminal_mode mode_;
    asio::signal_set signals_;
    std::shared_ptr<pty_child> child_;
    std::optional<child_exit> exit_;
    bool running_ = false;
    bool listening_ = false;
    bool watching_signals_ = false;
    bool reading_keys_ = false;
    bool lost_ = false;

    std::vector<char> from_person_;
    std::vector<char> from_program_;
    bool drain_ = false; ///< somebody waits until all that the program has written is shown
    asio::steady_timer drained_;
    asio::steady_timer ended_;

    bool turn_taken_ = false; ///< somebody types into the program
    asio::steady_timer turn_free_;
    typed_keys keys_;
    std::function<void()> draft_changed_;
    std::function<void()> on_lost_;
    winsize room_{};
    painted_screen painted_{80, 24};
    std::string undo_;
    asio::steady_timer shown_; ///< the program has printed something

    std::string headline_; ///< empty: no view
    std::function<void()> on_view_key_;
};

/// What of a text can stand in a paste: lines of text, no key and no sequence, nothing at its end that is not seen.
std::string pasteable(std::string_view text);

} // namespace consortium::agent
