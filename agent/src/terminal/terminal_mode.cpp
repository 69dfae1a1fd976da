#include "terminal/terminal_mode.hpp"
#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <unistd.h>

namespace consortium::agent
{
namespace
{

constexpr std::array fatal_signals{SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGQUIT};

/// What the handlers know: nothing in it is ever allocated.
struct last_resort
{
    std::atomic<int> descriptor{-1}; ///< of a terminal that is not as it was found
    termios found{};
    std::array<char, 512> undo{};
    std::atomic<std::size_t> undo_bytes{0};
    std::array<struct sigaction, fatal_signals.size()> before{};
};
last_resort& resort() noexcept
{
    static last_resort only;
    return only;
}

extern "C" void restore_and_end(int number)
{
    auto& known = resort();
    const int descriptor = known.descriptor.exchange(-1);
    if (descriptor >= 0)
    {
        (void)!::write(descriptor, known.undo.data(), known.undo_bytes.load());
        ::tcsetattr(descriptor, TCSANOW, &known.found);
    }
    for (std::size_t each = 0; each < fatal_signals.size(); ++each)
        ::sigaction(fatal_signals[each], &known.before[each], nullptr);
    ::raise(number); // when this returns, as whoever handled it before would have it
}

void watch_fatal_signals() noexcept
{
    struct sigaction action{};
    action.sa_handler = &restore_and_end;
    ::sigemptyset(&action.sa_mask);
    for (std::size_t each = 0; each < fatal_signals.size(); ++each)
        ::sigaction(fatal_signals[each], &action, &resort().before[each]);
}

void forget_fatal_signals() noexcept
{
    for (std::size_t each = 0; each < fatal_signals.size(); ++each)
        ::sigaction(fatal_signals[each], &resort().before[each], nullptr);
}

} // namespace

int open_terminal_anew(int descriptor)
{
    const auto path = "/proc/self/fd/" + std::to_string(descriptor);
    if (::isatty(descriptor) == 1)
    {
        const int flags = ::fcntl(descriptor, F_GETFL) & O_ACCMODE;
        const int own = ::open(path.c_str(), flags | O_NOCTTY | O_CLOEXEC);
        if (own >= 0)
            return own;
    }
    return ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
}

terminal_mode::terminal_mode(int descriptor) noexcept : descriptor_(descriptor)
{
    termios now{};
    if (::tcgetattr(descriptor, &now) == 0)
        found_ = now;
}

terminal_mode::~terminal_mode()
{
    restore();
}

void terminal_mode::raw() noexcept
{
    if (!found_)
        return;
    auto wanted = *found_;
    ::cfmakeraw(&wanted);
    set(wanted);
}

void terminal_mode::keys() noexcept
{
    if (!found_)
        return;
    auto wanted = *found_;
    wanted.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    wanted.c_cc[VMIN] = 1;
    wanted.c_cc[VTIME] = 0;
    set(wanted);
}

void terminal_mode::set(const termios& wanted) noexcept
{
    auto& known = resort();
    if (!changed_)
    {
        known.found = *found_;
        known.undo_bytes = 0;
        known.descriptor = descriptor_;
        watch_fatal_signals();
        changed_ = true;
    }
    // At once: to wait until all is printed would stand still at a terminal that a person holds with Ctrl-S.
    while (::tcsetattr(descriptor_, TCSANOW, &wanted) != 0 && errno == EINTR)
    {
    }
}

void terminal_mode::restore() noexcept
{
    if (!changed_)
        return;
    while (::tcsetattr(descriptor_, TCSANOW, &*found_) != 0 && errno == EINTR)
    {
    }
    resort().descriptor = -1;
    forget_fatal_signals();
    changed_ = false;
}

void terminal_mode::undo_with(const std::string& sequences) noexcept
{
    auto& known = resort();
    known.undo_bytes = 0;
    const auto size = std::min(sequences.size(), known.undo.size());
    std::memcpy(known.undo.data(), sequences.data(), size);
    known.undo_bytes = size;
}

} // namespace consortium::agent
