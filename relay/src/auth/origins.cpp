#include "auth/origins.hpp"
#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <unistd.h>

namespace consortium::relay
{
namespace
{

bool is_host_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

bool is_host(std::string_view host)
{
    if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    {
        const std::string address(host.substr(1, host.size() - 2));
        in6_addr parsed{};
        return inet_pton(AF_INET6, address.c_str(), &parsed) == 1;
    }
    return !host.empty() && host.size() <= 253 && std::ranges::all_of(host, is_host_character);
}

bool is_loopback(std::string_view host)
{
    if (host == "localhost" || host == "[::1]" || host.ends_with(".localhost"))
        return true;
    in_addr parsed{};
    return inet_pton(AF_INET, std::string(host).c_str(), &parsed) == 1 && (ntohl(parsed.s_addr) >> 24) == 127;
}

std::uint16_t default_port(std::string_view scheme)
{
    return scheme == "https" ? 443 : 80;
}

/// "host[:port]", port by default that of `scheme`.
result<origin> parse_authority(std::string_view scheme, std::string_view authority)
{
    origin out;
    out.scheme = scheme;
    const auto bracket = authority.rfind(']');
    const auto colon = authority.rfind(':');
    const bool with_port = colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
    out.host = authority.substr(0, with_port ? colon : authority.size());
    out.port = default_port(scheme);
    if (with_port)
    {
        const auto digits = authority.substr(colon + 1);
        unsigned port = 0;
        const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
        if (ec != std::errc() || end != digits.data() + digits.size() || port == 0 || port > 65535)
            return fail(errc::bad_request, "not a valid port");
        out.port = static_cast<std::uint16_t>(port);
    }
    if (!is_host(out.host))
        return fail(errc::bad_request, "not a valid host name");
    return out;
}

} // namespace

bool is_authority(std::string_view text)
{
    return parse_authority("http", text).has_value();
}

result<origin> parse_origin(std::string_view text)
{
    const auto refuse = []
    { return fail(errc::bad_request, "origin must be like https://relay.example or http://localhost:3005"); };
    for (const std::string_view scheme : {"http", "https"})
    {
        const auto head = std::string(scheme) + "://";
        if (!text.starts_with(head))
            continue;
        auto parsed = parse_authority(scheme, text.substr(head.size()));
        // One text for each origin: no default port, no leading zeros, no capitals.
        if (!parsed || to_string(*parsed) != text)
            return refuse();
        return parsed;
    }
    return refuse();
}

result<origin> origin_of_url(std::string_view url)
{
    const auto head_end = url.find("://");
    if (head_end == std::string_view::npos)
        return fail(errc::bad_request, "not an http or https URL");
    const auto scheme = url.substr(0, head_end);
    if (scheme != "http" && scheme != "https")
        return fail(errc::bad_request, "not an http or https URL");
    auto authority = url.substr(head_end + 3);
    authority = authority.substr(0, authority.find_first_of("/?#"));
    std::string lower(authority);
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return parse_authority(scheme, lower);
}

std::string to_string(const origin& value)
{
    auto text = value.scheme + "://" + value.host;
    if (value.port != default_port(value.scheme))
        text += ":" + std::to_string(value.port);
    return text;
}

result<accepted_origins> accepted_origins::make(const settings& from)
{
    accepted_origins out;
    for (const auto& url : from.public_urls)
    {
        auto parsed = origin_of_url(url);
        if (!parsed)
            return fail(errc::bad_request, "--public-url " + url + " is " + parsed.error().detail);
        out.public_.push_back(std::move(*parsed));
    }
    for (const auto& text : from.dashboard_origins)
    {
        auto parsed = parse_origin(text);
        if (!parsed)
            return fail(errc::bad_request, "--dashboard-origin " + text + ": " + parsed.error().detail);
        out.dashboards_.push_back(std::move(*parsed));
    }
    out.own_hosts_ = from.own_hosts;
    out.port_ = from.port;
    if (!from.public_urls.empty())
        out.first_public_ = from.public_urls.front();
    return out;
}

result<void> accepted_origins::check(std::string_view text) const
{
    const auto parsed = parse_origin(text);
    if (!parsed)
        return std::unexpected(parsed.error());
    if (std::ranges::find(public_, *parsed) != public_.end() || is_loopback(parsed->host))
        return {};
    if (parsed->port == port_ && std::ranges::find(own_hosts_, parsed->host) != own_hosts_.end())
        return {};

    std::string accepted = "localhost, this machine's own addresses on port " + std::to_string(port_);
    for (const auto& known : public_)
        accepted += ", " + to_string(known);
    return fail(
        errc::wrong_origin,
        "this relay is not " + std::string(text) + "; it accepts logins for " + accepted + " (more with --public-url)");
}

result<void> accepted_origins::check_page(std::string_view text, std::string_view host) const
{
    const auto known = [](const std::vector<origin>& list, const origin& one)
    { return std::ranges::find(list, one) != list.end(); };
    if (const auto parsed = parse_origin(text))
    {
        if (known(public_, *parsed) || known(dashboards_, *parsed))
            return {};
        const bool loopback = is_loopback(parsed->host);
        if (parsed->port == port_ && (loopback || std::ranges::find(own_hosts_, parsed->host) != own_hosts_.end()))
            return {};
        // Through a tunnel to this machine the port is another one, which the page's own requests name.
        if (loopback && text.substr(parsed->scheme.size() + 3) == host)
            return {};
    }
    return fail(
        errc::forbidden,
        "a page of another origin may not ask for this without a token (its own pages may, and those of "
        "--dashboard-origin)");
}

result<std::string> accepted_origins::of_host(std::string_view host, bool tls) const
{
    // Behind a proxy that ends TLS the scheme cannot be seen: a public URL of that host knows it.
    for (const auto& known : public_)
    {
        const auto text = to_string(known);
        if (text.substr(known.scheme.size() + 3) == host)
            return text;
    }
    auto parsed = origin_of_url(std::string(tls ? "https://" : "http://") + std::string(host));
    if (!parsed)
        return std::unexpected(parsed.error());
    auto text = to_string(*parsed);
    if (auto accepted = check(text); !accepted)
        return std::unexpected(accepted.error());
    return text;
}

std::vector<std::string> accepted_origins::public_authorities() const
{
    std::vector<std::string> out;
    for (const auto& known : public_)
        out.push_back(to_string(known).substr(known.scheme.size() + 3));
    return out;
}

std::string_view accepted_origins::first_public_url() const noexcept
{
    return first_public_;
}

std::vector<std::string> own_hosts()
{
    std::vector<std::string> out;
    std::array<char, 256> name{};
    if (::gethostname(name.data(), name.size() - 1) == 0 && name[0] != 0)
    {
        std::string text(name.data());
        std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        out.push_back(text);
        if (text.find('.') == std::string::npos)
            out.push_back(text + ".local");
    }
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0)
        return out;
    for (const auto* at = list; at; at = at->ifa_next)
    {
        if (!at->ifa_addr)
            continue;
        std::array<char, INET6_ADDRSTRLEN> text{};
        if (at->ifa_addr->sa_family == AF_INET)
        {
            const auto* address = reinterpret_cast<const sockaddr_in*>(at->ifa_addr);
            if (inet_ntop(AF_INET, &address->sin_addr, text.data(), text.size()))
                out.emplace_back(text.data());
        }
        else if (at->ifa_addr->sa_family == AF_INET6)
        {
            const auto* address = reinterpret_cast<const sockaddr_in6*>(at->ifa_addr);
            if (inet_ntop(AF_INET6, &address->sin6_addr, text.data(), text.size()))
                out.push_back("[" + std::string(text.data()) + "]");
        }
    }
    ::freeifaddrs(list);
    return out;
}

} // namespace consortium::relay
