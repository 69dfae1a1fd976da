#pragma once
#include "consortium/common/error.hpp"
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace consortium::agent
{
namespace asio = boost::asio;

/// A process by more than its number, which the system gives out again.
struct process_identity
{
    pid_t pid = 0;
    std::uint64_t started = 0; ///< clock ticks since boot
};

struct child_options
{
    std::filesystem::path program;
    std::vector<std::string> arguments;   ///< without the program itself
    std::vector<std::string> environment; ///< "NAME=value", the whole of it
    std::filesystem::path directory;
    /// Called before the program begins. It does not begin when this fails, or when this process ends during it: what
    /// is to be remembered about it is remembered of every program that ever ran.
    std::function<result<void>(const process_identity&)> before_start = {};
};

/// How a process ended: by itself with a code, or by a signal.
struct child_exit
{
    std::optional<int> code;
    int signal = 0;

    bool good() const noexcept { return code == 0; }
    /// "status 1", "signal 9 (Killed)"
    std::string text() const;
};

/// A running program with pipes to its standard streams, in a process group of its own: a Ctrl-C at our terminal does
/// not reach it. It ends when this process does, however that ends. Not thread-safe. Destroying it kills the group and
/// waits for the end.
class child_process
{
public:
    /// errc::not_found when there is no such program, errc::io otherwise.
    static result<std::unique_ptr<child_process>> spawn(asio::any_io_executor executor, const child_options& options);
    ~child_process();
    child_process(const child_process&) = delete;
    child_process& operator=(const child_process&) = delete;

    asio::posix::stream_descriptor& input() noexcept { return input_; }
    asio::posix::stream_descriptor& output() noexcept { return output_; }
    asio::posix::stream_descriptor& errors() noexcept { return errors_; }
    pid_t pid() const noexcept { return pid_; }

    /// To the whole group. Nothing happens after the end.
    void signal(int number) noexcept;
    /// Completes once the process has ended.
    asio::awaitable<child_exit> wait();

private:
    explicit child_process(const asio::any_io_executor& executor);

    asio::posix::stream_descriptor input_;
    asio::posix::stream_descriptor output_;
    asio::posix::stream_descriptor errors_;
    asio::posix::stream_descriptor handle_; ///< a pidfd: readable when the process has ended
    pid_t pid_ = -1;
    std::optional<child_exit> exit_;
};

/// Empty when there is no such process, or it has ended.
std::optional<process_identity> identify_process(pid_t pid);
bool is_running(const process_identity& process);
/// False also for one that was killed but has not gone yet, perhaps because it is in the middle of a write.
bool will_go_on(const process_identity& process);
/// Kills that process and its group, and completes once every thread of it has ended: it writes nothing any more.
asio::awaitable<void> end_process(asio::any_io_executor executor, process_identity process);

} // namespace consortium::agent
