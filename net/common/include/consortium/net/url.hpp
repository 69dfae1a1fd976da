#pragma once
#include "consortium/common/error.hpp"
#include <cstdint>
#include <string>
#include <string_view>

namespace consortium::net
{

/// An address that a client dials.
struct url
{
    bool tls = false;
    std::string host; ///< name or numeric address; without brackets
    std::uint16_t port = 0;
    std::string target = "/"; ///< path and query as sent

    /// `host` or `host:port` as the Host header has it.
    std::string authority() const;
    /// "https://example.org:8443" (http or https, no path).
    std::string origin() const;
};

/// Whether a host is this machine for certain: `localhost` and what ends in `.localhost`, 127.0.0.0/8, ::1.
bool is_loopback(std::string_view host);

/// http, https, ws and wss. Errors: errc::bad_request (says what is wrong with the text).
result<url> parse_url(std::string_view text);

} // namespace consortium::net
