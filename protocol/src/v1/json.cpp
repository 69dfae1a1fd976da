#include "consortium/protocol/v1/json.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/protocol/json_text.hpp"
#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <charconv>
#include <cmath>

namespace consortium::protocol::v1
{
namespace
{

// True for the bytes that RFC 8259 section 7 lets nobody write as they are.
constexpr auto needs_escape = []
{
    std::array<bool, 256> out{};
    for (std::size_t c = 0; c < 0x20; ++c)
        out[c] = true;
    out['"'] = out['\\'] = true;
    return out;
}();

void append_escape(std::string& out, char c)
{
    constexpr std::string_view hex = "0123456789abcdef";
    switch (c)
    {
    case '"':
        out += "\\\"";
        return;
    case '\\':
        out += "\\\\";
        return;
    case '\n':
        out += "\\n";
        return;
    case '\r':
        out += "\\r";
        return;
    case '\t':
        out += "\\t";
        return;
    default:
        out += "\\u00";
        out += hex[static_cast<std::size_t>(c) >> 4];
        out += hex[static_cast<std::size_t>(c) & 15];
    }
}

} // namespace

void append_quoted(std::string& out, std::string_view text)
{
    out.reserve(out.size() + text.size() + 2);
    out += '"';
    std::size_t done = 0;
    for (std::size_t at = 0; at < text.size(); ++at)
    {
        if (!needs_escape[static_cast<unsigned char>(text[at])])
            continue;
        out.append(text, done, at - done);
        append_escape(out, text[at]);
        done = at + 1;
    }
    out.append(text, done);
    out += '"';
}

void json_writer::separate()
{
    if (!first_)
        out_ += ',';
    first_ = false;
}

json_writer& json_writer::begin_object()
{
    separate();
    out_ += '{';
    first_ = true;
    return *this;
}

json_writer& json_writer::end_object()
{
    out_ += '}';
    first_ = false;
    return *this;
}

json_writer& json_writer::begin_array()
{
    separate();
    out_ += '[';
    first_ = true;
    return *this;
}

json_writer& json_writer::end_array()
{
    out_ += ']';
    first_ = false;
    return *this;
}

json_writer& json_writer::key(std::string_view name)
{
    separate();
    out_ += '"';
    out_ += name;
    out_ += "\":";
    first_ = true;
    return *this;
}

json_writer& json_writer::value(std::string_view text)
{
    separate();
    append_quoted(out_, text);
    return *this;
}

json_writer& json_writer::value(bool truth)
{
    return raw(truth ? "true" : "false");
}

json_writer& json_writer::value(std::nullptr_t)
{
    return raw("null");
}

json_writer& json_writer::raw(std::string_view json)
{
    separate();
    out_ += json;
    return *this;
}

json_writer& json_writer::signed_number(std::int64_t number)
{
    std::array<char, 24> text{};
    const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
    return raw({text.data(), static_cast<std::size_t>(end - text.data())});
}

json_writer& json_writer::unsigned_number(std::uint64_t number)
{
    std::array<char, 24> text{};
    const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
    return raw({text.data(), static_cast<std::size_t>(end - text.data())});
}

result<boost::json::object> parse_object_text(std::string_view text)
{
    auto value = parse_json(text);
    if (!value)
        return std::unexpected(value.error());
    auto* object = value->if_object();
    if (!object)
        return fail(errc::bad_request, "the body must be a JSON object");
    return std::move(*object);
}

const boost::json::value* field_reader::find(std::string_view name) const
{
    return from_.if_contains(name);
}

bool field_reader::has(std::string_view name) const
{
    const auto* value = find(name);
    return value && !value->is_null();
}

void field_reader::refuse(errc code, std::string_view name, std::string_view what)
{
    if (!failed_)
        failed_ = error{code, std::string(name) + std::string(what), std::nullopt};
}

std::optional<std::string_view> field_reader::maybe_text(std::string_view name, std::size_t bytes_max)
{
    const auto* value = find(name);
    if (!value || value->is_null())
        return std::nullopt;
    const auto* found = value->if_string();
    if (!found)
    {
        refuse(errc::bad_request, name, " must be a string");
        return std::nullopt;
    }
    if (found->size() > bytes_max)
    {
        refuse(errc::too_large, name, " is longer than " + std::to_string(bytes_max) + " bytes");
        return std::nullopt;
    }
    return std::string_view(found->data(), found->size());
}

std::string_view field_reader::text(std::string_view name, std::size_t bytes_max)
{
    if (!has(name))
    {
        refuse(errc::bad_request, name, " is missing");
        return {};
    }
    return maybe_text(name, bytes_max).value_or(std::string_view());
}

std::string_view field_reader::name(std::string_view name, std::size_t bytes_max)
{
    const auto found = text(name, bytes_max);
    if (found.empty())
        refuse(errc::bad_request, name, " must not be empty");
    return found;
}

std::optional<std::string_view> field_reader::maybe_base64_text(std::string_view name, std::size_t bytes_max)
{
    const auto found = maybe_text(name, bytes_max);
    if (found && !base64_decode(*found))
        refuse(errc::bad_request, name, " is not standard base64 with padding");
    return found;
}

std::string_view field_reader::base64_text(std::string_view name, std::size_t bytes_max)
{
    const auto found = text(name, bytes_max);
    if (found.empty() || !base64_decode(found))
        refuse(errc::bad_request, name, " is not standard base64 with padding");
    return found;
}

bytes field_reader::base64(std::string_view name, std::size_t bytes_max)
{
    const auto found = text(name, (bytes_max + 2) / 3 * 4);
    auto data = base64_decode(found);
    if (!data || data->empty() || data->size() > bytes_max)
    {
        refuse(errc::bad_request, name, " is not standard base64 of the right size");
        return {};
    }
    return std::move(*data);
}

std::int64_t field_reader::integer(std::string_view name, std::int64_t least)
{
    const auto* value = find(name);
    std::optional<std::int64_t> number;
    if (value && value->is_int64())
        number = value->get_int64();
    else if (value && value->is_uint64())
        number = integer_max + 1;
    else if (value && value->is_double())
    {
        const auto given = value->get_double();
        if (std::trunc(given) == given && std::abs(given) <= static_cast<double>(integer_max))
            number = static_cast<std::int64_t>(given);
    }
    if (!number || *number < least || *number > integer_max)
    {
        refuse(errc::bad_request, name, " must be a whole number in its range");
        return 0;
    }
    return *number;
}

std::optional<bool> field_reader::maybe_boolean(std::string_view name)
{
    const auto* value = find(name);
    if (!value || value->is_null())
        return std::nullopt;
    if (!value->is_bool())
    {
        refuse(errc::bad_request, name, " must be true or false");
        return std::nullopt;
    }
    return value->get_bool();
}

const boost::json::object* field_reader::maybe_object(std::string_view name)
{
    const auto* value = find(name);
    if (!value || value->is_null())
        return nullptr;
    if (!value->is_object())
        refuse(errc::bad_request, name, " must be an object");
    return value->if_object();
}

const boost::json::array* field_reader::array(std::string_view name)
{
    const auto* value = find(name);
    if (!value || !value->is_array())
    {
        refuse(errc::bad_request, name, " must be an array");
        return nullptr;
    }
    return value->if_array();
}

} // namespace consortium::protocol::v1
