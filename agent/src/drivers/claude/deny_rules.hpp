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
/// As that, with plugins that Claude must not run, NAME@MARKETPLACE.
result<std::vector<std::string>>
with_disabled_plugins(std::vector<std::string> user_arguments, const std::vector<std::string>& names);
/// With none of the folder's own settings, whatever they are: Claude Code then runs no plugin of the folder either.
std::vector<std::string> with_settings_of_the_person(std::vector<std::string> user_arguments);

} // namespace consortium::agent::claude
