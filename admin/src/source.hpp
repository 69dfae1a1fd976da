#pragma once
#include "consortium/log/event_log.hpp"
#include <filesystem>
#include <optional>

namespace consortium::admin
{

/// Which log a command works on, as its command line says.
struct source_options
{
    std::filesystem::path data;
    /// Default: DATA/witness.
    std::filesystem::path witness;
    /// Default: the environment variable CONSORTIUM_MASTER_SECRET, then the file DATA.secret.
    std::filesystem::path secret_file;
};

/// The directory's name without a slash at its end, so that a suffix lands beside it.
std::filesystem::path beside(const std::filesystem::path& directory, std::string_view suffix);

/// Where a command makes views anew and removes them again: under `wanted`, or beside the data directory.
std::filesystem::path scratch_directory(const source_options& options, const std::filesystem::path& wanted);

/// errc::not_found unless there is such a directory.
result<void> check_directory(const std::filesystem::path& directory);
/// For commands that write: what another user writes there, the relay may not be able to read. errc::forbidden.
result<void> check_owner(const std::filesystem::path& directory);

struct found_secret
{
    std::string value;
    std::optional<std::filesystem::path> file; ///< empty: from the environment
};
result<found_secret> find_secret(const source_options& options);
/// The content of a file that holds a secret, without the newline at its end.
result<std::string> read_secret(const std::filesystem::path& path);

/// How the log of `options` is opened; never makes a new one.
result<log::log_options> log_options_of(const source_options& options);

/// Opens the log for reading; nothing in the directory changes. errc::locked while a relay runs on it.
result<std::unique_ptr<log::log_reader>> open_source(const source_options& options);

} // namespace consortium::admin
