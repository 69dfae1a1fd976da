#include "base/program_start.hpp"
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace consortium::agent
{
namespace
{

std::vector<char*> pointers(std::vector<std::string>& texts)
{
    std::vector<char*> out;
    for (auto& each : texts)
        out.push_back(each.data());
    out.push_back(nullptr);
    return out;
}

} // namespace

owned_descriptor::~owned_descriptor()
{
    if (number_ >= 0)
        ::close(number_);
}

result<pipe_ends> make_pipe()
{
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
        return fail_errno("cannot make a pipe", errno);
    return pipe_ends{owned_descriptor(ends[0]), owned_descriptor(ends[1])};
}

program_start::program_start(const child_options& options)
    : options_(options), arguments_(options.arguments), environment_(options.environment)
{
    arguments_.insert(arguments_.begin(), options.program.string());
    argument_pointers_ = pointers(arguments_);
    environment_pointers_ = pointers(environment_);
}

result<program_start> program_start::prepare(const child_options& options)
{
    program_start out(options);
    auto report = make_pipe();
    if (!report)
        return std::unexpected(report.error());
    auto permission = make_pipe();
    if (!permission)
        return std::unexpected(permission.error());
    out.report_ = std::move(*report);
    out.permission_ = std::move(*permission);
    return out;
}

void program_start::become(int input, int output, int errors, pid_t parent) noexcept
{
    permission_.write = owned_descriptor(); // so that our end, however it comes, is read as the end
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    for (const int each : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD, SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT})
        ::signal(each, SIG_DFL);
    // Without us nobody could stop it, answer it or see what it does: it ends with us, even when we are killed.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    char word = 0;
    if (::read(permission_.read.get(), &word, 1) != 1)
        ::_exit(127);
    if (::getppid() == parent && ::dup2(input, STDIN_FILENO) >= 0 && ::dup2(output, STDOUT_FILENO) >= 0 &&
        ::dup2(errors, STDERR_FILENO) >= 0 && ::chdir(options_.directory.c_str()) == 0)
        ::execve(options_.program.c_str(), argument_pointers_.data(), environment_pointers_.data());
    const int problem = errno;
    (void)!::write(report_.write.get(), &problem, sizeof problem);
    ::_exit(127);
}

void program_start::forget() noexcept
{
    report_ = {};
    permission_ = {};
}

result<void> program_start::finish(pid_t child)
{
    report_.write = owned_descriptor();
    if (options_.before_start)
    {
        const auto identity = identify_process(child);
        const auto allowed = identity ? options_.before_start(*identity)
                                      : result<void>(fail(errc::io, "cannot watch " + options_.program.string()));
        if (!allowed)
        {
            permission_.write = owned_descriptor();
            return std::unexpected(allowed.error());
        }
    }
    (void)!::write(permission_.write.get(), "y", 1);
    int problem = 0;
    ssize_t size = 0;
    while ((size = ::read(report_.read.get(), &problem, sizeof problem)) < 0 && errno == EINTR)
    {
    }
    if (size != sizeof problem)
        return {};
    const auto what = "cannot start " + options_.program.string();
    if (problem == ENOENT || problem == EACCES)
        return fail(errc::not_found, what + ": " + std::strerror(problem));
    return fail_errno(what, problem);
}

child_exit exit_of(int status)
{
    if (WIFSIGNALED(status))
        return {std::nullopt, WTERMSIG(status)};
    return {WEXITSTATUS(status), 0};
}

} // namespace consortium::agent
