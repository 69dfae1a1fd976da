#pragma once
#include "base/child_process.hpp"
#include "consortium/common/error.hpp"
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unistd.h>

namespace consortium::agent
{
namespace asio = boost::asio;

/// The person's terminal. The descriptors stay the caller's.
struct seat_terminal
{
    int input = STDIN_FILENO;
    int output = STDOUT_FILENO;
};

/// The place at the terminal. A program that sits there cannot tell it from the terminal itself: it has a PTY of its
/// own, and every byte, size and signal passes in both directions, in order, at once. What passes is never kept or
/// logged. Once it has ended another program can sit down, or what the browser does is shown (open_view).
///
/// One executor, not thread-safe. However it goes, the terminal is left as it was found: the destructor sees to that,
/// and handlers of the signals that would end this process.
class seat : public std::enable_shared_from_this<seat>
{
public:
    static std::shared_ptr<seat> make(asio::any_io_executor executor, seat_terminal terminal = {});
    virtual ~seat() = default;

    // The program.

    /// Starts it in the PTY, with the terminal's size. As child_process::spawn() otherwise, `before_start` too.
    /// errc::locked while another one runs.
    virtual result<void> start(const child_options& options) = 0;
    virtual bool running() const noexcept = 0;
    virtual pid_t pid() const noexcept = 0;
    /// To its group. Nothing happens after the end.
    virtual void signal(int number) noexcept = 0;
    /// Completes when it has ended and the last byte that it wrote stands on the terminal. One waiter.
    virtual asio::awaitable<child_exit> ended() = 0;

    // Typing in its place.

    /// Types a text and Enter: as one paste, then, once the program has shown that it took it, the key. `text` cannot
    /// end the paste: controls other than tab and line feed are left out of it. Errors, after which nothing more is
    /// typed: errc::locked, a person has begun to type (`has_draft`), before or meanwhile; errc::unavailable, the
    /// program did not show what was pasted, a dialog may be open; errc::closed, it ended. One at a time.
    virtual asio::awaitable<result<void>> type_prompt(std::string text) = 0;
    /// Keys as a terminal sends them, "\033" for Escape. Not for text.
    virtual void press(std::string_view keys) = 0;

    // The person's hands.

    /// Something was typed since Enter, Escape, Ctrl-C or Ctrl-U was pressed last: as far as keys tell.
    virtual bool has_draft() const noexcept = 0;
    /// Of the last key; what the terminal says by itself (focus, answers to questions, the mouse) is none.
    virtual std::chrono::steady_clock::time_point last_key() const noexcept = 0;

    // The browser's turn: no program runs. The alternate screen with a headline, under which `screen` prints.

    /// `headline` is of one row; it stays where it is. `on_key` is called at the first key, which goes nowhere else.
    virtual void open_view(std::string headline, std::function<void()> on_key) = 0;
    /// As it was before open_view(). start() does that too.
    virtual void close_view() = 0;

    // What happens. Called on the executor, never inside a call to this.

    /// What the program writes, as it passes: in pieces of at most 64 KiB, cut anywhere. Must not be kept.
    std::function<void(std::string_view)> on_output;
    /// A key was pressed: has_draft() may be another.
    std::function<void()> on_key;
    /// The terminal is gone, or this process was asked to end by a signal (its number; SIGHUP for a lost terminal). A
    /// program that runs was sent it too, and has a moment to end by itself.
    std::function<void(int signal)> on_end_asked;
};

} // namespace consortium::agent
