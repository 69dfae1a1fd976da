#include "consortium/protocol/raw_json.hpp"
#include "consortium/protocol/json_text.hpp"
#include <algorithm>

namespace consortium::protocol
{
namespace
{

constexpr std::string_view blanks = " \t\r\n";

/// Goes through a text, token by token; makes no attempt at grammar beyond that.
class walker
{
public:
    explicit walker(std::string_view text) : rest_(text) {}

    /// Whether that character is next; it is passed.
    bool take(char wanted)
    {
        skip_blanks();
        if (!rest_.starts_with(wanted))
            return false;
        rest_.remove_prefix(1);
        return true;
    }
    /// The value that is next; it is passed. Empty: there is none.
    std::string_view value()
    {
        skip_blanks();
        const auto whole = rest_;
        std::size_t depth = 0;
        do
        {
            const char c = rest_.empty() ? '\0' : rest_.front();
            if (c == '"')
                skip_string();
            else if (c == '{' || c == '[')
            {
                ++depth;
                rest_.remove_prefix(1);
            }
            else if ((c == '}' || c == ']') && depth > 0)
            {
                --depth;
                rest_.remove_prefix(1);
            }
            else if (depth > 0 && (c == ',' || c == ':' || blanks.find(c) != std::string_view::npos))
                rest_.remove_prefix(1);
            else if (!skip_word())
                return {};
        } while (depth > 0);
        return whole.substr(0, whole.size() - rest_.size());
    }

private:
    void skip_blanks() { rest_.remove_prefix(std::min(rest_.find_first_not_of(blanks), rest_.size())); }
    void skip_string()
    {
        std::size_t at = 1;
        while (at < rest_.size() && rest_[at] != '"')
            at += rest_[at] == '\\' ? 2 : 1;
        rest_.remove_prefix(std::min(at + 1, rest_.size()));
    }
    /// A number or a name. False: there is none.
    bool skip_word()
    {
        const auto end = std::min(rest_.find_first_of(" \t\r\n{}[],:\""), rest_.size());
        rest_.remove_prefix(end);
        return end > 0;
    }

    std::string_view rest_;
};

bool is_name(std::string_view raw, std::string_view name)
{
    if (!raw.starts_with('"'))
        return false;
    if (!raw.contains('\\'))
        return raw.size() == name.size() + 2 && raw.substr(1, name.size()) == name;
    const auto read = parse_json(raw);
    return read && read->is_string() && std::string_view(read->get_string()) == name;
}

} // namespace

std::optional<std::string_view> raw_member(std::string_view text, std::string_view name)
{
    walker at(text);
    std::optional<std::string_view> found;
    if (!at.take('{'))
        return std::nullopt;
    do
    {
        const auto key = at.value();
        const auto value = at.take(':') ? at.value() : std::string_view();
        if (value.empty())
            return found;
        if (is_name(key, name))
            found = value;
    } while (at.take(','));
    return found;
}

} // namespace consortium::protocol
