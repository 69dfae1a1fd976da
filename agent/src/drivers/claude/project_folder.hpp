#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

/// A folder in which Claude Code is started: where it looks for files that make it run something, and how they are
/// shown.
namespace consortium::agent::claude
{

/// `directory` and those above it that belong to the same repository; outside of one, itself alone.
std::vector<std::filesystem::path> project_folders(const std::filesystem::path& directory);
/// Without links, where that can be found out.
std::filesystem::path real(const std::filesystem::path& directory);
/// The person's home: what lies there is the person's own. `environment` is that of Claude Code.
std::filesystem::path home_of(const std::vector<std::string>& environment);

/// As text, for people and for Claude Code's file: folders may be named in any bytes.
std::string shown(const std::filesystem::path& path);
/// The content of a file, for people. What is left out is counted.
std::string shown_in_part(std::string_view content);

} // namespace consortium::agent::claude
