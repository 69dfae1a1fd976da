#pragma once
#include "consortium/common/bytes.hpp"
#include "consortium/common/error.hpp"
#include "consortium/common/secret.hpp"

/// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), by libsodium and, from a hundred bytes on, OpenSSL: what the relay
/// seals its own disk with.
namespace consortium
{

inline constexpr std::size_t xchacha_nonce_bytes = 24;
inline constexpr std::size_t aead_tag_bytes = 16;
using xchacha_nonce = byte_array<xchacha_nonce_bytes>;

/// Appends ciphertext ‖ tag to `out`.
void xchacha_seal(bytes& out, const key256& key, const xchacha_nonce& nonce, byte_view authenticated, byte_view plain);

/// `sealed` is ciphertext ‖ tag. errc::corrupt when it does not authenticate; `out` is empty then.
/// The plain bytes replace what is in `out`, whose memory is used again.
result<void> xchacha_open(bytes& out, const key256& key, byte_view nonce, byte_view authenticated, byte_view sealed);
result<bytes> xchacha_open(const key256& key, byte_view nonce, byte_view authenticated, byte_view sealed);

/// nonce ‖ ciphertext ‖ tag with a random nonce, and back.
bytes xchacha_seal_with_nonce(const key256& key, byte_view authenticated, byte_view plain);
result<bytes> xchacha_open_with_nonce(const key256& key, byte_view authenticated, byte_view sealed);

} // namespace consortium
