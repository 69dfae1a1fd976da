#include "consortium/net/http.hpp"
#include <algorithm>
#include <array>

namespace consortium::net
{
namespace
{
char lower(char c) noexcept
{
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

int hex_value(char c) noexcept
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
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
    switch (status)
    {
    case 101:
        return "Switching Protocols";
    case 200:
        return "OK";
    case 201:
        return "Created";
    case 202:
        return "Accepted";
    case 204:
        return "No Content";
    case 206:
        return "Partial Content";
    case 301:
        return "Moved Permanently";
    case 302:
        return "Found";
    case 303:
        return "See Other";
    case 304:
        return "Not Modified";
    case 307:
        return "Temporary Redirect";
    case 308:
        return "Permanent Redirect";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 406:
        return "Not Acceptable";
    case 408:
        return "Request Timeout";
    case 409:
        return "Conflict";
    case 410:
        return "Gone";
    case 411:
        return "Length Required";
    case 412:
        return "Precondition Failed";
    case 413:
        return "Content Too Large";
    case 415:
        return "Unsupported Media Type";
    case 416:
        return "Range Not Satisfiable";
    case 421:
        return "Misdirected Request";
    case 426:
        return "Upgrade Required";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    case 507:
        return "Insufficient Storage";
    default:
        return status < 200   ? "Continue"
               : status < 300 ? "OK"
               : status < 400 ? "Redirect"
               : status < 500 ? "Bad Request"
                              : "Server Error";
    }
}

std::string percent_encode(std::string_view text)
{
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    out.reserve(text.size() * 3);
    for (const char c : text)
    {
        const bool unreserved = (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || c == '-' ||
                                c == '.' || c == '_' || c == '~';
        if (unreserved)
        {
            out += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out += '%';
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
    return out;
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space)
{
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i)
    {
        if (text[i] == '+' && plus_is_space)
        {
            out += ' ';
        }
        else if (text[i] == '%')
        {
            if (text.size() - i < 3)
                return {};
            const int high = hex_value(text[i + 1]);
            const int low = hex_value(text[i + 2]);
            if (high < 0 || low < 0)
                return {};
            out += static_cast<char>(high * 16 + low);
            i += 2;
        }
        else
        {
            out += text[i];
        }
    }
    return out;
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
