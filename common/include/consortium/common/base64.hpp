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

/// RFC 4648 section 6 without padding, upper case. The decoder ignores nothing; see e2ee for the forgiving one.
std::string base32_encode(byte_view data);
result<bytes> base32_decode(std::string_view text);

} // namespace consortium
