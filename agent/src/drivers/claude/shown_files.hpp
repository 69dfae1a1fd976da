#pragma once
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

/// Files that make Claude Code run something, as a person gets to see them. What is left out is counted.
namespace consortium::agent::claude
{

/// Of a file, as far as it is shown.
std::string shown_in_part(std::string_view content);
std::string content_of(const std::filesystem::path& file);
/// The names of what lies in the folder, links as what they are, but for what `known` has.
boost::json::array names_in(const std::filesystem::path& folder, const boost::json::object& known);

/// Those of a text, or of a list of texts, that are not blank; of anything else, itself.
std::vector<std::string> lines_of(const boost::json::value& value);
/// Adds the first of them, for a terminal.
void put_lines(std::vector<std::string>& out, const std::vector<std::string>& lines);
/// What a question shows, for a terminal: `title` in one line, then of each file the first ones.
std::vector<std::string> files_in_lines(const boost::json::object& arguments, std::string_view title);

} // namespace consortium::agent::claude
