#pragma once
#include "consortium/common/box.hpp"
#include "consortium/common/error.hpp"
#include "consortium/common/secret.hpp"

namespace consortium::e2ee
{

/// An X25519 key pair, by libsodium.
class x25519_key
{
public:
    static x25519_key from_secret(const key256& secret);
    /// docs/protocol.md 4: the secret is the first half of SHA-512(seed).
    static x25519_key from_seed(const key256& seed);
    static x25519_key random();

    const x25519_public& public_key() const noexcept { return public_; }
    const key256& secret() const noexcept { return secret_; }

private:
    x25519_key() = default;
    key256 secret_;
    x25519_public public_{};
};

/// Opens what box_bundle_seal() of common/ made for `recipient` (docs/protocol.md 4). errc::corrupt otherwise.
result<bytes> box_bundle_open(const x25519_key& recipient, byte_view bundle);

} // namespace consortium::e2ee
