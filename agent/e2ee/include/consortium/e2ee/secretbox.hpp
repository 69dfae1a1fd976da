#pragma once
#include "consortium/common/error.hpp"
#include "consortium/common/secret.hpp"

namespace consortium::e2ee
{

/// NaCl secretbox (XSalsa20-Poly1305): random nonce[24] ‖ box.
bytes secretbox_seal(const key256& key, byte_view plain);
/// errc::corrupt when it does not authenticate.
result<bytes> secretbox_open(const key256& key, byte_view sealed);

/// Metadata is written as secretbox under `metadata_key` (keys.hpp).
bytes metadata_seal(const key256& metadata_key, byte_view plain);
/// Reads both what metadata_seal() wrote and a version 0 bundle under the data key (docs/protocol.md 5).
result<bytes> metadata_open(const key256& metadata_key, const key256& data_key, byte_view sealed);

} // namespace consortium::e2ee
