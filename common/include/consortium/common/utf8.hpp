#pragma once
#include <string>
#include <string_view>

/// UTF-8 (RFC 3629), a character at a time.
namespace consortium
{

/// Taken off the front of a text that is not empty. What is no UTF-8 costs one byte and is U+FFFD.
char32_t take_utf8(std::string_view& text);
void put_utf8(std::string& out, char32_t c);

/// The text with U+FFFD in the place of what is no UTF-8, cut before the character that goes beyond `bytes_max`.
std::string well_formed_utf8(std::string_view foreign, std::size_t bytes_max = std::string_view::npos);

} // namespace consortium
