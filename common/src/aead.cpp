#include "consortium/common/aead.hpp"
#include <sodium.h>

namespace consortium
{

void xchacha_seal(bytes& out, const key256& key, const xchacha_nonce& nonce, byte_view authenticated, byte_view plain)
{
    const auto start = out.size();
    out.resize(start + plain.size() + aead_tag_bytes);
    crypto_aead_xchacha20poly1305_ietf_encrypt(
        out.data() + start, nullptr, plain.data(), plain.size(), authenticated.data(), authenticated.size(), nullptr,
        nonce.data(), key.data());
}

result<void> xchacha_open(bytes& out, const key256& key, byte_view nonce, byte_view authenticated, byte_view sealed)
{
    if (nonce.size() != xchacha_nonce_bytes || sealed.size() < aead_tag_bytes)
        return fail(errc::corrupt, "sealed bytes are too short");
    out.resize(sealed.size() - aead_tag_bytes);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            out.data(), nullptr, nullptr, sealed.data(), sealed.size(), authenticated.data(), authenticated.size(),
            nonce.data(), key.data()) != 0)
        return fail(errc::corrupt, "sealed bytes do not authenticate");
    return {};
}

result<bytes> xchacha_open(const key256& key, byte_view nonce, byte_view authenticated, byte_view sealed)
{
    bytes out;
    if (auto opened = xchacha_open(out, key, nonce, authenticated, sealed); !opened)
        return std::unexpected(opened.error());
    return out;
}

bytes xchacha_seal_with_nonce(const key256& key, byte_view authenticated, byte_view plain)
{
    const auto nonce = random_array<xchacha_nonce_bytes>();
    bytes out;
    out.reserve(xchacha_nonce_bytes + plain.size() + aead_tag_bytes);
    append(out, nonce);
    xchacha_seal(out, key, nonce, authenticated, plain);
    return out;
}

result<bytes> xchacha_open_with_nonce(const key256& key, byte_view authenticated, byte_view sealed)
{
    if (sealed.size() < xchacha_nonce_bytes)
        return fail(errc::corrupt, "sealed bytes are too short");
    return xchacha_open(key, sealed.first(xchacha_nonce_bytes), authenticated, sealed.subspan(xchacha_nonce_bytes));
}

} // namespace consortium
