#pragma once
#include "consortium/net/url.hpp"
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace consortium::net
{

/// What the environment says of proxies, with the names and the meaning that curl gives them.
struct proxy_settings
{
    std::string https;      ///< https_proxy, HTTPS_PROXY: for https:// and wss://
    std::string http;       ///< http_proxy: for http:// and ws://
    std::string all;        ///< all_proxy, ALL_PROXY: where neither says anything
    std::string exceptions; ///< no_proxy, NO_PROXY

    /// HTTP_PROXY is not asked: a CGI program has it from whoever sent the request (CVE-2016-5385). Empty counts as
    /// unset.
    static proxy_settings from_environment(const std::function<const char*(const char*)>& environment);
};

/// Every connection through it is a tunnel: CONNECT (RFC 9110 section 9.3.6) or SOCKS5 (RFC 1928).
struct proxy
{
    enum class protocol
    {
        http,
        socks5,  ///< names are looked up here
        socks5h, ///< names are looked up by the proxy
    };
    struct login
    {
        std::string user;
        std::string password;
    };

    protocol speaks = protocol::http;
    std::string host;
    std::uint16_t port = 0;
    std::optional<login> credentials;
    std::string_view variable; ///< which one named it, e.g. "https_proxy"

    /// "socks5h://proxy.example:1080": without credentials.
    std::string shown() const;
};

/// The proxy on the way to `to`, if any. What is on this machine for certain is dialled directly, as is what
/// `exceptions` names. Errors: errc::bad_request, which never shows what may be a password.
result<std::optional<proxy>> choose_proxy(const proxy_settings& settings, const url& to);

} // namespace consortium::net
