#include "child_process.hpp"
#include <array>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <spawn.h>
#include <sstream>
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

/// The attributes of a new process: its own group, default signals, nothing blocked.
struct spawn_attributes
{
    posix_spawnattr_t value{};
    spawn_attributes()
    {
        posix_spawnattr_init(&value);
        posix_spawnattr_setpgroup(&value, 0);
        sigset_t none;
        sigset_t reset;
        sigemptyset(&none);
        sigemptyset(&reset);
        for (const int each : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD})
            sigaddset(&reset, each);
        posix_spawnattr_setsigmask(&value, &none);
        posix_spawnattr_setsigdefault(&value, &reset);
        posix_spawnattr_setflags(&value, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    }
    ~spawn_attributes() { posix_spawnattr_destroy(&value); }
    spawn_attributes(const spawn_attributes&) = delete;
    spawn_attributes& operator=(const spawn_attributes&) = delete;
};

struct spawn_actions
{
    posix_spawn_file_actions_t value{};
    spawn_actions() { posix_spawn_file_actions_init(&value); }
    ~spawn_actions() { posix_spawn_file_actions_destroy(&value); }
    spawn_actions(const spawn_actions&) = delete;
    spawn_actions& operator=(const spawn_actions&) = delete;
};

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

    spawn_actions actions;
    posix_spawn_file_actions_adddup2(&actions.value, in->read.get(), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions.value, out->write.get(), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions.value, err->write.get(), STDERR_FILENO);
    posix_spawn_file_actions_addchdir_np(&actions.value, options.directory.c_str());
    const spawn_attributes attributes;

    auto arguments = options.arguments;
    arguments.insert(arguments.begin(), options.program.string());
    auto environment = options.environment;
    pid_t pid = -1;
    const int problem = ::posix_spawn(
        &pid, options.program.c_str(), &actions.value, &attributes.value, pointers(arguments).data(),
        pointers(environment).data());
    if (problem != 0)
    {
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
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    if (!std::getline(file, line))
        return std::nullopt;
    // proc(5): the name in brackets may hold anything; after it come the fields from the third on.
    std::istringstream fields(line.substr(line.rfind(')') + 1));
    std::string skipped;
    constexpr int before_start_time = 19;
    for (int i = 0; i < before_start_time; ++i)
        fields >> skipped;
    std::uint64_t started = 0;
    if (!(fields >> started))
        return std::nullopt;
    return process_identity{pid, started};
}

bool is_running(const process_identity& process)
{
    const auto now = identify_process(process.pid);
    return now && now->started == process.started;
}

} // namespace consortium::agent
