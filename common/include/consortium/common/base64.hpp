#pragma once
#include "consortium/common/bytes.hpp"
#include "consortium/common/error.hpp"
#include <string>
#include <string_view>

/// Text forms of bytes. Decoders are strict: one text for each byte string, errc::bad_request for any other.
namespace consortium
{

/// RFC 4648 section 4, padded: what the wire uses.
std::string base64_encode(byte_view data);
result<bytes> base64_decode(std::string_view text);

/// RFC 4648 section 5, without padding: links, QR codes, JWT segments.
std::string base64url_encode(byte_view data);
result<bytes> base64url_decode(std::string_view text);

/// Lower case; the decoder takes lower case only.
std::string hex_encode(byte_view data);
result<bytes> hex_decode(std::string_view text);

/// RFC 4648 section 6 without padding, upper case. The decoder ignores nothing.
std::string base32_encode(byte_view data);
result<bytes> base32_decode(std::string_view text);
/// For texts that people type: letters in groups of five.
std::string base32_groups(std::string_view letters);
/// The letters that were meant: upper case, 0 1 8 9 read as O I B G, everything else left out.
std::string base32_letters(std::string_view typed);

} // namespace consortium
