#include "base/json_pieces.hpp"
#include "consortium/protocol/foreign_json.hpp"
#include "consortium/protocol/json_text.hpp"
#include "consortium/protocol/raw_json.hpp"
#include <boost/json.hpp>

namespace consortium::agent
{
namespace json = boost::json;
namespace
{

/// Of JSON that was read strictly.
std::string respelt(std::string_view rest)
{
    std::string out;
    while (!rest.empty())
    {
        std::size_t size = 1;
        if (rest.front() == '"')
        {
            while (rest[size] != '"')
                size += rest[size] == '\\' ? 2 : 1;
            ++size;
            out += json::serialize(protocol::parse_json(rest.substr(0, size)).value());
        }
        else if (std::string_view(" \t\r\n").find(rest.front()) == std::string_view::npos)
            out.push_back(rest.front());
        rest.remove_prefix(size);
    }
    return out;
}

} // namespace

std::string raw_piece(std::string_view text, std::string_view name, const json::value& read)
{
    const auto raw = protocol::raw_member(text, name);
    if (!raw)
        return {};
    // Strictly: what had to be mended does not stand there as it was read.
    const auto said = protocol::parse_json(*raw, {.values_max = raw->size(), .depth_max = protocol::stored_depth_max});
    return said && *said == read ? respelt(*raw) : std::string();
}

std::string piece_or(const std::string& raw, const json::object& value)
{
    return raw.empty() ? json::serialize(value) : raw;
}

std::string with_piece(const json::object& object, std::string_view name, std::string_view value)
{
    return with_piece(json::serialize(object), name, value);
}

std::string with_piece(std::string object, std::string_view name, std::string_view value)
{
    object.erase(object.rfind('}'));
    const bool empty = object.find_first_not_of("{ \t\r\n") == std::string::npos;
    object += (empty ? "" : ",") + json::serialize(json::value(name)) + ":";
    return object.append(value) + "}";
}

} // namespace consortium::agent
