#pragma once
#include "consortium/common/error.hpp"
#include "consortium/common/hash.hpp"
#include "consortium/log/domain.hpp"

/// View rows as they lie on disk: docs/log-format.md, "View rows".
namespace consortium::log
{

inline constexpr std::size_t row_tag_bytes = 16;

/// Seals values with a synthetic nonce (a keyed hash of table, key and value), so that a row costs 16 bytes more than
/// its value, may be rewritten as often as wanted, and opens at its own place only. Thread-safe.
class row_codec
{
public:
    explicit row_codec(const key256& view_key);

    /// Replaces `out`.
    void seal(bytes& out, table_id table, byte_view key, byte_view value) const;
    /// errc::corrupt.
    result<bytes> open(table_id table, byte_view key, byte_view sealed) const;

    byte_array<16> prf(byte_parts parts) const;

private:
    byte_array<row_tag_bytes> tag(table_id table, byte_view key, byte_view value) const;

    key256 tag_key_;
    key256 cipher_key_;
    hmac_sha256_key prf_key_;
};

} // namespace consortium::log
