#pragma once
#include "consortium/common/bytes.hpp"
#include "consortium/common/secret.hpp"

namespace consortium
{

using ed25519_public = byte_array<32>;
using ed25519_signature = byte_array<64>;

/// An Ed25519 key pair (RFC 8032), by libsodium.
class ed25519_key
{
public:
    static ed25519_key from_seed(const key256& seed);
    static ed25519_key random();

    const ed25519_public& public_key() const noexcept { return public_; }
    ed25519_signature sign(byte_view message) const;

private:
    ed25519_key() = default;
    secret_bytes<64> secret_;
    ed25519_public public_{};
};

/// False for any signature that is not `key`'s of exactly `message`; sizes need not be checked before.
bool ed25519_verify(byte_view key, byte_view message, byte_view signature) noexcept;

} // namespace consortium
