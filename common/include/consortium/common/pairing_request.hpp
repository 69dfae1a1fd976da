#pragma once
#include "consortium/common/box.hpp"
#include "consortium/common/device_kind.hpp"
#include "consortium/common/hash.hpp"
#include "consortium/common/sign.hpp"
#include <string>

/// The part of a pairing that the relay can check too (docs/protocol.md 2.2): it does not know the link's secret.
namespace consortium
{

using pairing_nonce = byte_array<32>;

/// What an agent asks with.
struct pairing_request
{
    x25519_public public_key{}; ///< of the link
    ed25519_public device{};
    device_kind kind = device_kind::agent;
    std::string sealed_name; ///< as text, as sent
    digest256 commit{};      ///< pairing_commit() of a nonce that is shown after the answer
    ed25519_signature signature{};
    digest256 mac{};

    friend bool operator==(const pairing_request&, const pairing_request&) = default;
};

digest256 pairing_commit(const x25519_public& public_key, const ed25519_public& device, const pairing_nonce& nonce);
/// What the device signs: all but signature and mac.
bytes pairing_request_text(const pairing_request& request);
/// errc::bad_request unless it is an agent's, of a proper name and signed by the device that it names.
result<void> check_pairing_request(const pairing_request& request);
/// Names this very request: T of the document.
digest256 pairing_transcript(const pairing_request& request);

ed25519_signature sign_pairing_refusal(const ed25519_key& device, const digest256& transcript);
bool is_pairing_refusal(
    const ed25519_public& device, const digest256& transcript, const ed25519_signature& signature) noexcept;

} // namespace consortium
