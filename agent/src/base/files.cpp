#include "base/files.hpp"
#include <cerrno>
#include <cstdio>
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

/// Where the old content is once the new one is in its place.
enum class replaced
{
    was_none,
    is_beside,
    is_gone, ///< this file system cannot exchange two names
};

/// The two names are exchanged, so that the old content can be had back until the new one is durable.
result<replaced> put_in_place(const std::filesystem::path& beside, const std::filesystem::path& file)
{
    if (::renameat2(AT_FDCWD, beside.c_str(), AT_FDCWD, file.c_str(), RENAME_EXCHANGE) == 0)
        return replaced::is_beside;
    const bool was_none = errno == ENOENT;
    if (::rename(beside.c_str(), file.c_str()) == 0)
        return was_none ? replaced::was_none : replaced::is_gone;
    const auto problem = errno;
    (void)::unlink(beside.c_str());
    return fail_errno("cannot replace " + file.string(), problem);
}

void put_back(replaced before, const std::filesystem::path& beside, const std::filesystem::path& file)
{
    if (before == replaced::is_beside)
        (void)::renameat2(AT_FDCWD, beside.c_str(), AT_FDCWD, file.c_str(), RENAME_EXCHANGE);
    else if (before == replaced::was_none)
        (void)::unlink(file.c_str());
}

/// A new file with this content, on disk; none where that fails.
result<void> write_new_file(const std::filesystem::path& file, byte_view content, const crash_point& at)
{
    reach(at, "open");
    const descriptor handle(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, private_file));
    if (handle.number < 0)
        return fail_errno("cannot write " + file.string(), errno);
    reach(at, "write");
    auto written = write_all(handle.number, content, file);
    reach(at, "sync");
    if (written && ::fsync(handle.number) != 0)
        written = fail_errno("cannot sync " + file.string(), errno);
    if (!written)
        (void)::unlink(file.c_str());
    return written;
}

} // namespace

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
    auto synced = sync_directory(to.parent_path());
    reach(at, "sync old place");
    if (synced)
        synced = sync_directory(from.parent_path());
    if (!synced)
        (void)::rename(to.c_str(), from.c_str());
    return synced;
}

result<void> replace_file(const std::filesystem::path& file, byte_view content, const crash_point& at)
{
    // The process id keeps two agents apart; a leftover of a crash is written over.
    const auto beside =
        std::filesystem::path(file.string() + std::string(replacement_mark) + std::to_string(::getpid()));
    if (auto written = write_new_file(beside, content, at); !written)
        return written;
    reach(at, "rename");
    const auto before = put_in_place(beside, file);
    if (!before)
        return std::unexpected(before.error());
    reach(at, "sync directory");
    auto synced = sync_directory(file.parent_path());
    if (!synced)
        put_back(*before, beside, file);
    if (*before == replaced::is_beside)
        (void)::unlink(beside.c_str());
    return synced;
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
