#pragma once
#include "consortium/common/bytes.hpp"
#include <optional>
#include <string>
#include <string_view>

namespace consortium::log
{

/// Writes the bytes of a non-empty text in canonical padded base64 (RFC 4648 section 4) to `out`, which must have room
/// for text.size() / 4 * 3. Returns their number; 0 when `text` is anything else, and then it is kept as it is.
/// Canonical: unpack() returns exactly `text`. Runs for every message, so it uses tables; the texts are ciphertext,
/// which timing may reveal.
std::size_t pack(std::string_view text, std::uint8_t* out) noexcept;

std::string unpack(byte_view packed);

/// The bytes of a UUID in its canonical text form with letters in lower case (RFC 9562 section 4); empty for any other
/// text. unpack_uuid() returns exactly `text`.
std::optional<byte_array<16>> pack_uuid(std::string_view text) noexcept;

std::string unpack_uuid(const byte_array<16>& packed);

} // namespace consortium::log
