#include "base/child_process.hpp"
#include "base/program_start.hpp"
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace consortium::agent
{
namespace
{

struct process_stat
{
    bool ended = false; ///< only nobody has asked how yet
    bool ending = false;
    std::uint64_t started = 0;
};

std::optional<process_stat> read_stat(pid_t pid)
{
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    if (!std::getline(file, line))
        return std::nullopt;
    // proc(5): the name in brackets may hold anything; after it come the fields from the third on.
    std::istringstream rest(line.substr(line.rfind(')') + 1));
    const std::vector<std::string> fields(std::istream_iterator<std::string>(rest), {});
    constexpr std::size_t state = 0;
    constexpr std::size_t flags = 6;
    constexpr std::size_t start_time = 19;
    constexpr std::uint64_t exiting = 4; // PF_EXITING
    if (fields.size() <= start_time)
        return std::nullopt;
    process_stat out;
    out.ended = fields[state] == "Z" || fields[state] == "X";
    out.ending = (std::strtoull(fields[flags].c_str(), nullptr, 10) & exiting) != 0;
    out.started = std::strtoull(fields[start_time].c_str(), nullptr, 10);
    return out;
}

} // namespace

std::string child_exit::text() const
{
    if (code)
        return "status " + std::to_string(*code);
    return "signal " + std::to_string(signal) + " (" + ::strsignal(signal) + ")";
}

child_process::child_process(const asio::any_io_executor& executor)
    : input_(executor), output_(executor), errors_(executor), handle_(executor)
{
}

result<std::unique_ptr<child_process>>
child_process::spawn(asio::any_io_executor executor, const child_options& options)
{
    // A child that ends while we write to it is an error of that write, not the end of this process.
    std::signal(SIGPIPE, SIG_IGN);

    auto in = make_pipe();
    auto out = make_pipe();
    auto err = make_pipe();
    if (!in || !out || !err)
        return std::unexpected((!in ? in : !out ? out : err).error());

    auto start = program_start::prepare(options);
    if (!start)
        return std::unexpected(start.error());
    const pid_t self = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0)
        return fail_errno("cannot start " + options.program.string(), errno);
    if (pid == 0)
    {
        ::setpgid(0, 0);
        start->become(in->read.get(), out->write.get(), err->write.get(), self);
    }
    if (const auto running = start->finish(pid); !running)
    {
        ::waitpid(pid, nullptr, 0);
        return std::unexpected(running.error());
    }

    std::unique_ptr<child_process> child(new child_process(executor));
    child->pid_ = pid;
    const auto handle = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (handle < 0)
        return fail_errno("cannot watch " + options.program.string(), errno);
    child->handle_.assign(handle);
    child->input_.assign(in->write.release());
    child->output_.assign(out->read.release());
    child->errors_.assign(err->read.release());
    return child;
}

child_process::~child_process()
{
    if (pid_ <= 0 || exit_)
        return;
    signal(SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR)
    {
    }
}

void child_process::signal(int number) noexcept
{
    if (pid_ > 0 && !exit_)
        ::kill(-pid_, number);
}

asio::awaitable<child_exit> child_process::wait()
{
    while (!exit_)
    {
        boost::system::error_code problem;
        co_await handle_.async_wait(
            asio::posix::stream_descriptor::wait_read, asio::redirect_error(asio::use_awaitable, problem));
        if (exit_)
            break; // another waiter was first
        int status = 0;
        const auto got = ::waitpid(pid_, &status, WNOHANG);
        if (got == pid_)
            exit_ = exit_of(status);
        else if (problem || got < 0)
            exit_ = child_exit{}; // somebody else has waited for it: it is gone, how is unknown
    }
    co_return *exit_;
}

std::optional<process_identity> identify_process(pid_t pid)
{
    const auto known = read_stat(pid);
    if (!known || known->ended)
        return std::nullopt;
    return process_identity{pid, known->started};
}

bool is_running(const process_identity& process)
{
    const auto now = identify_process(process.pid);
    return now && now->started == process.started;
}

bool will_go_on(const process_identity& process)
{
    const auto known = read_stat(process.pid);
    if (!known || known->started != process.started || known->ended || known->ending)
        return false;
    std::ifstream file("/proc/" + std::to_string(process.pid) + "/status");
    constexpr std::uint64_t kill = 1u << (SIGKILL - 1);
    for (std::string line; std::getline(file, line);)
    {
        if ((line.starts_with("SigPnd:") || line.starts_with("ShdPnd:")) &&
            (std::strtoull(line.c_str() + std::strlen("SigPnd:"), nullptr, 16) & kill) != 0)
            return false;
    }
    return true;
}

asio::awaitable<void> end_process(asio::any_io_executor executor, process_identity process)
{
    // Held by this handle the number cannot become another process's. It is readable only when the last thread is gone,
    // later than the state in /proc says so.
    asio::posix::stream_descriptor handle(executor);
    const auto number = static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0));
    if (number < 0)
        co_return; // gone
    handle.assign(number);
    const auto known = read_stat(process.pid);
    if (!known || known->started != process.started)
        co_return; // another one by now
    ::kill(-process.pid, SIGKILL);
    ::kill(process.pid, SIGKILL);
    boost::system::error_code ignored;
    co_await handle.async_wait(
        asio::posix::stream_descriptor::wait_read, asio::redirect_error(asio::use_awaitable, ignored));
}

} // namespace consortium::agent
