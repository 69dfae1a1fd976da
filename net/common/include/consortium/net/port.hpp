#pragma once
#include <charconv>
#include <cstdint>
#include <string_view>

namespace consortium::net
{

/// Of a URL; 0 for what is none. Boost.URL 1.81 lets 99999 wrap around.
inline std::uint16_t parse_port(std::string_view digits)
{
    std::uint16_t out = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    return read.ec == std::errc{} && read.ptr == digits.data() + digits.size() ? out : std::uint16_t{0};
}

} // namespace consortium::net
