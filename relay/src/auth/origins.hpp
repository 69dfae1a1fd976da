#pragma once
#include "consortium/common/error.hpp"
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// Which addresses this relay is: a login challenge names one of them, so that a login for another relay cannot be
/// passed on to this one (docs/protocol.md, "Login").
namespace consortium::relay
{

/// An origin in its WHATWG serialisation, taken apart.
struct origin
{
    std::string scheme; ///< http or https
    std::string host;   ///< lower case; IPv6 in brackets
    std::uint16_t port = 0;

    friend bool operator==(const origin&, const origin&) = default;
};

/// errc::bad_request unless `text` is exactly the serialisation of an http or https origin.
result<origin> parse_origin(std::string_view text);
/// Whether it is "host" or "host:port" and nothing else.
bool is_authority(std::string_view text);
/// The origin of an http or https URL with any path behind it; errc::bad_request.
result<origin> origin_of_url(std::string_view url);
std::string to_string(const origin& value);

/// Thread-safety: const after construction.
class accepted_origins
{
public:
    struct settings
    {
        std::vector<std::string> public_urls;
        /// Of dashboards that others serve.
        std::vector<std::string> dashboard_origins = {};
        /// Names and addresses of this machine, as they appear in an origin.
        std::vector<std::string> own_hosts;
        std::uint16_t port = 0; ///< the one that is listened on
    };
    /// errc::bad_request names the public URL that is none.
    static result<accepted_origins> make(const settings& from);

    /// errc::wrong_origin names what would be accepted.
    result<void> check(std::string_view text) const;

    /// errc::forbidden unless a page of this origin is one of ours: the relay's own, at the address that it was asked
    /// by (`host`), or a dashboard.
    result<void> check_page(std::string_view text, std::string_view host) const;

    /// The origin that a request without one means: the `Host` it was sent to, if accepted.
    result<std::string> of_host(std::string_view host, bool tls) const;

    /// "host" or "host:port" of each public URL.
    std::vector<std::string> public_authorities() const;

    /// What people should open: the first public URL, else empty.
    std::string_view first_public_url() const noexcept;

private:
    std::vector<origin> public_;
    std::vector<origin> dashboards_;
    std::vector<std::string> own_hosts_;
    std::uint16_t port_ = 0;
    std::string first_public_;
};

/// Hostname and the addresses of all interfaces.
std::vector<std::string> own_hosts();

} // namespace consortium::relay
