#pragma once
#include <boost/json/object.hpp>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

/// A folder in which Claude Code is started: where it looks for files that make it run something.
namespace consortium::agent::claude
{

/// `directory` and those above it that belong to the same repository; outside of one, itself alone.
std::vector<std::filesystem::path> project_folders(const std::filesystem::path& directory);
/// Without links, where that can be found out.
std::filesystem::path real(const std::filesystem::path& directory);
/// The person's home: what lies there is the person's own. `environment` is that of Claude Code.
std::filesystem::path home_of(const std::vector<std::string>& environment);

/// The settings in a file of Claude Code's, read as it reads them; none where it is too large or no JSON.
boost::json::object settings_in(const std::filesystem::path& file);
/// Where Claude Code keeps what is the person's own, which no repository can bring.
std::filesystem::path config_folder(const std::vector<std::string>& environment, const std::filesystem::path& home);
/// The files of settings that `here` and its repository may have, the outermost first.
std::vector<std::filesystem::path> settings_files(const std::filesystem::path& here, const std::filesystem::path& home);
/// A text, or the texts in a list.
std::set<std::string> names_at(const boost::json::object& settings, std::string_view key);

/// As text, for people and for Claude Code's file: folders may be named in any bytes.
std::string shown(const std::filesystem::path& path);

} // namespace consortium::agent::claude
