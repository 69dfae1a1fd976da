#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace consortium
{

/// Text that is not our own, safe to print: to a terminal, a log or a diagnostics file. One line of at most `max`
/// characters, with … where it was cut. White space and ends of lines become one space. Control characters, and what
/// has no width or turns the direction of writing, stand there by their numbers, as <U+202E>; what is no UTF-8 becomes
/// U+FFFD.
std::string printable(std::string_view foreign, std::size_t max = 300);

} // namespace consortium
