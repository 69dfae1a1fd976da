#include "consortium/e2ee/login.hpp"
#include "consortium/common/base64.hpp"
#include <algorithm>
#include <charconv>
#include <vector>

namespace consortium::e2ee
{
namespace
{

constexpr std::string_view first_line = "consortium-login-1";
constexpr std::size_t nonce_bytes = 32;

std::string lower(std::string_view text)
{
    std::string out(text);
    std::ranges::transform(
        out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return out;
}

std::vector<std::string_view> lines_of(std::string_view text)
{
    std::vector<std::string_view> out;
    for (;;)
    {
        const auto end = text.find('\n');
        out.push_back(text.substr(0, end));
        if (end == std::string_view::npos)
            return out;
        text.remove_prefix(end + 1);
    }
}

/// A name or IPv4 address, or an IPv6 address in brackets.
bool is_host(std::string_view host)
{
    const bool bracketed = host.starts_with('[') && host.ends_with(']');
    if (bracketed)
        host = host.substr(1, host.size() - 2);
    constexpr std::string_view address = "0123456789abcdefABCDEF:.";
    const auto strange = [](char letter) { return letter <= ' ' || letter > '~'; };
    return !host.empty() &&
           (bracketed ? host.find_first_not_of(address) == std::string_view::npos
                      : host.find_first_of("[]:") == std::string_view::npos && std::ranges::none_of(host, strange));
}

} // namespace

result<std::string> origin_of(std::string_view url)
{
    const auto refuse = [&] { return fail(errc::bad_request, "not an http or https address: " + std::string(url)); };
    const auto scheme_end = url.find("://");
    if (scheme_end == std::string_view::npos)
        return refuse();
    const auto scheme = lower(url.substr(0, scheme_end));
    if (scheme != "http" && scheme != "https")
        return refuse();
    auto authority = url.substr(scheme_end + 3);
    authority = authority.substr(0, authority.find_first_of("/?#"));
    if (authority.empty() || authority.find_first_of("@ \\") != std::string_view::npos)
        return refuse();

    // The port follows the last ':' that is not inside the brackets of an IPv6 address.
    auto host = authority;
    std::string_view port;
    const auto bracket = authority.rfind(']');
    const auto colon = authority.rfind(':');
    if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket))
    {
        host = authority.substr(0, colon);
        port = authority.substr(colon + 1);
    }
    if (!is_host(host))
        return refuse();
    auto out = scheme + "://" + lower(host);
    if (port.empty())
        return out;
    unsigned number = 0;
    const auto [end, problem] = std::from_chars(port.data(), port.data() + port.size(), number);
    if (problem != std::errc() || end != port.data() + port.size() || number > 65535)
        return refuse();
    if (number != (scheme == "http" ? 80u : 443u))
        out += ":" + std::to_string(number);
    return out;
}

result<bytes> challenge_check(std::string_view challenge_base64, std::string_view origin, const ed25519_public& key)
{
    const auto challenge = base64_decode(challenge_base64);
    if (!challenge)
        return fail(errc::corrupt, "the relay's challenge is not base64");
    const auto lines = lines_of(text(*challenge));
    if (lines.size() != 5 || lines[0] != first_line)
        return fail(errc::corrupt, "the relay's challenge has another form than a login's");
    if (lines[1] != origin)
        return fail(errc::wrong_origin, "the relay's challenge is for another address than " + std::string(origin));
    if (lines[2] != base64_encode(key))
        return fail(errc::corrupt, "the relay's challenge is for another key");
    const auto nonce = base64_decode(lines[4]);
    if (lines[3].empty() || lines[3].find_first_not_of("0123456789") != std::string_view::npos || !nonce ||
        nonce->size() != nonce_bytes)
        return fail(errc::corrupt, "the relay's challenge has another form than a login's");
    return *challenge;
}

namespace
{

bytes login_text(byte_view challenge, const ed25519_key& device)
{
    auto out = to_bytes(challenge);
    append(out, device.public_key());
    return out;
}

} // namespace

login_signatures sign_login(byte_view challenge, const ed25519_key& account, const ed25519_key& device)
{
    const auto text = login_text(challenge, device);
    return {account.sign(text), device.sign(text)};
}

ed25519_signature sign_device_login(byte_view challenge, const ed25519_key& device)
{
    return device.sign(login_text(challenge, device));
}

} // namespace consortium::e2ee
