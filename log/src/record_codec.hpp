#pragma once
#include "consortium/common/hash.hpp"
#include "consortium/common/secret.hpp"
#include "consortium/log/event.hpp"

/// One record of the log as it lies on disk: docs/log-format.md, "Records".
namespace consortium::log
{

inline constexpr std::uint8_t record_version = 1;
inline constexpr std::size_t header_bytes = 62;
/// Of a record's value, beside its body.
inline constexpr std::size_t record_overhead_bytes = 1 + 16 + 32 + 32 + 24 + header_bytes + 16 + 24 + 16;

using header_image = byte_array<header_bytes>;

header_image write_header(const event_header& header) noexcept;
/// errc::newer_version for an unknown event type.
result<event_header> read_header(const header_image& image);

/// A key that seals parts of records, ready for use.
struct sealing_key
{
    key256 cipher;
    /// KDF and commitments start from here.
    hmac_sha256_key derive;

    explicit sealing_key(const key256& key) : cipher(key), derive(key.view()) {}
};

/// KDF(log key, "hdr" ‖ account ‖ revision): with it whoever is given a header can recompute its commitment.
key256 header_key(const sealing_key& log_key, const event_header& header);
/// KDF(data key, "body" ‖ account ‖ revision)
key256 body_key(const sealing_key& data_key, const event_header& header);

/// HMAC(KDF(log key, "hdr" ‖ account ‖ revision), header)
digest256 commit_header(const sealing_key& log_key, const event_header& header, const header_image& image);
/// HMAC(KDF(data key, "body" ‖ account ‖ revision), body)
digest256 commit_body(const sealing_key& data_key, const event_header& header, byte_view body);
/// SHA-256(0x00 ‖ cH ‖ cB)
digest256 record_leaf(const digest256& header_commitment, const digest256& body_commitment);

/// Names a data key in records and in the key ring on disk; tells nothing of whose it is.
using stored_key_id = byte_array<16>;

/// Replaces `out` by the value of a record and returns its leaf. `header.body_bytes` must be the size of `body`.
digest256 seal_record(
    bytes& out, const sealing_key& log_key, lsn number, const event_header& header, const stored_key_id& key,
    const sealing_key& data_key, byte_view body);

/// A record's parts, not yet opened; they refer to the value it was parsed from.
struct record_view
{
    stored_key_id key{};
    digest256 header_commitment{};
    digest256 body_commitment{};
    byte_view header_nonce;
    byte_view sealed_header;
    byte_view body_nonce;
    byte_view sealed_body;

    digest256 leaf() const { return record_leaf(header_commitment, body_commitment); }
};
/// errc::newer_version for another record version, errc::corrupt if it is too short.
result<record_view> parse_record(byte_view value);

struct opened_header
{
    event_header header;
    header_image image{};
};
/// errc::corrupt, errc::newer_version.
result<opened_header> open_header(const record_view& record, const sealing_key& log_key, lsn number);
/// errc::corrupt. The body replaces what is in `out`, whose memory is used again.
result<void> open_body(bytes& out, const record_view& record, const sealing_key& data_key, const opened_header& header);
result<bytes> open_body(const record_view& record, const sealing_key& data_key, const opened_header& header);

} // namespace consortium::log
