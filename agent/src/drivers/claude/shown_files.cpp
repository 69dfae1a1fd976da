#include "drivers/claude/shown_files.hpp"
#include "base/agent_limits.hpp"
#include "base/files.hpp"
#include "consortium/common/bytes.hpp"
#include "consortium/common/utf8.hpp"
#include "drivers/claude/project_folder.hpp"
#include <algorithm>
#include <boost/json.hpp>
#include <iterator>
#include <ranges>

namespace consortium::agent::claude
{
namespace fs = std::filesystem;
namespace json = boost::json;

std::string shown_in_part(std::string_view content)
{
    auto words = well_formed_utf8(content.substr(0, limits::trust_file_bytes_max), limits::trust_file_bytes_max);
    if (content.size() > limits::trust_file_bytes_max)
        words += "\n(and " + std::to_string(content.size() - limits::trust_file_bytes_max) +
                 " bytes more, which are not shown)";
    return words;
}

std::string content_of(const fs::path& file)
{
    // A repository can hold links, to a device without an end too.
    std::error_code ignored;
    if (!fs::is_regular_file(file, ignored))
        return "(This is not an ordinary file, and is not shown.)";
    if (const auto size = fs::file_size(file, ignored); size > limits::trust_read_bytes_max)
        return "(This file has " + std::to_string(size) + " bytes, too many to be shown.)";
    const auto content = read_file(file);
    if (!content)
        return "(This file cannot be read: " + content.error().detail + ")";
    return shown_in_part(text(*content));
}

json::array names_in(const fs::path& folder, const json::object& known)
{
    json::array out;
    std::size_t more = 0;
    std::size_t looked_at = 0;
    std::error_code problem;
    std::error_code ignored;
    auto each = fs::recursive_directory_iterator(folder, fs::directory_options::skip_permission_denied, problem);
    for (; !problem && each != fs::recursive_directory_iterator(); each.increment(problem))
    {
        if (++looked_at > limits::trust_looked_at_max)
            break;
        const auto name = shown(each->path());
        if (each->symlink_status(ignored).type() == fs::file_type::directory || known.contains(name))
            continue;
        if (out.size() < limits::trust_names_max)
            out.emplace_back(name);
        else
            ++more;
    }
    if (problem)
        out.emplace_back("and others in " + shown(folder) + " that cannot be read");
    else if (looked_at > limits::trust_looked_at_max)
        out.emplace_back("and many more in " + shown(folder));
    else if (more > 0)
        out.emplace_back("and " + std::to_string(more) + " more in " + shown(folder));
    return out;
}

std::vector<std::string> lines_of(const json::value& value)
{
    std::vector<std::string> out;
    if (const auto* list = value.if_array())
    {
        for (const auto& each : *list)
            std::ranges::move(lines_of(each), std::back_inserter(out));
        return out;
    }
    if (!value.is_string())
        return {json::serialize(value)};
    for (const auto line : std::views::split(std::string_view(value.get_string()), '\n'))
    {
        const std::string_view words(line.begin(), line.end());
        if (words.find_first_not_of(" \t\r") != std::string_view::npos)
            out.emplace_back(words);
    }
    return out;
}

void put_lines(std::vector<std::string>& out, const std::vector<std::string>& lines)
{
    for (const auto& line : lines | std::views::take(limits::trust_lines_max))
        out.push_back("| " + line);
    if (lines.size() > limits::trust_lines_max)
        out.push_back("… and " + std::to_string(lines.size() - limits::trust_lines_max) + " lines more");
}

std::vector<std::string> files_in_lines(const json::object& arguments, std::string_view title)
{
    std::vector<std::string> out;
    for (const auto& [name, value] : arguments)
    {
        const std::string words(name);
        if (words == title && value.is_string())
        {
            out.push_back(words + ": " + std::string(value.get_string()));
            continue;
        }
        out.push_back(words + ":");
        put_lines(out, lines_of(value));
    }
    return out;
}

} // namespace consortium::agent::claude
