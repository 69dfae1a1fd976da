#pragma once
#include "consortium/common/error.hpp"
#include "consortium/common/secret.hpp"
#include <string>
#include <string_view>

namespace consortium::e2ee
{

/// The account secret as people write it down: base32 in groups of five, joined by '-' (docs/protocol.md 4).
std::string backup_text(const key256& secret);

/// Reads it back: any case, spacing and punctuation; 0, 1, 8 and 9 are taken as O, I, B and G. A text of at most 50
/// letters without '-' or space is taken as base64url. errc::bad_request unless it is exactly 32 bytes.
result<key256> backup_parse(std::string_view text);

} // namespace consortium::e2ee
