#pragma once
#include "base/files.hpp"
#include "consortium/common/clock.hpp"
#include "storage/disposal.hpp"

namespace consortium::agent
{

/// Lies in a session's folder while that is in the trash.
struct trash_note
{
    hearsay why = hearsay::not_found;
    unix_millis since = 0;
    /// The day (since 1970) on which the program last ran while it lay there, and how many different ones there were.
    std::int64_t last_day = 0;
    std::int64_t days = 0;

    /// The program runs now. However far a clock jumps, that is one day more at most.
    void sighted(unix_millis now);
    bool due(unix_millis now) const;
};

result<void> write_trash_note(const std::filesystem::path& folder, const trash_note& note, const crash_point& at = {});
/// errc::not_found, errc::corrupt.
result<trash_note> read_trash_note(const std::filesystem::path& folder);
result<void> remove_trash_note(const std::filesystem::path& folder);

} // namespace consortium::agent
