#pragma once
#include "consortium/common/error.hpp"
#include "consortium/net/http.hpp"
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Who really asks, where proxies stand between (docs/administration.md, "A proxy in front of the relay").
namespace consortium::relay
{

/// An IPv6 address, or an IPv4 one mapped into it (RFC 4291 section 2.5.5.2).
using address_bytes = std::array<std::uint8_t, 16>;
std::optional<address_bytes> parse_address(std::string_view text);
/// "192.0.2.1", "2001:db8::1".
std::string to_string(const address_bytes& address);

/// What bounds are counted by: an IPv6 address by its /64, which one person may have whole.
std::string address_key(std::string_view address);

/// The `for` of each hop, the farthest first, as its proxy wrote it; empty for a hop that does not say it or cannot be
/// read. Forwarded (RFC 7239) and X-Forwarded-For.
std::vector<std::string> hops_of_forwarded(const net::http_headers& headers);
std::vector<std::string> hops_of_x_forwarded_for(const net::http_headers& headers);

/// The proxies whose word about their clients is believed. Thread-safety: const after construction.
class trusted_proxies
{
public:
    /// Of "ADDR" or "ADDR/BITS". errc::bad_request names the one that is neither.
    static result<trusted_proxies> make(std::span<const std::string> networks);

    bool empty() const noexcept { return networks_.empty(); }
    bool trusts(std::string_view address) const;
    /// The rightmost address that is no proxy of ours; `peer` itself unless it is one. Where a proxy's two headers say
    /// different things one of them may be the client's own: then it is the proxy who asks.
    std::string client_of(const std::string& peer, const net::http_headers& headers) const;

private:
    struct network
    {
        address_bytes address;
        unsigned bits;
    };
    std::string walk(const std::string& peer, const std::vector<std::string>& hops) const;

    std::vector<network> networks_;
};

} // namespace consortium::relay
