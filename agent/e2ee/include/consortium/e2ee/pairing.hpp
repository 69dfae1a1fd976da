#pragma once
#include "consortium/common/device_kind.hpp"
#include "consortium/common/hash.hpp"
#include "consortium/common/sign.hpp"
#include "consortium/e2ee/box.hpp"
#include <string>
#include <string_view>

/// Pairing an agent with an account (docs/protocol.md 2.2).
namespace consortium::e2ee
{

using consortium::device_kind;

/// What the link and the QR code carry, in the fragment: no request ever shows it to a relay.
struct pairing_link
{
    std::string relay_url; ///< without a trailing slash
    x25519_public public_key{};
    key256 secret;
};
std::string pairing_link_make(const pairing_link& link);
/// errc::bad_request for anything else than exactly such a link.
result<pairing_link> pairing_link_parse(std::string_view text);

/// base64 secretbox of the device's name, under KDF(secret, "name").
std::string pairing_name_seal(const key256& secret, std::string_view name);
result<std::string> pairing_name_open(const key256& secret, std::string_view sealed);

/// What the agent asks with.
struct pairing_request
{
    x25519_public public_key{};
    ed25519_public device{};
    device_kind kind = device_kind::agent;
    std::string sealed_name; ///< as text, as sent
};
digest256 pairing_request_mac(const key256& secret, const pairing_request& request);

/// What the approver answers.
struct pairing_answer
{
    ed25519_public account{};
    x25519_public content{};
    ed25519_public approver{};
    std::string account_id;
};
/// The authenticated plaintext of an answer to `public_key` and `agent_device`.
bytes pairing_answer_make(
    const key256& secret, const x25519_public& public_key, const ed25519_public& agent_device,
    const pairing_answer& answer);
/// errc::corrupt unless it was made by someone who knows the link's secret, for exactly this agent.
result<pairing_answer> pairing_answer_open(
    const key256& secret, const x25519_public& public_key, const ed25519_public& agent_device, byte_view plain);

/// Twelve digits, "558 640 723 232": what both ends show and people compare.
std::string pairing_code(const key256& secret, const x25519_public& public_key, byte_view answer_plain);

} // namespace consortium::e2ee
