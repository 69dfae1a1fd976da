#pragma once
#include "consortium/common/error.hpp"
#include <boost/asio/posix/stream_descriptor.hpp>
#include <optional>
#include <string>
#include <termios.h>

namespace consortium::agent
{

/// The terminal behind `descriptor`, opened anew where that can be: that its reads and writes do not wait is then
/// nobody's business but ours. Other programs share a descriptor that was inherited.
int open_terminal_anew(int descriptor);

/// How a terminal is set up, and the promise that it is set up again as it was found: by the destructor, and by
/// handlers of the signals with which a fault ends a process. One at a time in a process.
class terminal_mode
{
public:
    explicit terminal_mode(int descriptor) noexcept;
    ~terminal_mode();
    terminal_mode(const terminal_mode&) = delete;
    terminal_mode& operator=(const terminal_mode&) = delete;

    /// As it was found; empty where there is no terminal.
    const std::optional<termios>& found() const noexcept { return found_; }
    /// Every byte passes in both directions, as it is.
    void raw() noexcept;
    /// Keys come one by one and are not shown; what is printed is lines.
    void keys() noexcept;
    void restore() noexcept;
    /// What the handlers are to print besides: it undoes what was printed so far.
    void undo_with(const std::string& sequences) noexcept;

private:
    void set(const termios& wanted) noexcept;

    int descriptor_;
    std::optional<termios> found_;
    bool changed_ = false;
};

} // namespace consortium::agent
