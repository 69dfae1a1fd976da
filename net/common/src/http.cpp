#include "consortium/net/http.hpp"
#include <algorithm>
#include <boost/beast/http/status.hpp>
#include <boost/url/encode.hpp>
#include <boost/url/pct_string_view.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>

namespace consortium::net
{
namespace urls = boost::urls;
namespace
{
char lower(char c) noexcept
{
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

std::string decode_or_keep(std::string_view text)
{
    auto decoded = percent_decode(text, /*plus_is_space=*/true);
    return decoded ? std::move(*decoded) : std::string(text);
}
} // namespace

bool equal_ignoring_case(std::string_view left, std::string_view right) noexcept
{
    return std::ranges::equal(left, right, {}, lower, lower);
}

std::optional<std::string_view> http_headers::find(std::string_view name) const noexcept
{
    for (const auto& field : fields_)
        if (equal_ignoring_case(field.name, name))
            return field.value;
    return {};
}

void http_headers::set(std::string_view name, std::string_view value)
{
    std::erase_if(fields_, [&](const field& each) { return equal_ignoring_case(each.name, name); });
    add(name, value);
}

std::optional<std::string_view> http_request::query_value(std::string_view name) const noexcept
{
    for (const auto& [key, value] : query)
        if (key == name)
            return value;
    return {};
}

std::string_view view(const http_body& body) noexcept
{
    if (const auto* owned = std::get_if<std::string>(&body))
        return *owned;
    if (const auto* shared = std::get_if<std::shared_ptr<const std::string>>(&body))
        return *shared ? std::string_view(**shared) : std::string_view{};
    return std::get<std::string_view>(body);
}

http_response http_response::with(unsigned status, std::string_view content_type, http_body body)
{
    http_response out;
    out.status = status;
    out.headers.add("Content-Type", content_type);
    out.body = std::move(body);
    return out;
}

http_response http_response::json(unsigned status, std::string body)
{
    return with(status, "application/json; charset=utf-8", std::move(body));
}

http_response http_response::text(unsigned status, std::string body)
{
    return with(status, "text/plain; charset=utf-8", std::move(body));
}

std::string_view reason_phrase(unsigned status) noexcept
{
    const auto phrase = boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(status));
    return {phrase.data(), phrase.size()};
}

std::string percent_encode(std::string_view text)
{
    return urls::encode({text.data(), text.size()}, urls::unreserved_chars);
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space)
{
    const auto checked = urls::make_pct_string_view({text.data(), text.size()});
    if (!checked)
        return {};
    return checked->decode(urls::encoding_opts(plus_is_space));
}

query_list parse_query(std::string_view text)
{
    query_list out;
    while (!text.empty())
    {
        const auto end = text.find('&');
        const auto pair = text.substr(0, end);
        if (!pair.empty())
        {
            const auto equals = pair.find('=');
            out.emplace_back(
                decode_or_keep(pair.substr(0, equals)),
                equals == std::string_view::npos ? std::string{} : decode_or_keep(pair.substr(equals + 1)));
        }
        if (end == std::string_view::npos)
            break;
        text.remove_prefix(end + 1);
    }
    return out;
}

} // namespace consortium::net
