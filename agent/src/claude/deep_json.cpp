#include "claude/deep_json.hpp"
#include <algorithm>
#include <boost/json/parse.hpp>
#include <charconv>
#include <optional>
#include <string>

namespace consortium::agent::claude
{
namespace json = boost::json;
namespace
{

constexpr std::size_t depth_max = 512;
constexpr std::size_t escape_size = 6; // \uXXXX

/// The code unit that an escape at `at` stands for.
std::optional<unsigned> unit_at(std::string_view text, std::size_t at)
{
    const auto escape = text.substr(std::min(at, text.size()), escape_size);
    if (escape.size() < escape_size || !escape.starts_with("\\u"))
        return std::nullopt;
    unsigned value = 0;
    const auto* end = escape.data() + escape.size();
    const auto read = std::from_chars(escape.data() + 2, end, value, 16);
    return read.ec == std::errc() && read.ptr == end ? std::optional(value) : std::nullopt;
}

bool is_high(unsigned unit) noexcept
{
    return unit >= 0xd800 && unit < 0xdc00;
}
bool is_low(unsigned unit) noexcept
{
    return unit >= 0xdc00 && unit < 0xe000;
}

std::string without_lone_surrogates(std::string_view text)
{
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();)
    {
        std::size_t size = text[at] == '\\' ? 2 : 1; // an escaped backslash begins nothing
        if (const auto unit = unit_at(text, at))
        {
            size = escape_size;
            const auto next = unit_at(text, at + escape_size);
            if (is_high(*unit) && next && is_low(*next))
                size = 2 * escape_size;
            else if (is_high(*unit) || is_low(*unit))
            {
                out += "\\ufffd";
                at += size;
                continue;
            }
        }
        out += text.substr(at, size);
        at += size;
    }
    return out;
}

json::value parse(std::string_view text, boost::system::error_code& problem)
{
    json::parse_options options;
    options.max_depth = depth_max;
    return json::parse(json::string_view(text.data(), text.size()), problem, {}, options);
}

} // namespace

json::value parse_deep(std::string_view text, boost::system::error_code& problem)
{
    auto value = parse(text, problem);
    if (problem && text.find("\\u") != std::string_view::npos)
        value = parse(without_lone_surrogates(text), problem);
    return value;
}

} // namespace consortium::agent::claude
