#include "consortium/e2ee/pairing.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/e2ee/login.hpp"
#include "consortium/e2ee/secretbox.hpp"
#include <algorithm>

namespace consortium::e2ee
{
namespace
{

// docs/protocol.md 2.2.
constexpr std::string_view answer_label = "consortium pairing answer 2\n";
constexpr std::string_view code_label = "consortium pairing code 2\n";
constexpr std::string_view link_middle = "/pair#v=2&pk=";
constexpr std::string_view link_secret = "&s=";
constexpr std::uint8_t answer_version = 2;
constexpr std::size_t mac_bytes = 32;
constexpr std::size_t answer_bytes = 1 + 32 + 32 + 16 + 8 + 32 + 32 + mac_bytes;

digest256 request_mac(const key256& secret, const pairing_request& request)
{
    return hmac_sha256(secret.view(), {pairing_request_text(request), request.signature});
}

digest256 answer_mac(const key256& secret, const digest256& transcript, byte_view body)
{
    return hmac_sha256(secret.view(), {view(answer_label), transcript, body});
}

} // namespace

std::string pairing_link_make(const pairing_link& link)
{
    return link.relay_url + std::string(link_middle) + base64url_encode(link.public_key) + std::string(link_secret) +
           base64url_encode(link.secret.view());
}

result<pairing_link> pairing_link_parse(std::string_view text)
{
    const auto refuse = [] { return fail(errc::bad_request, "this is not a pairing link"); };
    const auto middle = text.find(link_middle);
    if (middle == std::string_view::npos || !origin_of(text.substr(0, middle)))
        return refuse();
    const auto fragment = text.substr(middle + link_middle.size());
    const auto split = fragment.find(link_secret);
    if (split == std::string_view::npos)
        return refuse();
    const auto public_key = base64url_decode(fragment.substr(0, split));
    const auto secret = base64url_decode(fragment.substr(split + link_secret.size()));
    if (!public_key || public_key->size() != 32 || !secret || secret->size() != 32)
        return refuse();
    return pairing_link{std::string(text.substr(0, middle)), to_array<32>(*public_key), key256::from(*secret)};
}

std::string pairing_name_seal(const key256& secret, std::string_view name)
{
    return base64_encode(secretbox_seal(derive_key(secret, {view("name")}), view(name)));
}

result<std::string> pairing_name_open(const key256& secret, std::string_view sealed)
{
    const auto data = base64_decode(sealed);
    if (!data)
        return fail(errc::corrupt, "a sealed name is not base64");
    const auto plain = secretbox_open(derive_key(secret, {view("name")}), *data);
    if (!plain)
        return std::unexpected(plain.error());
    return std::string(text(*plain));
}

pairing_request pairing_request_make(
    const key256& secret, const x25519_public& public_key, const ed25519_key& device, std::string_view name,
    const pairing_nonce& nonce)
{
    pairing_request out;
    out.public_key = public_key;
    out.device = device.public_key();
    out.sealed_name = pairing_name_seal(secret, name);
    out.commit = pairing_commit(public_key, out.device, nonce);
    out.signature = device.sign(pairing_request_text(out));
    out.mac = request_mac(secret, out);
    return out;
}

bool pairing_request_fits(const key256& secret, const pairing_request& request)
{
    return equal_constant_time(request_mac(secret, request), request.mac);
}

bytes pairing_answer_make(const key256& secret, const digest256& transcript, const pairing_answer& answer)
{
    bytes out{answer_version};
    out.reserve(answer_bytes);
    append(out, answer.account);
    append(out, answer.content);
    append(out, answer.id.view());
    append(out, big_endian(answer.n));
    append(out, answer.hash);
    append(out, answer.nonce);
    append(out, answer_mac(secret, transcript, out));
    return out;
}

result<pairing_answer> pairing_answer_open(const key256& secret, const digest256& transcript, byte_view plain)
{
    if (plain.size() != answer_bytes)
        return fail(errc::corrupt, "the pairing answer is of another length");
    const auto body = plain.first(answer_bytes - mac_bytes);
    if (!equal_constant_time(answer_mac(secret, transcript, body), plain.last(mac_bytes)))
        return fail(errc::corrupt, "the pairing answer was not made by someone who has this link");
    if (body.front() != answer_version)
        return fail(errc::corrupt, "the pairing answer is of another version");
    pairing_answer out;
    out.account = to_array<32>(body.subspan(1));
    out.content = to_array<32>(body.subspan(33));
    out.id.value = to_array<16>(body.subspan(65));
    out.n = load_big_endian<std::uint64_t>(body.subspan(81));
    out.hash = to_array<32>(body.subspan(89));
    out.nonce = to_array<32>(body.subspan(121));
    return out;
}

pairing_code
pairing_code_of(const key256& secret, const digest256& transcript, byte_view answer_plain, const pairing_nonce& nonce)
{
    const auto mac = hmac_sha256(secret.view(), {view(code_label), transcript, sha256({answer_plain}), nonce});
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < 6; ++i)
        number = (number << 8) | mac[i];
    auto digits = std::to_string(number % 1'000'000'000'000);
    digits.insert(0, 12 - digits.size(), '0');
    return {digits.substr(6, 3) + " " + digits.substr(9), digits.substr(0, 3) + " " + digits.substr(3, 3)};
}

std::optional<std::string> pairing_digits_read(std::string_view typed)
{
    std::string out(typed);
    std::erase_if(out, [](char letter) { return letter == ' ' || letter == '-' || letter == '\t'; });
    const bool digits = std::ranges::all_of(out, [](char letter) { return letter >= '0' && letter <= '9'; });
    if (out.size() != 6 || !digits)
        return std::nullopt;
    return out.insert(3, 1, ' ');
}

result<device_chain>
pairing_chain_check(const pairing_answer& answer, const ed25519_public& device, std::span<const bytes> statements)
{
    device_chain out(answer.id, answer.account);
    if (const auto whole = out.append(statements); !whole)
        return fail(errc::corrupt, "the account's chain of devices is not valid: " + whole.error().detail);
    if (!out.holds(answer.n, answer.hash))
        return fail(errc::corrupt, "the account's chain of devices is not the one that the dashboard saw");
    const auto own = out.find(device);
    if (!own)
        return fail(errc::corrupt, "the account's chain of devices does not name this machine");
    if (own->kind != device_kind::agent)
        return fail(errc::corrupt, "the account's chain of devices names this machine as a browser");
    if (own->revoked)
        return fail(errc::corrupt, "the account's chain of devices revokes this machine");
    return out;
}

} // namespace consortium::e2ee
