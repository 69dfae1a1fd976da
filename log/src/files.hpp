#pragma once
#include "consortium/common/bytes.hpp"
#include "consortium/common/error.hpp"
#include <filesystem>

/// Small files and directories, durably.
namespace consortium::log
{

/// A file descriptor that closes itself.
class unique_fd
{
public:
    unique_fd() = default;
    explicit unique_fd(int fd) noexcept : fd_(fd) {}
    unique_fd(unique_fd&& other) noexcept : fd_(other.release()) {}
    unique_fd& operator=(unique_fd&& other) noexcept;
    ~unique_fd();

    int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }
    int release() noexcept;

private:
    int fd_ = -1;
};

/// errc::not_found if it does not exist; errc::corrupt above `size_max`; errc::io.
result<bytes> read_file(const std::filesystem::path& path, std::size_t size_max);

/// Replaces `path` (0600): written beside it, synced, renamed, the directory synced. After a crash it is the old file
/// or the new one.
result<void> write_file(const std::filesystem::path& path, byte_view content);

/// Makes names in `directory` survive a crash.
result<void> sync_directory(const std::filesystem::path& directory);

/// Holds a directory against other processes (flock) until it is destroyed. errc::locked, errc::io.
result<unique_fd> lock_directory(const std::filesystem::path& directory);

bool on_read_only_file_system(const std::filesystem::path& directory);

/// What unprivileged processes may still write.
std::uint64_t free_bytes(const std::filesystem::path& directory);

} // namespace consortium::log
