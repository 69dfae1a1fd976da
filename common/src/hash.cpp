#include "consortium/common/hash.hpp"
#include "consortium/common/error.hpp"
#include <array>
#include <memory>
#include <openssl/evp.h>

namespace consortium
{
namespace
{

/// One of OpenSSL's digests, fetched once: a fetch per call costs more than a short hash.
const EVP_MD* fetched(const char* name)
{
    auto* digest = EVP_MD_fetch(nullptr, name, nullptr);
    CONSORTIUM_ASSERT(digest != nullptr);
    return digest;
}
const EVP_MD* sha256_digest()
{
    static const auto* digest = fetched("SHA256");
    return digest;
}
const EVP_MD* sha512_digest()
{
    static const auto* digest = fetched("SHA512");
    return digest;
}

struct context_deleter
{
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

EVP_MD_CTX* thread_context()
{
    thread_local const std::unique_ptr<EVP_MD_CTX, context_deleter> context(EVP_MD_CTX_new());
    return context.get();
}

template <std::size_t N>
byte_array<N> digest(const EVP_MD* type, byte_view first, byte_parts parts)
{
    auto* context = thread_context();
    byte_array<N> out;
    bool good = EVP_DigestInit_ex2(context, type, nullptr) == 1;
    good = good && EVP_DigestUpdate(context, first.data(), first.size()) == 1;
    for (const auto part : parts)
        good = good && EVP_DigestUpdate(context, part.data(), part.size()) == 1;
    unsigned size = 0;
    good = good && EVP_DigestFinal_ex(context, out.data(), &size) == 1;
    CONSORTIUM_ASSERT(good && size == N);
    return out;
}

/// RFC 2104 over `type`, whose block is `Block` bytes.
template <std::size_t N, std::size_t Block>
byte_array<N> hmac(const EVP_MD* type, byte_view key, byte_parts parts)
{
    byte_array<Block> pad{};
    if (key.size() > Block)
    {
        const auto hashed = digest<N>(type, key, {});
        std::memcpy(pad.data(), hashed.data(), N);
    }
    else
        std::memcpy(pad.data(), key.data(), key.size());
    for (auto& byte : pad)
        byte ^= 0x36;
    const auto inner = digest<N>(type, pad, parts);
    for (auto& byte : pad)
        byte ^= 0x36 ^ 0x5c;
    const auto outer = digest<N>(type, pad, {byte_view(inner)});
    wipe(pad);
    return outer;
}

constexpr auto crc32c_table = []
{
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i)
    {
        std::uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit)
            value = (value >> 1) ^ ((value & 1) != 0 ? 0x82f63b78u : 0u);
        table[i] = value;
    }
    return table;
}();

} // namespace

digest256 sha256(byte_parts parts)
{
    return digest<32>(sha256_digest(), {}, parts);
}
digest512 sha512(byte_parts parts)
{
    return digest<64>(sha512_digest(), {}, parts);
}
struct sha256_stream::context
{
    std::unique_ptr<EVP_MD_CTX, context_deleter> hash{EVP_MD_CTX_new()};
};
sha256_stream::sha256_stream() : context_(std::make_unique<context>())
{
    CONSORTIUM_ASSERT(EVP_DigestInit_ex2(context_->hash.get(), sha256_digest(), nullptr) == 1);
}
sha256_stream::~sha256_stream() = default;
void sha256_stream::update(byte_view data)
{
    CONSORTIUM_ASSERT(EVP_DigestUpdate(context_->hash.get(), data.data(), data.size()) == 1);
}
digest256 sha256_stream::finish()
{
    digest256 out;
    CONSORTIUM_ASSERT(EVP_DigestFinal_ex(context_->hash.get(), out.data(), nullptr) == 1);
    return out;
}
digest256 hmac_sha256(byte_view key, byte_parts parts)
{
    return hmac<32, 64>(sha256_digest(), key, parts);
}
digest512 hmac_sha512(byte_view key, byte_parts parts)
{
    return hmac<64, 128>(sha512_digest(), key, parts);
}
key256 derive_key(const key256& key, byte_parts labels)
{
    return key256(hmac_sha256(key.view(), labels));
}

std::uint32_t crc32c(byte_view data) noexcept
{
    std::uint32_t value = 0xffffffffu;
    for (const auto byte : data)
        value = crc32c_table[(value ^ byte) & 0xff] ^ (value >> 8);
    return value ^ 0xffffffffu;
}

} // namespace consortium
