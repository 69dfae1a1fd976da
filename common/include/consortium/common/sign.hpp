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

/// Whether `key` is a point of the group of prime order, in its one encoding: for others signatures can be made of
/// anything, or verifiers disagree.
bool ed25519_is_usable(byte_view key) noexcept;

/// False for any signature that is not `key`'s of exactly `message`; sizes need not be checked before. Strict, so that
/// all who verify agree: a usable key, S below the group's order, R not of small order.
bool ed25519_verify(byte_view key, byte_view message, byte_view signature) noexcept;

} // namespace consortium
