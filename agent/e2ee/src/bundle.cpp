#include "consortium/e2ee/bundle.hpp"
#include <algorithm>
#include <memory>
#include <openssl/evp.h>

namespace consortium::e2ee
{
namespace
{

constexpr std::uint8_t version_unbound = 0;
constexpr std::uint8_t version_bound = 1;
constexpr std::size_t nonce_bytes = 12;
constexpr std::size_t tag_bytes = 16;
constexpr std::size_t id_bytes = 16;

struct cipher_deleter
{
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

const EVP_CIPHER* aes_256_gcm()
{
    static const auto* cipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
    CONSORTIUM_ASSERT(cipher != nullptr);
    return cipher;
}

EVP_CIPHER_CTX* thread_context()
{
    thread_local const std::unique_ptr<EVP_CIPHER_CTX, cipher_deleter> context(EVP_CIPHER_CTX_new());
    return context.get();
}

/// Appends ciphertext ‖ tag.
void gcm_seal(bytes& out, const key256& key, byte_view nonce, byte_view authenticated, byte_view plain)
{
    const auto start = out.size();
    out.resize(start + plain.size() + tag_bytes);
    auto* context = thread_context();
    int size = 0;
    bool good = EVP_EncryptInit_ex2(context, aes_256_gcm(), key.data(), nonce.data(), nullptr) == 1;
    if (!authenticated.empty())
        good = good && EVP_EncryptUpdate(
                           context, nullptr, &size, authenticated.data(), static_cast<int>(authenticated.size())) == 1;
    if (!plain.empty())
        good = good &&
               EVP_EncryptUpdate(context, out.data() + start, &size, plain.data(), static_cast<int>(plain.size())) == 1;
    good = good && EVP_EncryptFinal_ex(context, out.data() + start + plain.size(), &size) == 1;
    good =
        good && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, tag_bytes, out.data() + start + plain.size()) == 1;
    EVP_CIPHER_CTX_reset(context);
    CONSORTIUM_ASSERT(good);
}

/// `sealed` is ciphertext ‖ tag.
result<bytes> gcm_open(const key256& key, byte_view nonce, byte_view authenticated, byte_view sealed)
{
    const auto cipher = sealed.first(sealed.size() - tag_bytes);
    auto tag = to_array<tag_bytes>(sealed.subspan(cipher.size()));
    bytes plain(cipher.size());
    auto* context = thread_context();
    int size = 0;
    bool good = EVP_DecryptInit_ex2(context, aes_256_gcm(), key.data(), nonce.data(), nullptr) == 1;
    if (!authenticated.empty())
        good = good && EVP_DecryptUpdate(
                           context, nullptr, &size, authenticated.data(), static_cast<int>(authenticated.size())) == 1;
    if (!cipher.empty())
        good = good &&
               EVP_DecryptUpdate(context, plain.data(), &size, cipher.data(), static_cast<int>(cipher.size())) == 1;
    good = good && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, tag_bytes, tag.data()) == 1;
    std::uint8_t rest[tag_bytes];
    good = good && EVP_DecryptFinal_ex(context, rest, &size) == 1;
    EVP_CIPHER_CTX_reset(context);
    if (!good)
        return fail(errc::corrupt, "a bundle does not authenticate");
    return plain;
}

bool writable_part(std::string_view part)
{
    return !part.empty() && std::ranges::all_of(part, [](char c) { return c >= 0x21 && c <= 0x7e; });
}

/// `consortium/1` ‖ 0 ‖ account ‖ 0 ‖ scope ‖ 0 ‖ kind ‖ 0 ‖ id
result<bytes> authenticated_data(const bundle_place& place, byte_view id)
{
    bytes out = to_bytes(view("consortium/1"));
    for (const auto* part : {&place.account, &place.scope, &place.kind})
    {
        if (!writable_part(*part))
            return fail(errc::bad_request, "a bundle's place has letters that are not allowed there");
        out.push_back(0);
        append(out, *part);
    }
    out.push_back(0);
    append(out, id);
    return out;
}

} // namespace

result<bytes> bundle_seal(
    const key256& key, const bundle_place& place, const bundle_id& id, const bundle_nonce& nonce, byte_view plain)
{
    if (plain.size() > (std::size_t{1} << 30))
        return fail(errc::too_large, "a bundle holds at most 1 GiB");
    const auto authenticated = authenticated_data(place, id);
    if (!authenticated)
        return std::unexpected(authenticated.error());
    bytes out{version_bound};
    out.reserve(1 + id.size() + nonce.size() + plain.size() + tag_bytes);
    append(out, id);
    append(out, nonce);
    gcm_seal(out, key, nonce, *authenticated, plain);
    return out;
}

result<bytes> bundle_seal(const key256& key, const bundle_place& place, const bundle_id& id, byte_view plain)
{
    return bundle_seal(key, place, id, random_array<nonce_bytes>(), plain);
}

result<bundle_id> bundle_claimed_id(byte_view bundle)
{
    if (bundle.empty())
        return fail(errc::corrupt, "a bundle is empty");
    if (bundle.front() != version_bound)
        return fail(errc::newer_version, "a bundle of another version");
    if (bundle.size() < 1 + id_bytes + nonce_bytes + tag_bytes)
        return fail(errc::corrupt, "a bundle is too short");
    return to_array<id_bytes>(bundle.subspan(1));
}

result<opened_bundle> bundle_open(const key256& key, const bundle_place& place, byte_view bundle)
{
    const auto id = bundle_claimed_id(bundle);
    if (!id)
        return std::unexpected(id.error());
    const auto authenticated = authenticated_data(place, *id);
    if (!authenticated)
        return std::unexpected(authenticated.error());
    auto plain = gcm_open(
        key, bundle.subspan(1 + id_bytes, nonce_bytes), *authenticated, bundle.subspan(1 + id_bytes + nonce_bytes));
    if (!plain)
        return std::unexpected(plain.error());
    return opened_bundle{*id, std::move(*plain)};
}

result<bytes> bundle_v0_open(const key256& key, byte_view bundle)
{
    if (bundle.size() < 1 + nonce_bytes + tag_bytes || bundle.front() != version_unbound)
        return fail(errc::corrupt, "not a bundle of version 0");
    return gcm_open(key, bundle.subspan(1, nonce_bytes), {}, bundle.subspan(1 + nonce_bytes));
}

bytes bundle_v0_seal(const key256& key, const bundle_nonce& nonce, byte_view plain)
{
    bytes out{version_unbound};
    append(out, nonce);
    gcm_seal(out, key, nonce, {}, plain);
    return out;
}

} // namespace consortium::e2ee
