#pragma once
#include "consortium/common/error.hpp"
#include "consortium/common/secret.hpp"
#include <string>
#include <string_view>

/// AES-256-GCM bundles (docs/protocol.md 5). Version 1: 0x01 ‖ id[16] ‖ nonce[12] ‖ ciphertext ‖ tag[16].
namespace consortium::e2ee
{

using bundle_id = byte_array<16>;
using bundle_nonce = byte_array<12>;

/// Where a bundle belongs; authenticated with it. All three parts are non-empty and of 0x21 to 0x7E only.
struct bundle_place
{
    std::string account; ///< the token's subject
    std::string scope;   ///< session or machine id
    std::string kind;    ///< "message", "prompt", "agentState", "stream", "rpc-request:<method>" …
};

struct opened_bundle
{
    bundle_id id;
    bytes plain;
};

/// errc::bad_request for a place that cannot be written down.
result<bytes> bundle_seal(const key256& key, const bundle_place& place, const bundle_id& id, byte_view plain);
/// With a given nonce: for vectors only, a nonce must never be used twice.
result<bytes> bundle_seal(
    const key256& key, const bundle_place& place, const bundle_id& id, const bundle_nonce& nonce, byte_view plain);

/// errc::newer_version for another version byte, errc::corrupt for what is not authentic in this place.
result<opened_bundle> bundle_open(const key256& key, const bundle_place& place, byte_view bundle);

/// The id that a version 1 bundle carries, before it is authenticated; errc::corrupt when it is none.
result<bundle_id> bundle_claimed_id(byte_view bundle);

/// Version 0 of existing clients: 0x00 ‖ nonce[12] ‖ ciphertext ‖ tag[16], bound to nothing. Read only.
result<bytes> bundle_v0_open(const key256& key, byte_view bundle);
/// For vectors and tests.
bytes bundle_v0_seal(const key256& key, const bundle_nonce& nonce, byte_view plain);

} // namespace consortium::e2ee
