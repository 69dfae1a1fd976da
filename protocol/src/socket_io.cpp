#include "consortium/protocol/socket_io.hpp"
#include "consortium/protocol/json_text.hpp"
#include "consortium/protocol/limits.hpp"
#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <utility>
#include <vector>

namespace consortium::protocol::socket_io
{
namespace json = boost::json;
namespace
{
constexpr std::string_view digits = "0123456789";

/// Names that the official libraries use for themselves (socket.io-parser, RESERVED_EVENTS).
constexpr std::array<std::string_view, 6> reserved_names{"connect",       "connect_error", "disconnect",
                                                         "disconnecting", "newListener",   "removeListener"};

/// Whether the data can be of the kind that the type asks for, by its first character.
bool data_fits(packet_type type, std::string_view data)
{
    const char first = data.empty() ? '\0' : data.front();
    switch (type)
    {
    case packet_type::connect:
        return data.empty() || first == '{';
    case packet_type::disconnect:
        return data.empty();
    case packet_type::event:
    case packet_type::ack:
    case packet_type::binary_event:
    case packet_type::binary_ack:
        return first == '[';
    case packet_type::connect_error:
        return first == '{' || first == '"';
    }
    return false;
}

void append_number(std::string& out, std::uint64_t number)
{
    std::array<char, 20> text;
    const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
    out.append(text.data(), end);
}

void append_attachments(std::string& out, std::size_t count)
{
    append_number(out, count);
    out += '-';
}

void begin(std::string& out, packet_type type, std::optional<std::uint64_t> id, std::size_t attachments = 0)
{
    out += '4';
    out += static_cast<char>(type);
    if (is_binary(type))
        append_attachments(out, attachments);
    if (id)
        append_number(out, *id);
}

/// Calls `visit` with the object of each placeholder. The JSON is from parse_json(), so not nested without end.
template <class Visit>
void for_each_placeholder(const json::value& in, const Visit& visit)
{
    if (const auto* object = in.if_object())
    {
        const auto* marked = object->if_contains("_placeholder");
        if (marked != nullptr && *marked == json::value(true))
            return visit(*object);
        for (const auto& [name, each] : *object)
            for_each_placeholder(each, visit);
    }
    else if (const auto* array = in.if_array())
    {
        for (const auto& each : *array)
            for_each_placeholder(each, visit);
    }
}

/// Whether the placeholders are 0..count-1, once each.
bool places_all(const json::value& in, std::size_t count)
{
    std::vector<bool> seen(count);
    std::size_t found = 0;
    bool sound = true;
    for_each_placeholder(
        in,
        [&](const json::object& placeholder)
        {
            const auto* number = placeholder.if_contains("num");
            const auto* index = number == nullptr ? nullptr : number->if_int64();
            sound = sound && index != nullptr && std::cmp_greater_equal(*index, 0) && std::cmp_less(*index, count) &&
                    !seen[static_cast<std::size_t>(*index)];
            if (sound)
                seen[static_cast<std::size_t>(*index)] = true;
            ++found;
        });
    return sound && found == count;
}
} // namespace

std::size_t count_placeholders(const json::value& in)
{
    std::size_t count = 0;
    for_each_placeholder(in, [&](const json::object&) { ++count; });
    return count;
}

result<packet> parse(std::string_view text)
{
    if (text.empty())
        return fail(errc::bad_request, "an empty packet");
    if (text.front() < '0' || text.front() > '6')
        return fail(errc::bad_request, "unknown packet type");
    packet out;
    out.type = static_cast<packet_type>(text.front());
    text.remove_prefix(1);

    if (is_binary(out.type))
    {
        const auto end = text.data() + text.size();
        const auto parsed = std::from_chars(text.data(), end, out.attachments);
        if (parsed.ec != std::errc{} || parsed.ptr == end || *parsed.ptr != '-')
            return fail(errc::bad_request, "a binary packet that does not say how many attachments it has");
        if (out.attachments > limits::attachments_max)
            return fail(errc::bad_request, "too many attachments");
        text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()) + 1);
    }
    if (!text.empty() && text.front() == '/')
    {
        const auto end = text.find(',');
        out.name_space = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
        if (out.name_space.size() > name_space_bytes_max)
            return fail(errc::bad_request, "the namespace is too long");
    }
    if (const auto count = std::min(text.find_first_not_of(digits), text.size()); count > 0)
    {
        std::uint64_t id = 0;
        const auto parsed = std::from_chars(text.data(), text.data() + count, id);
        if (parsed.ec != std::errc{} || id > ack_id_max)
            return fail(errc::bad_request, "the acknowledgement id is too large");
        out.id = id;
        text.remove_prefix(count);
    }
    out.data = text;
    if (!data_fits(out.type, out.data))
        return fail(errc::bad_request, "the packet's data is not of the kind its type asks for");
    if (is_ack(out.type) && !out.id)
        return fail(errc::bad_request, "an acknowledgement without an id");
    return out;
}

void append(std::string& out, const packet& value)
{
    out += static_cast<char>(value.type);
    if (is_binary(value.type))
        append_attachments(out, value.attachments);
    if (value.name_space != "/")
    {
        out += value.name_space;
        out += ',';
    }
    if (value.id)
        append_number(out, *value.id);
    out += value.data;
}

std::string write(const packet& value)
{
    std::string out;
    out.reserve(24 + value.name_space.size() + value.data.size());
    append(out, value);
    return out;
}

result<event> parse_event(const packet& value)
{
    auto args = parse_args(value);
    if (!args)
        return std::unexpected(args.error());
    if (args->empty() || !args->front().is_string())
        return fail(errc::bad_request, "an event without a name");
    event out;
    out.name = std::string_view(args->front().get_string());
    if (std::ranges::find(reserved_names, out.name) != reserved_names.end())
        return fail(errc::bad_request, "a reserved event name");
    args->erase(args->begin());
    out.args = std::move(*args);
    return out;
}

result<json::array> parse_args(const packet& value)
{
    auto parsed = parse_json(value.data);
    if (!parsed)
        return std::unexpected(parsed.error());
    if (!parsed->is_array())
        return fail(errc::bad_request, "not a JSON array");
    if (is_binary(value.type) && !places_all(*parsed, value.attachments))
        return fail(errc::bad_request, "not one placeholder for each attachment");
    return std::move(parsed->get_array());
}

result<json::object> parse_object(const packet& value)
{
    if (value.data.empty())
        return json::object{};
    auto parsed = parse_json(value.data);
    if (!parsed)
        return std::unexpected(parsed.error());
    if (!parsed->is_object())
        return fail(errc::bad_request, "not a JSON object");
    return std::move(parsed->get_object());
}

void append_json(std::string& out, const json::value& value)
{
    json::serializer serializer;
    serializer.reset(&value);
    std::array<char, 4096> chunk;
    while (!serializer.done())
        out += serializer.read(chunk.data(), chunk.size());
}

void append_json_string(std::string& out, std::string_view text)
{
    json::serializer serializer;
    serializer.reset(json::string_view(text));
    std::array<char, 1024> chunk;
    while (!serializer.done())
        out += serializer.read(chunk.data(), chunk.size());
}

std::string message_event(std::string_view name, const json::value& arg, std::optional<std::uint64_t> id)
{
    std::string out;
    begin(out, packet_type::event, id);
    out += '[';
    append_json_string(out, name);
    out += ',';
    append_json(out, arg);
    out += ']';
    return out;
}

std::string message_event_args(
    std::string_view name, const json::array& args, std::optional<std::uint64_t> id, std::size_t attachments)
{
    std::string out;
    begin(out, attachments > 0 ? packet_type::binary_event : packet_type::event, id, attachments);
    out += '[';
    append_json_string(out, name);
    for (const auto& arg : args)
    {
        out += ',';
        append_json(out, arg);
    }
    out += ']';
    return out;
}

std::string message_ack_of(std::uint64_t id, std::string_view json)
{
    std::string out;
    out.reserve(json.size() + 32);
    begin(out, packet_type::ack, id);
    out += '[';
    out += json;
    out += ']';
    return out;
}

std::string message_ack(std::uint64_t id, const json::array& args, std::size_t attachments)
{
    std::string out;
    begin(out, attachments > 0 ? packet_type::binary_ack : packet_type::ack, id, attachments);
    out += '[';
    for (bool first = true; const auto& arg : args)
    {
        if (!std::exchange(first, false))
            out += ',';
        append_json(out, arg);
    }
    out += ']';
    return out;
}

std::string message_connect(const json::object& data)
{
    std::string out;
    begin(out, packet_type::connect, {});
    append_json(out, data);
    return out;
}

std::string message_connect_error(std::string_view text, const json::value& data)
{
    std::string out;
    begin(out, packet_type::connect_error, {});
    out += R"({"message":)";
    append_json_string(out, text);
    if (!data.is_null())
    {
        out += R"(,"data":)";
        append_json(out, data);
    }
    out += '}';
    return out;
}

std::string message_disconnect()
{
    return "41";
}

} // namespace consortium::protocol::socket_io
