#include "consortium/e2ee/box.hpp"
#include "consortium/common/hash.hpp"
#include <sodium.h>

namespace consortium::e2ee
{
namespace
{

constexpr std::size_t box_bundle_overhead = crypto_box_PUBLICKEYBYTES + crypto_box_NONCEBYTES + crypto_box_MACBYTES;

} // namespace

x25519_key x25519_key::from_secret(const key256& secret)
{
    x25519_key out;
    out.secret_ = secret;
    crypto_scalarmult_base(out.public_.data(), secret.data());
    return out;
}

x25519_key x25519_key::from_seed(const key256& seed)
{
    auto hash = sha512({seed.view()});
    const auto secret = key256::from(byte_view(hash).first(32));
    wipe(hash);
    return from_secret(secret);
}

x25519_key x25519_key::random()
{
    return from_secret(key256::random());
}

result<bytes> box_bundle_open(const x25519_key& recipient, byte_view bundle)
{
    if (bundle.size() < box_bundle_overhead)
        return fail(errc::corrupt, "a box bundle is too short");
    const auto ephemeral = bundle.first(crypto_box_PUBLICKEYBYTES);
    const auto nonce = bundle.subspan(ephemeral.size(), crypto_box_NONCEBYTES);
    const auto sealed = bundle.subspan(ephemeral.size() + nonce.size());
    bytes plain(sealed.size() - crypto_box_MACBYTES);
    if (crypto_box_open_easy(
            plain.data(), sealed.data(), sealed.size(), nonce.data(), ephemeral.data(), recipient.secret().data()) != 0)
        return fail(errc::corrupt, "a box bundle does not authenticate");
    return plain;
}

} // namespace consortium::e2ee
