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
constexpr std::string_view request_label = "consortium pairing request 1";
constexpr std::string_view answer_label = "consortium pairing answer 1";
constexpr std::string_view code_label = "consortium pairing code 1";
constexpr std::string_view link_middle = "/pair#v=1&pk=";
constexpr std::string_view link_secret = "&s=";
constexpr std::uint8_t answer_version = 1;
constexpr std::size_t answer_keys_bytes = 1 + 32 + 32 + 32;
constexpr std::size_t mac_bytes = 32;
constexpr std::size_t account_id_bytes_max = 256;

digest256
answer_mac(const key256& secret, const x25519_public& public_key, const ed25519_public& agent_device, byte_view body)
{
    return hmac_sha256(secret.view(), {view(answer_label), byte_view(public_key), byte_view(agent_device), body});
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

digest256 pairing_request_mac(const key256& secret, const pairing_request& request)
{
    const std::uint8_t kind[] = {static_cast<std::uint8_t>(request.kind)};
    return hmac_sha256(
        secret.view(), {view(request_label), byte_view(request.public_key), byte_view(request.device), byte_view(kind),
                        view(request.sealed_name)});
}

bytes pairing_answer_make(
    const key256& secret, const x25519_public& public_key, const ed25519_public& agent_device,
    const pairing_answer& answer)
{
    bytes out{answer_version};
    append(out, answer.account);
    append(out, answer.content);
    append(out, answer.approver);
    append(out, answer.account_id);
    append(out, answer_mac(secret, public_key, agent_device, out));
    return out;
}

result<pairing_answer> pairing_answer_open(
    const key256& secret, const x25519_public& public_key, const ed25519_public& agent_device, byte_view plain)
{
    if (plain.size() <= answer_keys_bytes + mac_bytes)
        return fail(errc::corrupt, "the pairing answer is too short");
    const auto body = plain.first(plain.size() - mac_bytes);
    if (!equal_constant_time(answer_mac(secret, public_key, agent_device, body), plain.last(mac_bytes)))
        return fail(errc::corrupt, "the pairing answer was not made by someone who has this link");
    if (body.front() != answer_version)
        return fail(errc::newer_version, "the pairing answer is of a newer version");
    const auto id = text(body.subspan(answer_keys_bytes));
    if (id.size() > account_id_bytes_max || !std::ranges::all_of(id, [](char c) { return c >= 0x21 && c <= 0x7e; }))
        return fail(errc::corrupt, "the pairing answer names no proper account");
    return pairing_answer{
        to_array<32>(body.subspan(1)), to_array<32>(body.subspan(33)), to_array<32>(body.subspan(65)), std::string(id)};
}

std::string pairing_code(const key256& secret, const x25519_public& public_key, byte_view answer_plain)
{
    const auto mac = hmac_sha256(secret.view(), {view(code_label), byte_view(public_key), answer_plain});
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < 6; ++i)
        number = (number << 8) | mac[i];
    auto digits = std::to_string(number % 1'000'000'000'000);
    digits.insert(0, 12 - digits.size(), '0');
    return digits.substr(0, 3) + " " + digits.substr(3, 3) + " " + digits.substr(6, 3) + " " + digits.substr(9);
}

} // namespace consortium::e2ee
