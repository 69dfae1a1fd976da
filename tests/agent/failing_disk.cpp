#include "agent/failing_disk.hpp"
#include <cerrno>
#include <cstdio>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

namespace
{

consortium::agent::testing::failing_disk::judge judged;

/// errno to fail with; 0: it is carried out.
int problem_of(std::string_view call)
{
    return judged ? judged(call) : 0;
}

bool is_file(int descriptor)
{
    struct stat known{};
    return ::fstat(descriptor, &known) == 0 && S_ISREG(known.st_mode);
}

int failed(int problem)
{
    errno = problem;
    return -1;
}

} // namespace

namespace consortium::agent::testing
{

failing_disk::failing_disk(judge wanted)
{
    judged = std::move(wanted);
}

failing_disk::~failing_disk()
{
    judged = nullptr;
}

} // namespace consortium::agent::testing

// In the place of libc's, for whatever is linked into this program.
extern "C"
{
    ssize_t write(int descriptor, const void* data, size_t size)
    {
        if (judged && is_file(descriptor))
        {
            if (const int problem = problem_of("write"))
            {
                (void)::syscall(SYS_write, descriptor, data, size / 2);
                return failed(problem);
            }
        }
        return ::syscall(SYS_write, descriptor, data, size);
    }
    int fdatasync(int descriptor)
    {
        if (const int problem = problem_of("fdatasync"))
            return failed(problem);
        return static_cast<int>(::syscall(SYS_fdatasync, descriptor));
    }
    int fsync(int descriptor)
    {
        if (const int problem = problem_of("fsync"))
            return failed(problem);
        return static_cast<int>(::syscall(SYS_fsync, descriptor));
    }
    int ftruncate(int descriptor, off_t size) noexcept
    {
        if (const int problem = problem_of("ftruncate"))
            return failed(problem);
        return static_cast<int>(::syscall(SYS_ftruncate, descriptor, size));
    }
    int rename(const char* from, const char* to) noexcept
    {
        if (const int problem = problem_of("rename"))
            return failed(problem);
        return static_cast<int>(::syscall(SYS_rename, from, to));
    }
    int renameat2(int from_directory, const char* from, int to_directory, const char* to, unsigned flags) noexcept
    {
        if (const int problem = problem_of("rename"))
            return failed(problem);
        return static_cast<int>(::syscall(SYS_renameat2, from_directory, from, to_directory, to, flags));
    }
}
