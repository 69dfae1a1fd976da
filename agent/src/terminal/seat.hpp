#pragma once
#include "base/child_process.hpp"
#include "consortium/common/error.hpp"
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <string>

namespace consortium::agent
{
namespace asio = boost::asio;

/// The place at the person's terminal. A program sits there, and what it prints and what is typed passes through
/// untouched; or the browser has the conversation, and the terminal shows that. Everything on one executor. Callbacks
/// are never called inside a call to this.
class seat
{
public:
    virtual ~seat() = default;

    // The program.

    /// Starts it; after it has ended, the next one. The view is closed. Errors: those of child_process::spawn.
    virtual result<void> start(const child_options& program) = 0;
    /// Types a text as one bracketed paste, then Enter once the program has shown that it took it. No key of the person
    /// gets in between. Controls other than tab and line feed are left out of the text: it cannot end its paste.
    /// errc::conflict: a draft stands, nothing was typed. errc::unavailable: the program did not show what was pasted,
    /// a dialog may be open; Enter was not pressed. errc::closed: the program has ended. One at a time.
    virtual asio::awaitable<result<void>> type(std::string text) = 0;
    /// Presses Esc.
    virtual void escape() = 0;
    /// Whether what the person typed may stand in the program's input, not sent.
    virtual bool has_draft() const noexcept = 0;
    /// The program took what stood there.
    virtual void draft_taken() noexcept = 0;
    /// Called after has_draft() has changed by a key of the person.
    virtual void on_draft(std::function<void()> changed) = 0;
    /// Completes when the program has ended and the last byte that it wrote stands on the terminal, as often as it is
    /// asked.
    virtual asio::awaitable<child_exit> ended() = 0;
    /// Asks it to end (SIGTERM).
    virtual void close() = 0;
    virtual void kill() noexcept = 0;

    // The browser's turn, while no program sits here.

    /// `headline`, of one row, and under it what is printed on the `screen` from now on. `on_key` is called at the
    /// first key, which goes nowhere else.
    virtual void open_view(std::string headline, std::function<void()> on_key) = 0;
    /// What was on the terminal before open_view().
    virtual void close_view() = 0;
};

} // namespace consortium::agent
