#pragma once
#include "storage/disposal.hpp"
#include "storage/session_folder.hpp"
#include <optional>
#include <string>
#include <vector>

/// Sessions of which it was said, but not proved, that they are gone: their folders, whole, below <store>/trash. One
/// comes back when the relay shows it again or a person says so, and is destroyed after 30 days.
namespace consortium::agent
{

struct trashed_session
{
    std::string tag;
    std::string session_id;
    std::string server_url;
    std::string account_id;
    std::string directory; ///< the project
    hearsay why = hearsay::not_found;
    unix_millis since = 0;
    int days_left = 0; ///< of those on which consortium runs here
};

/// How long it is kept: so many days by the clock, and at least so many different days on which this program ran. A
/// clock that is set ahead, and back again, destroys nothing.
inline constexpr int trash_days = 30;

/// Newest first. One that cannot be read is not there.
std::vector<trashed_session> list_trash(const keystore& store);

/// Moves it back to the sessions. errc::not_found, errc::locked (another process is at it), errc::io.
result<void> restore_from_trash(const keystore& store, const std::string& tag, const crash_point& at = {});

/// Destroys one that lies there at once, where the evidence allows that. False: it does not. errc::not_found,
/// errc::locked, errc::io.
result<bool> dispose_in_trash(const keystore& store, const std::string& tag, const evidence& why);

/// Notes that the program runs at `now`, and destroys what has lain there long enough. How many that were.
result<std::size_t> tend_trash(const keystore& store, unix_millis now, const crash_point& at = {});

} // namespace consortium::agent
