#pragma once
#include "consortium/common/error.hpp"
#include <filesystem>
#include <string>
#include <vector>

namespace consortium::agent::claude
{

/// The user's arguments with settings added (--settings, merged into the user's own) that deny Claude's file tools the
/// folder `keys`. Its Bash is not kept out by that. errc::bad_request when the user's --settings cannot be read.
result<std::vector<std::string>>
with_denied_folder(std::vector<std::string> user_arguments, const std::filesystem::path& keys);

/// As that, with servers of the folder's own files that Claude must not run, by name.
result<std::vector<std::string>>
with_disabled_servers(std::vector<std::string> user_arguments, const std::vector<std::string>& names);

} // namespace consortium::agent::claude
