#include "consortium/protocol/foreign_json.hpp"
#include "consortium/common/utf8.hpp"
#include "consortium/protocol/json_text.hpp"
#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <string>

namespace consortium::protocol
{
namespace json = boost::json;
namespace
{

constexpr std::size_t escape_size = 6; // \uXXXX
constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

result<json::value> read_strictly(std::string_view text, std::size_t depth_max)
{
    return parse_json(text, {.values_max = std::numeric_limits<std::size_t>::max(), .depth_max = depth_max});
}

bool is_control(char c) noexcept
{
    return static_cast<unsigned char>(c) < 0x20;
}
bool is_high(unsigned unit) noexcept
{
    return unit >= 0xd800 && unit < 0xdc00;
}
bool is_low(unsigned unit) noexcept
{
    return unit >= 0xdc00 && unit < 0xe000;
}

/// The code unit that an escape at the front stands for.
std::optional<unsigned> unit_of(std::string_view text)
{
    const auto escape = text.substr(0, escape_size);
    if (escape.size() < escape_size || !escape.starts_with("\\u"))
        return std::nullopt;
    unsigned value = 0;
    const auto* end = escape.data() + escape.size();
    const auto read = std::from_chars(escape.data() + 2, end, value, 16);
    return read.ec == std::errc() && read.ptr == end ? std::optional(value) : std::nullopt;
}

/// Writes the text again, token for token, with what is mended. One pass; makes no attempt at grammar.
class mender
{
public:
    mender(std::string_view text, std::size_t depth_max) : rest_(text), depth_max_(depth_max)
    {
        out_.reserve(text.size());
    }

    std::string mended()
    {
        if (rest_.starts_with(byte_order_mark))
            rest_.remove_prefix(byte_order_mark.size());
        while (!rest_.empty())
            token();
        return std::move(out_);
    }

private:
    void token()
    {
        const char c = rest_.front();
        if (c == '"')
            return string();
        if ((c == '{' || c == '[') && depth_ == depth_max_)
            return as_text(nested());
        if (is_control(c) || c == ' ')
            out_.push_back(' ');
        else if (std::string_view("{}[],:").find(c) != std::string_view::npos)
        {
            depth_ += c == '{' || c == '[';
            depth_ -= (c == '}' || c == ']') && depth_ > 0;
            out_.push_back(c);
        }
        else
            return word();
        rest_.remove_prefix(1);
    }

    void string()
    {
        copy(1);
        while (!rest_.empty() && rest_.front() != '"')
        {
            if (rest_.front() == '\\')
                escape();
            else
                character();
        }
        copy(1);
    }

    void escape()
    {
        if (const auto unit = unit_of(rest_))
        {
            const auto next = unit_of(rest_.substr(escape_size));
            if (is_high(*unit) && next && is_low(*next))
                return copy(2 * escape_size);
            if (!is_high(*unit) && !is_low(*unit))
                return copy(escape_size);
            put_utf8(out_, U'\ufffd');
            rest_.remove_prefix(escape_size);
            return;
        }
        if (rest_.size() > 1 && std::string_view("\"\\/bfnrt").find(rest_[1]) != std::string_view::npos)
            return copy(2);
        character();
    }

    /// One character of a text, as it stands in a JSON string.
    void character()
    {
        constexpr std::string_view digits = "0123456789abcdef";
        const char c = rest_.front();
        if (c == '"' || c == '\\')
            out_.push_back('\\');
        if (!is_control(c))
            return put_utf8(out_, take_utf8(rest_));
        out_ += "\\u00";
        out_.push_back(digits[static_cast<std::size_t>(c) >> 4]);
        out_.push_back(digits[static_cast<std::size_t>(c) & 0xf]);
        rest_.remove_prefix(1);
    }

    void word()
    {
        const auto end = std::ranges::find_if(
            rest_,
            [](char c) { return is_control(c) || std::string_view(" {}[],:\"").find(c) != std::string_view::npos; });
        const auto found = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
        if (!read_strictly(found, 1))
            return as_text(found.size());
        copy(found.size());
    }

    /// The bytes of the object or list at the front, as far as it goes.
    std::size_t nested() const
    {
        std::size_t depth = 0;
        bool in_string = false;
        for (std::size_t at = 0; at < rest_.size(); ++at)
        {
            const char c = rest_[at];
            if (in_string && c == '\\')
                ++at;
            else if (c == '"')
                in_string = !in_string;
            else if (!in_string && (c == '{' || c == '['))
                ++depth;
            else if (!in_string && (c == '}' || c == ']') && --depth == 0)
                return at + 1;
        }
        return rest_.size();
    }

    void as_text(std::size_t size)
    {
        auto after = rest_.substr(size);
        rest_ = rest_.substr(0, size);
        out_.push_back('"');
        while (!rest_.empty())
            character();
        out_.push_back('"');
        rest_ = after;
    }

    void copy(std::size_t size)
    {
        out_ += rest_.substr(0, size);
        rest_.remove_prefix(std::min(size, rest_.size()));
    }

    std::string out_;
    std::string_view rest_;
    std::size_t depth_ = 0;
    std::size_t depth_max_;
};

} // namespace

result<json::value> read_foreign_json(std::string_view text, std::size_t depth_max)
{
    if (auto value = read_strictly(text, depth_max))
        return value;
    return read_strictly(mender(text, depth_max).mended(), depth_max);
}

result<json::object> read_foreign_object(std::string_view text, std::size_t depth_max)
{
    auto value = read_foreign_json(text, depth_max);
    if (!value)
        return std::unexpected(value.error());
    if (!value->is_object())
        return fail(errc::bad_request, "not an object");
    return std::move(value->get_object());
}

} // namespace consortium::protocol
