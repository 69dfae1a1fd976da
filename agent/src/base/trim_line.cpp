#include "base/trim_line.hpp"
#include "consortium/common/limits.hpp"
#include <boost/json.hpp>
#include <string>

namespace consortium::agent
{
namespace json = boost::json;
namespace
{

// base64 adds a third; envelope and bundle add little.
constexpr std::size_t line_bytes_max = limits::message_bytes_max / 4 * 3 - (64u << 10);

/// Cuts before a byte that continues a UTF-8 sequence, so that the text stays valid.
std::size_t cut_point(std::string_view text, std::size_t wanted)
{
    while (wanted > 0 && (static_cast<unsigned char>(text[wanted]) & 0xc0) == 0x80)
        --wanted;
    return wanted;
}

} // namespace

void cut_texts(json::value& value, std::size_t text_bytes_max)
{
    if (auto* text = value.if_string())
    {
        if (text->size() <= text_bytes_max)
            return;
        const auto left_out = text->size() - text_bytes_max;
        text->resize(cut_point(*text, text_bytes_max));
        text->append("\n… " + std::to_string(left_out) + " more bytes were not relayed");
    }
    else if (auto* array = value.if_array())
    {
        for (auto& each : *array)
            cut_texts(each, text_bytes_max);
    }
    else if (auto* object = value.if_object())
    {
        for (auto& each : *object)
            cut_texts(each.value(), text_bytes_max);
    }
}

void trim_line(json::object& line)
{
    if (json::serialize(line).size() <= line_bytes_max)
        return;
    // Each time from the whole: what is cut twice would count its first cut away.
    const json::value whole = std::move(line);
    for (auto text_bytes_max = line_bytes_max / 4; text_bytes_max > 64; text_bytes_max /= 4)
    {
        auto cut = whole;
        cut_texts(cut, text_bytes_max);
        line = std::move(cut.get_object());
        if (json::serialize(line).size() <= line_bytes_max)
            return;
    }
}

} // namespace consortium::agent
