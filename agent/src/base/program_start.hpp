#pragma once
#include "base/child_process.hpp"
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

/// What starting a program takes, whatever its standard streams are.
namespace consortium::agent
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
    ~owned_descriptor();
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
result<pipe_ends> make_pipe();

/// A fork and what comes of it: the child waits for permission before it becomes the program, and tells if it cannot.
class program_start
{
public:
    static result<program_start> prepare(const child_options& options);

    /// In the forked child of `parent`: nothing but async-signal-safe calls from here to the program.
    [[noreturn]] void become(int input, int output, int errors, pid_t parent) noexcept;
    /// In a process between ours and the program: it keeps no end open.
    void forget() noexcept;
    /// In our process: asks `before_start`, permits, and waits until the program runs. errc::not_found when there is no
    /// such program. On an error the child ends by itself; it is still to be waited for.
    result<void> finish(pid_t child);

private:
    explicit program_start(const child_options& options);

    const child_options& options_; ///< outlives this
    std::vector<std::string> arguments_;
    std::vector<std::string> environment_;
    std::vector<char*> argument_pointers_;
    std::vector<char*> environment_pointers_;
    pipe_ends report_; ///< closed by a successful exec
    pipe_ends permission_;
};

/// Of waitpid().
child_exit exit_of(int status);

} // namespace consortium::agent
