#pragma once
#include <filesystem>

namespace consortium::log::testing
{

/// Copies the directory of a database that is open. RocksDB deletes what it no longer needs in the background; a copy
/// during which something vanished is no state the disk was ever in, and is made again.
inline void copy_live(const std::filesystem::path& from, const std::filesystem::path& to)
{
    for (;;)
    {
        std::filesystem::remove_all(to);
        std::error_code failed;
        std::filesystem::copy(from, to, std::filesystem::copy_options::recursive, failed);
        if (!failed)
            return;
        if (failed != std::errc::no_such_file_or_directory || !std::filesystem::exists(from))
            throw std::filesystem::filesystem_error("cannot copy", from, to, failed);
    }
}

} // namespace consortium::log::testing
