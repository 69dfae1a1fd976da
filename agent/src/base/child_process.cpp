#include "base/child_process.hpp"
#include <array>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <sstream>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace consortium::agent
{
namespace
{

/// A file descriptor that closes itself.
class owned_descriptor
{
public:
    owned_descriptor() = default;
    explicit owned_descriptor(int number) noexcept : number_(number) {}
    owned_descriptor(owned_descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    owned_descriptor& operator=(owned_descriptor&& other) noexcept
    {
        std::swap(number_, other.number_);
        return *this;
    }
    ~owned_descriptor()
    {
        if (number_ >= 0)
            ::close(number_);
    }
    int get() const noexcept { return number_; }
    int release() noexcept { return std::exchange(number_, -1); }

private:
    int number_ = -1;
};

struct pipe_ends
{
    owned_descriptor read;
    owned_descriptor write;
};

result<pipe_ends> make_pipe()
{
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
        return fail_errno("cannot make a pipe", errno);
    return pipe_ends{owned_descriptor(ends[0]), owned_descriptor(ends[1])};
}

std::vector<char*> pointers(std::vector<std::string>& texts)
{
    std::vector<char*> out;
    for (auto& each : texts)
        out.push_back(each.data());
    out.push_back(nullptr);
    return out;
}

/// In the forked child: nothing but async-signal-safe calls from here to the program. Never returns.
[[noreturn]] void become(
    const child_options& options, char* const* arguments, char* const* environment, int input, int output, int errors,
    int report, int permission, pid_t parent)
{
    ::setpgid(0, 0);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    for (const int each : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD})
        ::signal(each, SIG_DFL);
    // Without us nobody could stop it, answer it or see what it does: it ends with us, even when we are killed.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    char word = 0;
    if (::read(permission, &word, 1) != 1)
        ::_exit(127);
    if (::getppid() == parent && ::dup2(input, STDIN_FILENO) >= 0 && ::dup2(output, STDOUT_FILENO) >= 0 &&
        ::dup2(errors, STDERR_FILENO) >= 0 && ::chdir(options.directory.c_str()) == 0)
        ::execve(options.program.c_str(), arguments, environment);
    const int problem = errno;
    (void)!::write(report, &problem, sizeof problem);
    ::_exit(127);
}

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

child_exit exit_of(int status)
{
    if (WIFSIGNALED(status))
        return {std::nullopt, WTERMSIG(status)};
    return {WEXITSTATUS(status), 0};
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

    auto report = make_pipe(); // closed by a successful exec
    if (!report)
        return std::unexpected(report.error());
    auto permission = make_pipe();
    if (!permission)
        return std::unexpected(permission.error());
    auto arguments = options.arguments;
    arguments.insert(arguments.begin(), options.program.string());
    auto environment = options.environment;
    const auto argument_pointers = pointers(arguments);
    const auto environment_pointers = pointers(environment);
    const pid_t self = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0)
        return fail_errno("cannot start " + options.program.string(), errno);
    if (pid == 0)
    {
        permission->write = owned_descriptor(); // so that our end, however it comes, is read as the end
        become(
            options, argument_pointers.data(), environment_pointers.data(), in->read.get(), out->write.get(),
            err->write.get(), report->write.get(), permission->read.get(), self);
    }
    report->write = owned_descriptor();
    if (options.before_start)
    {
        const auto identity = identify_process(pid);
        const auto allowed = identity ? options.before_start(*identity)
                                      : result<void>(fail(errc::io, "cannot watch " + options.program.string()));
        if (!allowed)
        {
            permission->write = owned_descriptor();
            ::waitpid(pid, nullptr, 0);
            return std::unexpected(allowed.error());
        }
    }
    (void)!::write(permission->write.get(), "y", 1);
    int problem = 0;
    ssize_t size = 0;
    while ((size = ::read(report->read.get(), &problem, sizeof problem)) < 0 && errno == EINTR)
    {
    }
    if (size == sizeof problem)
    {
        ::waitpid(pid, nullptr, 0);
        const auto what = "cannot start " + options.program.string();
        if (problem == ENOENT || problem == EACCES)
            return fail(errc::not_found, what + ": " + std::strerror(problem));
        return fail_errno(what, problem);
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
