#pragma once
#include "consortium/common/bytes.hpp"
#include "consortium/common/error.hpp"
#include <filesystem>
#include <functional>
#include <string_view>

/// Small files that must survive a crash at any moment.
namespace consortium::agent
{

/// Called with the name of each step before it is taken; a test throws from it, as a crash would stop there.
using crash_point = std::function<void(std::string_view step)>;

/// Makes the directory and those above it, each 0700 when it is made here.
result<void> make_private_directory(const std::filesystem::path& directory);

/// Replaces the file as a whole: written beside it (0600), synced, renamed, the directory synced. After a crash either
/// the old or the new content is there; where it fails, the old one (but for a file system that cannot exchange names,
/// when the last sync fails).
result<void> replace_file(const std::filesystem::path& file, byte_view content, const crash_point& at = {});

/// In the name of a file that a replacement has not finished with, or never did.
inline constexpr std::string_view replacement_mark = ".new-";

/// Writes all of it to an open file; `name` is for people. Where it fails, part of it may be there.
result<void> write_all(int file, byte_view content, const std::filesystem::path& name);

/// errc::not_found when there is none.
result<bytes> read_file(const std::filesystem::path& file);

/// Removes the file and makes that durable. A missing file is no error.
result<void> remove_file(const std::filesystem::path& file);

result<void> sync_directory(const std::filesystem::path& directory);

/// Moves a whole directory to a name that is free, on the same file system, and makes that durable: after a crash it is
/// at one of the two places; where it fails, at the old one.
result<void>
move_directory(const std::filesystem::path& from, const std::filesystem::path& to, const crash_point& at = {});

/// An exclusive lock that ends with this process at the latest.
class file_lock
{
public:
    file_lock() = default;
    file_lock(file_lock&& other) noexcept;
    file_lock& operator=(file_lock&& other) noexcept;
    ~file_lock();

    /// Waits for it.
    static result<file_lock> wait(const std::filesystem::path& file);
    /// errc::locked when another process has it.
    static result<file_lock> attempt(const std::filesystem::path& file);
    /// Writes into the file who has it, for whoever waits. Nothing depends on it.
    void note(std::string_view holder) const noexcept;

private:
    static result<file_lock> take(const std::filesystem::path& file, int operation);
    int descriptor_ = -1;
};

} // namespace consortium::agent
