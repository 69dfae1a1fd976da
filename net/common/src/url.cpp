#include "consortium/net/url.hpp"
#include "consortium/net/http.hpp"
#include "consortium/net/port.hpp"
#include <boost/asio/ip/address.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

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
    boost::system::error_code failed;
    if (const auto address = boost::asio::ip::make_address(std::string(host), failed); !failed)
        return address.is_loopback();
    // RFC 6761 section 6.3
    constexpr std::string_view suffix = ".localhost";
    return equal_ignoring_case(host, suffix.substr(1)) ||
           (host.size() > suffix.size() && equal_ignoring_case(host.substr(host.size() - suffix.size()), suffix));
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
    out.port = found.has_port() ? parse_port({found.port().data(), found.port().size()}) : default_port(out.tls);
    if (out.port == 0)
        return fail(errc::bad_request, quoted() + " has no usable port");
    const auto target = found.encoded_target();
    out.target.assign(target.data(), target.size());
    if (!out.target.starts_with('/'))
        out.target.insert(0, "/");
    return out;
}

} // namespace consortium::net
