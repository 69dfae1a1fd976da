#include "client_address.hpp"
#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <ranges>

namespace consortium::relay
{
namespace
{

constexpr std::array<std::uint8_t, 12> v4_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool is_v4(const address_bytes& address)
{
    return std::ranges::equal(std::span(address).first(12), v4_prefix);
}

std::string_view trimmed(std::string_view text)
{
    const auto begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos)
        return {};
    return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

/// "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80": without the port. Empty if it is
/// none of these.
std::string node_address(std::string_view node)
{
    if (node.starts_with('['))
        node = node.substr(1, std::min(node.find(']'), node.size()) - 1);
    else if (std::ranges::count(node, ':') == 1)
        node = node.substr(0, node.find(':'));
    const auto parsed = parse_address(node);
    return parsed ? to_string(*parsed) : std::string();
}

/// Reads one Forwarded field: elements at commas, pairs at semicolons, values that may be quoted (RFC 7239 section 4).
class forwarded_reader
{
public:
    explicit forwarded_reader(std::string_view text) : rest_(text) {}

    bool done() const noexcept { return rest_.empty(); }
    /// The `for` of the next element.
    std::string next()
    {
        std::string found;
        bool good = true;
        while (!rest_.empty())
        {
            const auto name = trimmed(take_until("=;,"));
            std::string value;
            if (rest_.starts_with('='))
            {
                rest_.remove_prefix(1);
                good = take_value(value) && good;
            }
            if (net::equal_ignoring_case(name, "for"))
            {
                good = good && found.empty();
                found = node_address(value);
            }
            const bool ends = rest_.starts_with(',');
            rest_.remove_prefix(std::min<std::size_t>(1, rest_.size()));
            if (ends)
                break;
        }
        return good ? found : std::string();
    }

private:
    std::string_view take_until(std::string_view ends)
    {
        const auto out = rest_.substr(0, rest_.find_first_of(ends));
        rest_.remove_prefix(out.size());
        return out;
    }
    bool take_value(std::string& out)
    {
        rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size()));
        if (!rest_.starts_with('"'))
        {
            out = trimmed(take_until(";,"));
            return true;
        }
        rest_.remove_prefix(1);
        while (!rest_.empty() && rest_.front() != '"')
        {
            if (rest_.front() == '\\')
                rest_.remove_prefix(1);
            if (rest_.empty())
                return false;
            out += rest_.front();
            rest_.remove_prefix(1);
        }
        if (rest_.empty())
            return false;
        rest_.remove_prefix(1);
        return trimmed(take_until(";,")).empty();
    }

    std::string_view rest_;
};

} // namespace

std::optional<address_bytes> parse_address(std::string_view text)
{
    const std::string terminated(text);
    address_bytes out{};
    if (inet_pton(AF_INET6, terminated.c_str(), out.data()) == 1)
        return out;
    if (inet_pton(AF_INET, terminated.c_str(), out.data() + v4_prefix.size()) != 1)
        return std::nullopt;
    std::ranges::copy(v4_prefix, out.begin());
    return out;
}

std::string to_string(const address_bytes& address)
{
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (is_v4(address))
        inet_ntop(AF_INET, address.data() + v4_prefix.size(), text.data(), text.size());
    else
        inet_ntop(AF_INET6, address.data(), text.data(), text.size());
    return text.data();
}

std::string address_key(std::string_view address)
{
    auto parsed = parse_address(address);
    if (!parsed || is_v4(*parsed))
        return std::string(address);
    std::ranges::fill(std::span(*parsed).subspan(8), std::uint8_t{0});
    return to_string(*parsed) + "/64";
}

std::vector<std::string> hops_of_forwarded(const net::http_headers& headers)
{
    std::vector<std::string> out;
    for (const auto& field : headers)
        if (net::equal_ignoring_case(field.name, "Forwarded"))
            for (forwarded_reader elements(field.value); !elements.done();)
                out.push_back(elements.next());
    return out;
}

std::vector<std::string> hops_of_x_forwarded_for(const net::http_headers& headers)
{
    std::vector<std::string> out;
    for (const auto& field : headers)
        if (net::equal_ignoring_case(field.name, "X-Forwarded-For"))
            for (const auto part : std::views::split(std::string_view(field.value), ','))
                out.push_back(node_address(trimmed(std::string_view(part))));
    return out;
}

result<trusted_proxies> trusted_proxies::make(std::span<const std::string> networks)
{
    trusted_proxies out;
    for (const auto& text : networks)
    {
        const auto refuse = [&]
        { return fail(errc::bad_request, "--trusted-proxy " + text + " is neither an address nor ADDR/BITS"); };
        const auto slash = text.find('/');
        const auto address = parse_address(std::string_view(text).substr(0, slash));
        if (!address)
            return refuse();
        const unsigned offset = is_v4(*address) ? 96 : 0;
        unsigned bits = 128 - offset;
        if (slash != std::string::npos)
        {
            const auto digits = std::string_view(text).substr(slash + 1);
            unsigned given = 0;
            const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), given);
            if (ec != std::errc() || end != digits.data() + digits.size() || given > bits)
                return refuse();
            bits = given;
        }
        out.networks_.push_back({*address, bits + offset});
    }
    return out;
}

bool trusted_proxies::trusts(std::string_view address) const
{
    if (networks_.empty())
        return false;
    const auto parsed = parse_address(address);
    if (!parsed)
        return false;
    return std::ranges::any_of(
        networks_,
        [&](const network& each)
        {
            for (unsigned bit = 0; bit < each.bits; ++bit)
                if (((*parsed)[bit / 8] ^ each.address[bit / 8]) & (0x80u >> (bit % 8)))
                    return false;
            return true;
        });
}

std::string trusted_proxies::walk(const std::string& peer, const std::vector<std::string>& hops) const
{
    auto out = peer;
    for (const auto& hop : std::views::reverse(hops))
    {
        if (hop.empty())
            break;
        out = hop;
        if (!trusts(hop))
            break;
    }
    return out;
}

std::string trusted_proxies::client_of(const std::string& peer, const net::http_headers& headers) const
{
    if (!trusts(peer))
        return peer;
    const auto forwarded = hops_of_forwarded(headers);
    const auto x_forwarded_for = hops_of_x_forwarded_for(headers);
    if (x_forwarded_for.empty())
        return walk(peer, forwarded);
    auto out = walk(peer, x_forwarded_for);
    return forwarded.empty() || walk(peer, forwarded) == out ? out : peer;
}

} // namespace consortium::relay
