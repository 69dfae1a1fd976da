#pragma once
#include "consortium/log/event_log.hpp"
#include <filesystem>
#include <string>
#include <string_view>

/// What lies where in a data directory, and how refusals to open one end.
namespace consortium::log
{

/// Names in a data directory.
struct layout
{
    std::filesystem::path root;

    std::filesystem::path description() const { return root / "relay.json"; }
    /// Its presence, while there is no relay.json, says that making the log did not come to its end: nothing in the
    /// directory was ever served, and it is made anew.
    std::filesystem::path unfinished() const { return root / "relay.json.new"; }
    std::filesystem::path root_key() const { return root / "root.key"; }
    std::filesystem::path database() const { return root / "db"; }
    /// While view tables are made from the log.
    std::filesystem::path scratch() const { return root / "views.new"; }
    /// When view tables had to be made anew. It may be removed at any time.
    std::filesystem::path view_failures() const { return root / "view-failures"; }
    /// While the log is adopted with losses: nothing is served before that has come to its end.
    std::filesystem::path adoption() const { return root / "adoption.json"; }
};

std::filesystem::path witness_path(const log_options& options);

/// The content of relay.json.
std::string describe(const log_id& id);
/// errc::not_found, errc::corrupt, errc::newer_version.
result<log_id> read_description(const std::filesystem::path& path);

inline constexpr std::int64_t format_version = 1;
inline constexpr std::size_t small_file_bytes_max = 64 << 10;

inline constexpr std::string_view next_step =
    " Nothing was changed. Copy the directory before anything else, then restore the newest backup of it.";
inline constexpr std::string_view last_resort =
    " If there is none, consortium-admin witness adopt makes what is left the log, under a new id.";

/// "lsn 7", "lsn 7 to 9"
std::string lsn_range(std::uint64_t first, std::uint64_t last);

} // namespace consortium::log
