#pragma once
#include "consortium/common/bytes.hpp"
#include "consortium/common/secret.hpp"
#include <initializer_list>
#include <memory>

namespace consortium
{

using digest256 = byte_array<32>;
using digest512 = byte_array<64>;
using byte_parts = std::initializer_list<byte_view>;

/// FIPS 180-4, by OpenSSL (uses the CPU's SHA instructions). Parts are hashed as if joined. Thread-safe.
digest256 sha256(byte_parts parts);
digest512 sha512(byte_parts parts);

/// SHA-256 of what is too large to be joined.
class sha256_stream
{
public:
    sha256_stream();
    ~sha256_stream();
    void update(byte_view data);
    /// Of everything so far; nothing may follow.
    digest256 finish();

private:
    struct context;
    std::unique_ptr<context> context_;
};

/// RFC 2104. Parts are hashed as if joined.
digest256 hmac_sha256(byte_view key, byte_parts parts);
digest512 hmac_sha512(byte_view key, byte_parts parts);

/// HMAC-SHA256 under one key, many times: the key's blocks are hashed once. Wipes itself; thread-safe.
class hmac_sha256_key
{
public:
    explicit hmac_sha256_key(byte_view key);
    hmac_sha256_key(const hmac_sha256_key&) = default;
    hmac_sha256_key& operator=(const hmac_sha256_key&) = default;
    ~hmac_sha256_key();

    digest256 operator()(byte_parts parts) const;

private:
    struct alignas(8) state
    {
        byte_array<112> bytes;
    };
    state inner_;
    state outer_;
};

/// KDF(key, label…) of docs/log-format.md: HMAC-SHA256(key, label ‖ …), for keys that are already uniform.
key256 derive_key(const key256& key, byte_parts labels);

/// CRC-32C (Castagnoli, RFC 3720 appendix B.4).
std::uint32_t crc32c(byte_view data) noexcept;

} // namespace consortium
