#include "consortium/common/sign.hpp"
#include <sodium.h>

namespace consortium
{

ed25519_key ed25519_key::from_seed(const key256& seed)
{
    ed25519_key out;
    crypto_sign_seed_keypair(out.public_.data(), out.secret_.writable().data(), seed.data());
    return out;
}

ed25519_key ed25519_key::random()
{
    return from_seed(key256::random());
}

ed25519_signature ed25519_key::sign(byte_view message) const
{
    ed25519_signature out;
    crypto_sign_detached(out.data(), nullptr, message.data(), message.size(), secret_.data());
    return out;
}

bool ed25519_is_usable(byte_view key) noexcept
{
    return key.size() == crypto_core_ed25519_BYTES && crypto_core_ed25519_is_valid_point(key.data()) == 1;
}

bool ed25519_verify(byte_view key, byte_view message, byte_view signature) noexcept
{
    // libsodium refuses S of the order and above, and R of small order; of keys it takes those of mixed order.
    return ed25519_is_usable(key) && signature.size() == crypto_sign_BYTES &&
           crypto_sign_verify_detached(signature.data(), message.data(), message.size(), key.data()) == 0;
}

} // namespace consortium
