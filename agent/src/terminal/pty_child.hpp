#pragma once
#include "base/program_start.hpp"
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <memory>
#include <optional>
#include <sys/ioctl.h>
#include <termios.h>

namespace consortium::agent
{

/// A running program whose controlling terminal is a PTY of its own, in the foreground there. Between it and us stands
/// a process that leads the PTY's session and does nothing else: a program whose parent is in another session could not
/// suspend itself, the kernel ignores SIGTSTP in such a group. It ends when this process does, however that ends.
/// Destroying this kills its group and waits for the end. Not thread-safe.
class pty_child
{
public:
    /// `like`: how its terminal is set up at first; nothing: as new ones are. Errors: those of child_process::spawn().
    static result<std::unique_ptr<pty_child>> spawn(
        asio::any_io_executor executor, const child_options& options, const std::optional<termios>& like,
        const winsize& size);
    ~pty_child();
    pty_child(const pty_child&) = delete;
    pty_child& operator=(const pty_child&) = delete;

    /// What is typed goes in here.
    asio::posix::stream_descriptor& input() noexcept { return input_; }
    /// What is printed comes out here. Once the program has ended or is stopped, a read that would wait has everything
    /// that it had written until then behind it.
    asio::posix::stream_descriptor& output() noexcept { return output_; }
    /// To whatever is left of it in its terminal that is gone now.
    void hang_up() noexcept;
    /// The kernel tells the program, if that is another size than before.
    void resize(const winsize& size) noexcept;
    pid_t pid() const noexcept { return pid_; }
    /// To the whole group. Nothing happens after the end.
    void signal(int number) noexcept;
    /// Completes when it was stopped by a signal (empty), or has ended. One waiter.
    asio::awaitable<std::optional<child_exit>> change();

private:
    explicit pty_child(const asio::any_io_executor& executor) : input_(executor), output_(executor), statuses_(executor)
    {
    }

    asio::posix::stream_descriptor input_; ///< both are our side of the PTY
    asio::posix::stream_descriptor output_;
    asio::posix::stream_descriptor statuses_; ///< of waitpid(), from the leader
    owned_descriptor inside_;                 ///< the program's side, so that it is never hung up while it runs
    pid_t leader_ = -1;
    pid_t pid_ = -1;
    std::optional<child_exit> exit_;
};

} // namespace consortium::agent
