#pragma once
#include "consortium/common/bytes.hpp"
#include "consortium/common/error.hpp"

namespace consortium
{

using x25519_public = byte_array<32>;

/// The box bundle of docs/protocol.md: ephemeral public key[32] ‖ nonce[24] ‖ NaCl box (X25519, XSalsa20-Poly1305).
/// Only sealing is here: opening takes a private key, which the relay never has (agent/e2ee).
/// errc::bad_request for a public key of small order.
result<bytes> box_bundle_seal(const x25519_public& recipient, byte_view plain);

} // namespace consortium
