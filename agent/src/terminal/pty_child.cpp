#include "terminal/pty_child.hpp"
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace consortium::agent
{
namespace
{

struct pty_ends
{
    owned_descriptor ours;
    owned_descriptor inside;
};

result<pty_ends> make_pty(const std::optional<termios>& like, const winsize& size)
{
    pty_ends out;
    out.ours = owned_descriptor(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (out.ours.get() < 0 || ::grantpt(out.ours.get()) != 0 || ::unlockpt(out.ours.get()) != 0)
        return fail_errno("cannot make a terminal", errno);
    std::array<char, PATH_MAX> name{};
    if (::ptsname_r(out.ours.get(), name.data(), name.size()) != 0)
        return fail_errno("cannot make a terminal", errno);
    out.inside = owned_descriptor(::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (out.inside.get() < 0)
        return fail_errno("cannot make a terminal", errno);
    if (like)
        ::tcsetattr(out.inside.get(), TCSANOW, &*like);
    ::ioctl(out.inside.get(), TIOCSWINSZ, &size);
    return out;
}

/// Files of ours that stay open in the leader would outlive our closing them.
void close_all_but(int kept)
{
    const auto number = static_cast<unsigned>(kept);
    if (number > 0)
        ::syscall(SYS_close_range, 0u, number - 1, 0u);
    ::syscall(SYS_close_range, number + 1, ~0u, 0u);
}

/// In the forked leader: nothing but async-signal-safe calls. Never returns.
[[noreturn]] void lead(program_start& start, int inside, int statuses, pid_t parent)
{
    // It goes when its program or we do, and for no other reason.
    for (const int each : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, SIGPIPE})
        ::signal(each, SIG_IGN);
    ::signal(SIGCHLD, SIG_DFL);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent || ::setsid() < 0 || ::ioctl(inside, TIOCSCTTY, 0) != 0)
        ::_exit(127);
    const pid_t self = ::getpid();
    const pid_t program = ::fork();
    if (program < 0)
        ::_exit(127);
    if (program == 0)
    {
        ::setpgid(0, 0);
        start.become(inside, inside, inside, self);
    }
    ::setpgid(program, program);
    ::tcsetpgrp(inside, program);
    start.forget();
    (void)!::write(statuses, &program, sizeof program);
    close_all_but(statuses);
    for (;;)
    {
        int status = 0;
        const pid_t changed = ::waitpid(program, &status, WUNTRACED);
        if (changed < 0 && errno == EINTR)
            continue;
        if (changed < 0 || ::write(statuses, &status, sizeof status) != sizeof status)
            ::_exit(127);
        if (!WIFSTOPPED(status))
            ::_exit(0);
    }
}

} // namespace

result<std::unique_ptr<pty_child>> pty_child::spawn(
    asio::any_io_executor executor, const child_options& options, const std::optional<termios>& like,
    const winsize& size)
{
    auto pty = make_pty(like, size);
    if (!pty)
        return std::unexpected(pty.error());
    auto statuses = make_pipe();
    if (!statuses)
        return std::unexpected(statuses.error());
    auto start = program_start::prepare(options);
    if (!start)
        return std::unexpected(start.error());
    const pid_t self = ::getpid();
    const pid_t leader = ::fork();
    if (leader < 0)
        return fail_errno("cannot start " + options.program.string(), errno);
    if (leader == 0)
        lead(*start, pty->inside.get(), statuses->write.get(), self);
    statuses->write = owned_descriptor();
    pid_t program = -1;
    ssize_t size_read = 0;
    while ((size_read = ::read(statuses->read.get(), &program, sizeof program)) < 0 && errno == EINTR)
    {
    }
    const auto running = size_read == sizeof program
                             ? start->finish(program)
                             : result<void>(fail(errc::io, "cannot start " + options.program.string()));
    if (!running)
    {
        // The program ends by itself, and the leader with it.
        ::waitpid(leader, nullptr, 0);
        return std::unexpected(running.error());
    }

    std::unique_ptr<pty_child> child(new pty_child(executor));
    child->leader_ = leader;
    child->pid_ = program;
    child->input_.assign(::fcntl(pty->ours.get(), F_DUPFD_CLOEXEC, 0));
    child->output_.assign(pty->ours.release());
    child->output_.non_blocking(true);
    child->statuses_.assign(statuses->read.release());
    child->inside_ = std::move(pty->inside);
    return child;
}

pty_child::~pty_child()
{
    if (leader_ <= 0)
        return;
    signal(SIGKILL);
    // Nobody reads any more what the leader has to say. It still waits for the program's end.
    while (::waitpid(leader_, nullptr, 0) < 0 && errno == EINTR)
    {
    }
}

void pty_child::hang_up() noexcept
{
    boost::system::error_code ignored;
    input_.close(ignored);
    output_.close(ignored);
}

void pty_child::resize(const winsize& size) noexcept
{
    ::ioctl(inside_.get(), TIOCSWINSZ, &size);
}

void pty_child::signal(int number) noexcept
{
    if (pid_ > 0 && !exit_)
        ::kill(-pid_, number);
}

asio::awaitable<std::optional<child_exit>> pty_child::change()
{
    if (exit_)
        co_return exit_;
    int status = 0;
    boost::system::error_code problem;
    co_await asio::async_read(
        statuses_, asio::buffer(&status, sizeof status), asio::redirect_error(asio::use_awaitable, problem));
    if (problem)
        exit_ = child_exit{std::nullopt, SIGKILL}; // the leader was killed, and its program with it
    else if (WIFSTOPPED(status))
        co_return std::nullopt;
    else
        exit_ = exit_of(status);
    co_return exit_;
}

} // namespace consortium::agent
