#include "consortium/e2ee/secretbox.hpp"
#include "consortium/e2ee/bundle.hpp"
#include <sodium.h>

namespace consortium::e2ee
{

bytes secretbox_seal(const key256& key, byte_view plain)
{
    const auto nonce = random_array<crypto_secretbox_NONCEBYTES>();
    bytes out(nonce.size() + crypto_secretbox_MACBYTES + plain.size());
    std::memcpy(out.data(), nonce.data(), nonce.size());
    crypto_secretbox_easy(out.data() + nonce.size(), plain.data(), plain.size(), nonce.data(), key.data());
    return out;
}

result<bytes> secretbox_open(const key256& key, byte_view sealed)
{
    if (sealed.size() < crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES)
        return fail(errc::corrupt, "a secretbox is too short");
    const auto box = sealed.subspan(crypto_secretbox_NONCEBYTES);
    bytes plain(box.size() - crypto_secretbox_MACBYTES);
    if (crypto_secretbox_open_easy(plain.data(), box.data(), box.size(), sealed.data(), key.data()) != 0)
        return fail(errc::corrupt, "a secretbox does not authenticate");
    return plain;
}

bytes metadata_seal(const key256& metadata_key, byte_view plain)
{
    return secretbox_seal(metadata_key, plain);
}

result<bytes> metadata_open(const key256& metadata_key, const key256& data_key, byte_view sealed)
{
    // The first byte of a secretbox is random, so a zero there decides nothing.
    if (auto plain = secretbox_open(metadata_key, sealed))
        return plain;
    return bundle_v0_open(data_key, sealed);
}

} // namespace consortium::e2ee
