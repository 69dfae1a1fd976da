// OpenSSL 3 deprecates the direct SHA-256 functions, not what they compute: they use the CPU's instructions as EVP
// does, without EVP's cost per call, which is more than that of hashing a short input.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "consortium/common/hash.hpp"
#include "consortium/common/error.hpp"
#include <array>
#include <memory>
#include <openssl/evp.h>
#include <openssl/sha.h>

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
    SHA256_CTX context;
    SHA256_Init(&context);
    for (const auto part : parts)
        SHA256_Update(&context, part.data(), part.size());
    digest256 out;
    SHA256_Final(out.data(), &context);
    return out;
}
digest512 sha512(byte_parts parts)
{
    return digest<64>(sha512_digest(), {}, parts);
}

struct sha256_stream::context
{
    SHA256_CTX hash;
};
sha256_stream::sha256_stream() : context_(std::make_unique<context>())
{
    SHA256_Init(&context_->hash);
}
sha256_stream::~sha256_stream() = default;
void sha256_stream::update(byte_view data)
{
    SHA256_Update(&context_->hash, data.data(), data.size());
}
digest256 sha256_stream::finish()
{
    digest256 out;
    SHA256_Final(out.data(), &context_->hash);
    return out;
}

hmac_sha256_key::hmac_sha256_key(byte_view key)
{
    static_assert(sizeof(SHA256_CTX) == sizeof(state) && alignof(SHA256_CTX) <= alignof(state));
    byte_array<SHA256_CBLOCK> pad{};
    if (key.size() > pad.size())
    {
        const auto hashed = sha256({key});
        std::memcpy(pad.data(), hashed.data(), hashed.size());
    }
    else
        std::memcpy(pad.data(), key.data(), key.size());
    const auto absorb = [&](state& into, std::uint8_t mask)
    {
        for (auto& byte : pad)
            byte ^= mask;
        SHA256_CTX context;
        SHA256_Init(&context);
        SHA256_Update(&context, pad.data(), pad.size());
        std::memcpy(&into, &context, sizeof(context));
    };
    absorb(inner_, 0x36);
    absorb(outer_, 0x36 ^ 0x5c);
    wipe(pad);
}
hmac_sha256_key::~hmac_sha256_key()
{
    wipe(inner_.bytes);
    wipe(outer_.bytes);
}
digest256 hmac_sha256_key::operator()(byte_parts parts) const
{
    SHA256_CTX context;
    std::memcpy(&context, &inner_, sizeof(context));
    for (const auto part : parts)
        SHA256_Update(&context, part.data(), part.size());
    digest256 out;
    SHA256_Final(out.data(), &context);
    std::memcpy(&context, &outer_, sizeof(context));
    SHA256_Update(&context, out.data(), out.size());
    SHA256_Final(out.data(), &context);
    return out;
}

digest256 hmac_sha256(byte_view key, byte_parts parts)
{
    return hmac_sha256_key(key)(parts);
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
