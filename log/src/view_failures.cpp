#include "view_failures.hpp"
#include "files.hpp"
#include "layout.hpp"
#include "limits.hpp"
#include <algorithm>
#include <charconv>
#include <sstream>
#include <vector>

namespace consortium::log
{
namespace
{

struct failure
{
    unix_millis at = 0;
    std::string table;
};

/// Lines that nothing of ours wrote say nothing.
std::vector<failure> parse(std::string_view content)
{
    std::vector<failure> out;
    std::stringstream lines{std::string(content)};
    for (std::string line; std::getline(lines, line);)
    {
        failure one;
        const auto [end, bad] = std::from_chars(line.data(), line.data() + line.size(), one.at);
        if (bad != std::errc() || *end != ' ')
            continue;
        one.table = end + 1;
        out.push_back(std::move(one));
    }
    return out;
}

} // namespace

result<bool> view_failures::add(std::string_view table, unix_millis now) const
{
    const auto content = read_file(file_, small_file_bytes_max);
    if (!content && content.error() == errc::io)
        return std::unexpected(content.error());
    auto known = content ? parse(text(*content)) : std::vector<failure>();
    const auto span = std::chrono::milliseconds(limits::view_failures_span).count();
    // A clock that was set back must not keep them for ever.
    std::erase_if(known, [&](const failure& one) { return one.at <= now - span || one.at > now; });
    known.push_back({now, std::string(table)});
    const auto count =
        static_cast<std::size_t>(std::ranges::count_if(known, [&](const failure& one) { return one.table == table; }));
    if (count >= limits::view_failures_max)
        return false;
    std::string lines;
    for (const auto& one : known)
        lines.append(std::to_string(one.at)).append(" ").append(one.table).append("\n");
    if (auto written = write_file(file_, view(lines)); !written)
        return std::unexpected(written.error());
    return true;
}

std::string view_failures::refusal(std::string_view table)
{
    return "view table '" + std::string(table) + "' was damaged " + std::to_string(limits::view_failures_max) +
           " times within a day: the disk or the memory of this machine does not keep what is written. Look at both, "
           "then have it made anew from the log: consortium-admin views rebuild " +
           std::string(table);
}

} // namespace consortium::log
