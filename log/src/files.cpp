#include "files.hpp"
#include "seams.hpp"
#include <cerrno>
#include <fcntl.h>
#include <limits>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <utility>

namespace consortium::log
{
namespace
{

std::unexpected<error> fail_path(const char* what, const std::filesystem::path& path)
{
    const auto saved = errno;
    return fail_errno(std::string(what) + ' ' + path.string(), saved);
}

result<void> write_all(int fd, byte_view content, const std::filesystem::path& path)
{
    while (!content.empty())
    {
        const auto written = ::write(fd, content.data(), content.size());
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return fail_path("cannot write", path);
        content = content.subspan(static_cast<std::size_t>(written));
    }
    return {};
}

} // namespace

seams::seams() : pwrite(::pwrite), fdatasync(::fdatasync), free_bytes(log::free_bytes) {}

unique_fd& unique_fd::operator=(unique_fd&& other) noexcept
{
    if (this != &other)
    {
        if (fd_ >= 0)
            ::close(fd_);
        fd_ = other.release();
    }
    return *this;
}
unique_fd::~unique_fd()
{
    if (fd_ >= 0)
        ::close(fd_);
}
int unique_fd::release() noexcept
{
    return std::exchange(fd_, -1);
}

result<bytes> read_file(const std::filesystem::path& path, std::size_t size_max)
{
    const unique_fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file && errno == ENOENT)
        return fail(errc::not_found, path.string() + " does not exist");
    if (!file)
        return fail_path("cannot open", path);
    bytes content;
    byte_array<4096> block;
    for (;;)
    {
        const auto size = ::read(file.get(), block.data(), block.size());
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return fail_path("cannot read", path);
        if (size == 0)
            return content;
        append(content, byte_view(block).first(static_cast<std::size_t>(size)));
        if (content.size() > size_max)
            return fail(errc::corrupt, path.string() + " is larger than any file of its kind");
    }
}

result<void> write_file(const std::filesystem::path& path, byte_view content)
{
    auto beside = path;
    beside += ".tmp";
    {
        const unique_fd file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
        if (!file)
            return fail_path("cannot create", beside);
        if (auto written = write_all(file.get(), content, beside); !written)
            return written;
        if (::fsync(file.get()) != 0)
            return fail_path("cannot sync", beside);
    }
    if (::rename(beside.c_str(), path.c_str()) != 0)
        return fail_path("cannot rename into place", path);
    return sync_directory(path.parent_path());
}

result<void> sync_directory(const std::filesystem::path& directory)
{
    const auto path = directory.empty() ? std::filesystem::path(".") : directory;
    const unique_fd opened(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!opened)
        return fail_path("cannot open", path);
    if (::fsync(opened.get()) != 0)
        return fail_path("cannot sync", path);
    return {};
}

result<unique_fd> lock_directory(const std::filesystem::path& directory)
{
    unique_fd opened(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!opened)
        return fail_path("cannot open", directory);
    if (::flock(opened.get(), LOCK_EX | LOCK_NB) == 0)
        return opened;
    if (errno == EWOULDBLOCK)
        return fail(
            errc::locked,
            directory.string() + " is in use by another process: stop it first, or use another directory");
    return fail_path("cannot lock", directory);
}

bool on_read_only_file_system(const std::filesystem::path& directory)
{
    struct statvfs now{};
    return ::statvfs(directory.c_str(), &now) == 0 && (now.f_flag & ST_RDONLY) != 0;
}

std::uint64_t free_bytes(const std::filesystem::path& directory)
{
    struct statvfs now{};
    // A file system that cannot say how full it is must not stop the log.
    if (::statvfs(directory.c_str(), &now) != 0)
        return std::numeric_limits<std::uint64_t>::max();
    return std::uint64_t{now.f_bavail} * now.f_frsize;
}

} // namespace consortium::log
