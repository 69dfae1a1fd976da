#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace consortium
{

/// Text that is not our own, safe to print: to a terminal, a log or a diagnostics file. One line of at most `max`
/// characters, with … where it was cut. Control characters (C0, DEL, C1) and white space become one space, what has no
/// width or turns the direction of writing is left out, what is no UTF-8 becomes U+FFFD.
std::string printable(std::string_view foreign, std::size_t max = 300);

} // namespace consortium
