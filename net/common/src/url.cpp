#include "consortium/net/url.hpp"
#include <boost/asio/ip/address.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <charconv>

namespace consortium::net
{
namespace
{
bool is_address_v6(std::string_view host)
{
    return host.contains(':');
}

std::uint16_t default_port(bool tls)
{
    return tls ? 443 : 80;
}
} // namespace

std::string url::authority() const
{
    auto out = is_address_v6(host) ? "[" + host + "]" : host;
    if (port != default_port(tls))
        out += ":" + std::to_string(port);
    return out;
}

std::string url::origin() const
{
    return (tls ? "https://" : "http://") + authority();
}

bool is_loopback(std::string_view host)
{
    const std::string name(host);
    boost::system::error_code failed;
    if (const auto address = boost::asio::ip::make_address(name, failed); !failed)
        return address.is_loopback();
    std::string lower;
    for (const char c : name)
        lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return lower == "localhost" || lower.ends_with(".localhost"); // RFC 6761 section 6.3
}

result<url> parse_url(std::string_view text)
{
    const auto quoted = [&] { return "\"" + std::string(text) + "\""; };
    const auto parsed = boost::urls::parse_uri(boost::core::string_view(text.data(), text.size()));
    if (!parsed)
        return fail(errc::bad_request, quoted() + " is not a URL (expected e.g. https://relay.example)");
    const auto& found = *parsed;
    url out;
    const std::string scheme(found.scheme().data(), found.scheme().size());
    if (scheme == "https" || scheme == "wss")
        out.tls = true;
    else if (scheme != "http" && scheme != "ws")
        return fail(errc::bad_request, quoted() + " does not begin with http:// or https://");
    const auto host = found.encoded_host_address();
    out.host.assign(host.data(), host.size());
    if (out.host.empty())
        return fail(errc::bad_request, quoted() + " names no host");
    out.port = default_port(out.tls);
    bool port_fits = true;
    if (found.has_port())
    {
        const auto digits = found.port();
        const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), out.port);
        port_fits = read.ec == std::errc{} && out.port != 0;
    }
    if (!port_fits)
        return fail(errc::bad_request, quoted() + " has no usable port");
    const auto path = found.encoded_path();
    out.target.assign(path.data(), path.size());
    if (out.target.empty())
        out.target = "/";
    if (found.has_query())
    {
        const auto query = found.encoded_query();
        out.target.append("?").append(query.data(), query.size());
    }
    return out;
}

} // namespace consortium::net
