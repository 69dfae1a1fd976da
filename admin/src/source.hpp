#pragma once
#include "consortium/log/event_log.hpp"
#include <filesystem>
#include <optional>

namespace consortium::admin
{

/// Which log a command looks at, as its command line says.
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

/// Opens the log for reading; nothing in the directory changes. errc::locked while a relay runs on it.
result<std::unique_ptr<log::log_reader>> open_source(const source_options& options);

} // namespace consortium::admin
