#include "consortium/common/box.hpp"
#include "consortium/common/secret.hpp"
#include <sodium.h>

namespace consortium
{

result<bytes> box_bundle_seal(const x25519_public& recipient, byte_view plain)
{
    x25519_public ephemeral_public;
    key256 ephemeral_secret;
    crypto_box_keypair(ephemeral_public.data(), ephemeral_secret.writable().data());
    const auto nonce = random_array<crypto_box_NONCEBYTES>();

    bytes out;
    out.reserve(ephemeral_public.size() + nonce.size() + crypto_box_MACBYTES + plain.size());
    append(out, ephemeral_public);
    append(out, nonce);
    const auto start = out.size();
    out.resize(start + crypto_box_MACBYTES + plain.size());
    if (crypto_box_easy(
            out.data() + start, plain.data(), plain.size(), nonce.data(), recipient.data(), ephemeral_secret.data()) !=
        0)
        return fail(errc::bad_request, "not a usable X25519 public key");
    return out;
}

} // namespace consortium
