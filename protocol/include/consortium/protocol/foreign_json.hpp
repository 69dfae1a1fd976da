#pragma once
#include "consortium/common/error.hpp"
#include <boost/json/value.hpp>
#include <cstddef>
#include <string_view>

namespace consortium::protocol
{

/// Deeper than anybody nests what a person is to read; a value can be destroyed that deep, and wrapped a few times.
inline constexpr std::size_t foreign_depth_max = 256;
/// What was read once stands in things of ours, each a level or two.
inline constexpr std::size_t stored_depth_max = foreign_depth_max + 16;

/// JSON of people and programs that must be heard, whatever they write: Claude, its tools, the person's browsers, what
/// is stored of them. Read strictly; where that fails, what careless writers do is mended first:
///
/// - Half of a surrogate pair and bytes that are no UTF-8 become U+FFFD.
/// - Raw control characters, NUL among them, are taken as the escapes that they should have been, or as blanks.
/// - A backslash that begins no escape is one.
/// - A number beyond all bounds and a bare word (NaN, undefined) become texts.
/// - What is nested deeper than `depth_max` becomes one text.
///
/// What comes out can be written and read again, strictly. errc::bad_request when it is no JSON even so. The relay's
/// own requests are never read so (json_text.hpp).
result<boost::json::value> read_foreign_json(std::string_view text, std::size_t depth_max = foreign_depth_max);
/// As that; errc::bad_request when it is no object.
result<boost::json::object> read_foreign_object(std::string_view text, std::size_t depth_max = foreign_depth_max);

} // namespace consortium::protocol
