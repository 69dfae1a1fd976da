#include "files.hpp"
#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace consortium::agent
{
namespace
{

constexpr mode_t private_file = 0600;
constexpr mode_t private_directory = 0700;

void reach(const crash_point& at, std::string_view step)
{
    if (at)
        at(step);
}

/// Closes on every way out.
struct descriptor
{
    int number;
    explicit descriptor(int value) : number(value) {}
    ~descriptor()
    {
        if (number >= 0)
            ::close(number);
    }
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
};

result<void> write_all(int file, byte_view content, const std::filesystem::path& name)
{
    while (!content.empty())
    {
        const auto size = ::write(file, content.data(), content.size());
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return fail_errno("cannot write " + name.string(), errno);
        content = content.subspan(static_cast<std::size_t>(size));
    }
    return {};
}

} // namespace

result<void> make_private_directory(const std::filesystem::path& directory)
{
    std::filesystem::path so_far;
    for (const auto& part : directory)
    {
        so_far /= part;
        if (::mkdir(so_far.c_str(), private_directory) != 0 && errno != EEXIST && errno != EISDIR)
        {
            std::error_code problem;
            if (!std::filesystem::is_directory(so_far, problem))
                return fail_errno("cannot make " + so_far.string(), errno);
        }
    }
    if (::chmod(directory.c_str(), private_directory) != 0)
        return fail_errno("cannot make " + directory.string() + " private", errno);
    return {};
}

result<void> sync_directory(const std::filesystem::path& directory)
{
    const descriptor handle(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (handle.number < 0 || ::fsync(handle.number) != 0)
        return fail_errno("cannot sync " + directory.string(), errno);
    return {};
}

result<void> move_directory(const std::filesystem::path& from, const std::filesystem::path& to, const crash_point& at)
{
    reach(at, "sync what is moved");
    if (const auto synced = sync_directory(from); !synced)
        return synced;
    reach(at, "move");
    if (::rename(from.c_str(), to.c_str()) != 0)
        return fail_errno("cannot move " + from.string() + " to " + to.string(), errno);
    reach(at, "sync new place");
    if (const auto synced = sync_directory(to.parent_path()); !synced)
        return synced;
    reach(at, "sync old place");
    return sync_directory(from.parent_path());
}

result<void> replace_file(const std::filesystem::path& file, byte_view content, const crash_point& at)
{
    // The process id keeps two agents apart; a leftover of a crash is written over.
    const auto beside =
        std::filesystem::path(file.string() + std::string(replacement_mark) + std::to_string(::getpid()));
    {
        reach(at, "open");
        const descriptor handle(::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, private_file));
        if (handle.number < 0)
            return fail_errno("cannot write " + beside.string(), errno);
        reach(at, "write");
        if (const auto written = write_all(handle.number, content, beside); !written)
            return written;
        reach(at, "sync");
        if (::fsync(handle.number) != 0)
            return fail_errno("cannot sync " + beside.string(), errno);
    }
    reach(at, "rename");
    if (::rename(beside.c_str(), file.c_str()) != 0)
        return fail_errno("cannot replace " + file.string(), errno);
    reach(at, "sync directory");
    return sync_directory(file.parent_path());
}

result<bytes> read_file(const std::filesystem::path& file)
{
    const descriptor handle(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (handle.number < 0)
    {
        if (errno == ENOENT)
            return fail(errc::not_found, "there is no " + file.string());
        return fail_errno("cannot read " + file.string(), errno);
    }
    bytes out;
    std::uint8_t room[16384];
    for (;;)
    {
        const auto size = ::read(handle.number, room, sizeof room);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return fail_errno("cannot read " + file.string(), errno);
        if (size == 0)
            return out;
        append(out, byte_view(room, static_cast<std::size_t>(size)));
    }
}

result<void> remove_file(const std::filesystem::path& file)
{
    if (::unlink(file.c_str()) != 0 && errno != ENOENT)
        return fail_errno("cannot remove " + file.string(), errno);
    return sync_directory(file.parent_path());
}

file_lock::file_lock(file_lock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

file_lock& file_lock::operator=(file_lock&& other) noexcept
{
    std::swap(descriptor_, other.descriptor_);
    return *this;
}

file_lock::~file_lock()
{
    if (descriptor_ >= 0)
        ::close(descriptor_);
}

result<file_lock> file_lock::take(const std::filesystem::path& file, int operation)
{
    file_lock out;
    out.descriptor_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, private_file);
    if (out.descriptor_ < 0)
        return fail_errno("cannot open " + file.string(), errno);
    while (::flock(out.descriptor_, operation) != 0)
    {
        if (errno == EWOULDBLOCK)
            return fail(errc::locked, "another process uses " + file.parent_path().string());
        if (errno != EINTR)
            return fail_errno("cannot lock " + file.string(), errno);
    }
    return out;
}

result<file_lock> file_lock::wait(const std::filesystem::path& file)
{
    return take(file, LOCK_EX);
}

result<file_lock> file_lock::attempt(const std::filesystem::path& file)
{
    return take(file, LOCK_EX | LOCK_NB);
}

void file_lock::note(std::string_view holder) const noexcept
{
    if (::ftruncate(descriptor_, 0) == 0)
        (void)!::pwrite(descriptor_, holder.data(), holder.size(), 0);
}

} // namespace consortium::agent
