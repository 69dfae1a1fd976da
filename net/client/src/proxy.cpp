#include "consortium/net/proxy.hpp"
#include "consortium/net/http.hpp"
#include "consortium/net/port.hpp"
#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <utility>

namespace consortium::net
{
namespace asio = boost::asio;
namespace
{
using asio::ip::address;

/// curl's, where the variable names none.
constexpr std::uint16_t default_port = 1080;

std::optional<address> parse_address(std::string_view text)
{
    if (text.starts_with('[') && text.ends_with(']'))
        text = text.substr(1, text.size() - 2);
    boost::system::error_code failed;
    auto out = asio::ip::make_address(std::string(text), failed);
    return failed ? std::nullopt : std::optional(out);
}

/// "10.0.0.0/8", "fd00::/8", or one address.
bool covers(std::string_view entry, const address& host)
{
    const std::string text(entry);
    boost::system::error_code failed;
    if (!entry.contains('/'))
        return parse_address(entry) == host;
    if (host.is_v4())
    {
        const auto net = asio::ip::make_network_v4(text, failed);
        return !failed && net.canonical() == asio::ip::make_network_v4(host.to_v4(), net.prefix_length()).canonical();
    }
    const auto net = asio::ip::make_network_v6(text, failed);
    return !failed && net.canonical() == asio::ip::network_v6(host.to_v6(), net.prefix_length()).canonical();
}

/// "example.org" and ".example.org" mean the name itself and everything below it.
bool is_below(std::string_view host, std::string_view entry)
{
    for (auto* each : {&host, &entry})
        if (each->ends_with('.'))
            each->remove_suffix(1);
    if (entry.starts_with('.'))
        entry.remove_prefix(1);
    if (entry.empty() || host.size() < entry.size())
        return false;
    const auto above = host.size() - entry.size();
    return equal_ignoring_case(host.substr(above), entry) && (above == 0 || host[above - 1] == '.');
}

bool is_excepted(std::string_view exceptions, const std::string& host)
{
    if (exceptions == "*")
        return true;
    const auto numeric = parse_address(host);
    while (!exceptions.empty())
    {
        const auto end = std::min(exceptions.find_first_of(", \t"), exceptions.size());
        const auto entry = exceptions.substr(0, end);
        exceptions.remove_prefix(std::min(end + 1, exceptions.size()));
        if (!entry.empty() && (numeric ? covers(entry, *numeric) : is_below(host, entry)))
            return true;
    }
    return false;
}

result<proxy> parse_proxy(std::string_view variable, const std::string& value)
{
    const auto unusable = [&](std::string_view why)
    { return fail(errc::bad_request, "The environment variable " + std::string(variable) + " " + std::string(why)); };
    const auto whole = value.contains("://") ? value : "http://" + value;
    const auto parsed = boost::urls::parse_uri(whole);
    if (!parsed)
        return unusable("names no proxy (expected e.g. http://proxy.example:3128)");
    const auto& found = *parsed;
    proxy out;
    out.variable = variable;
    const std::string_view scheme(found.scheme().data(), found.scheme().size());
    if (equal_ignoring_case(scheme, "http"))
        out.speaks = proxy::protocol::http;
    else if (equal_ignoring_case(scheme, "socks5"))
        out.speaks = proxy::protocol::socks5;
    else if (equal_ignoring_case(scheme, "socks5h"))
        out.speaks = proxy::protocol::socks5h;
    else
        return unusable("names a proxy of a kind that is not supported (http://, socks5:// and socks5h:// are)");
    out.host = found.host_address();
    if (out.host.empty())
        return unusable("names no host");
    out.port = found.has_port() ? parse_port({found.port().data(), found.port().size()}) : default_port;
    if (out.port == 0)
        return unusable("has no usable port");
    if (found.has_userinfo())
    {
        out.credentials = proxy::login{found.user(), found.password()};
        // RFC 1929 section 2; a user with a colon cannot be told from one with a password (RFC 7617 section 2).
        const bool http = out.speaks == proxy::protocol::http;
        const auto& [user, password] = *out.credentials;
        if (user.empty() || user.size() > 255 || password.size() > 255 || (http && user.contains(':')))
            return unusable("has a user or a password that cannot be sent to a proxy");
    }
    return out;
}
} // namespace

proxy_settings proxy_settings::from_environment(const std::function<const char*(const char*)>& environment)
{
    const auto first_of = [&](std::initializer_list<const char*> names)
    {
        for (const auto* name : names)
            if (const char* value = environment(name); value != nullptr && *value != '\0')
                return std::string(value);
        return std::string();
    };
    proxy_settings out;
    out.https = first_of({"https_proxy", "HTTPS_PROXY"});
    out.http = first_of({"http_proxy"});
    out.all = first_of({"all_proxy", "ALL_PROXY"});
    out.exceptions = first_of({"no_proxy", "NO_PROXY"});
    return out;
}

std::string proxy::shown() const
{
    constexpr auto name = [](protocol each)
    {
        switch (each)
        {
        case protocol::http:
            return "http://";
        case protocol::socks5:
            return "socks5://";
        case protocol::socks5h:
            return "socks5h://";
        }
        std::unreachable();
    };
    return name(speaks) + (host.contains(':') ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

result<std::optional<proxy>> choose_proxy(const proxy_settings& settings, const url& to)
{
    const auto& own = to.tls ? settings.https : settings.http;
    const auto& value = own.empty() ? settings.all : own;
    if (value.empty() || is_loopback(to.host) || is_excepted(settings.exceptions, to.host))
        return std::nullopt;
    const std::string_view variable = own.empty() ? "all_proxy" : to.tls ? "https_proxy" : "http_proxy";
    auto out = parse_proxy(variable, value);
    if (!out)
        return std::unexpected(out.error());
    return std::optional(std::move(*out));
}

} // namespace consortium::net
