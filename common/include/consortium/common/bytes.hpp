#pragma once
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace consortium
{

using bytes = std::vector<std::uint8_t>;
using byte_view = std::span<const std::uint8_t>;
template <std::size_t N>
using byte_array = std::array<std::uint8_t, N>;

inline byte_view view(std::string_view text) noexcept
{
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view text(byte_view data) noexcept
{
    return {reinterpret_cast<const char*>(data.data()), data.size()};
}
inline bytes to_bytes(byte_view data)
{
    return {data.begin(), data.end()};
}
inline void append(bytes& out, byte_view data)
{
    out.insert(out.end(), data.begin(), data.end());
}
inline void append(bytes& out, std::string_view data)
{
    append(out, view(data));
}

/// The first N bytes; `data` must hold them.
template <std::size_t N>
byte_array<N> to_array(byte_view data) noexcept
{
    byte_array<N> out{};
    std::memcpy(out.data(), data.data(), N);
    return out;
}

/// Fixed-width integers in a given byte order.
template <class T>
byte_array<sizeof(T)> big_endian(T value) noexcept
{
    if constexpr (std::endian::native == std::endian::little)
        value = std::byteswap(value);
    return std::bit_cast<byte_array<sizeof(T)>>(value);
}
template <class T>
byte_array<sizeof(T)> little_endian(T value) noexcept
{
    if constexpr (std::endian::native == std::endian::big)
        value = std::byteswap(value);
    return std::bit_cast<byte_array<sizeof(T)>>(value);
}
/// `data` must hold sizeof(T) bytes.
template <class T>
T load_big_endian(byte_view data) noexcept
{
    const auto value = std::bit_cast<T>(to_array<sizeof(T)>(data));
    return std::endian::native == std::endian::little ? std::byteswap(value) : value;
}
template <class T>
T load_little_endian(byte_view data) noexcept
{
    const auto value = std::bit_cast<T>(to_array<sizeof(T)>(data));
    return std::endian::native == std::endian::big ? std::byteswap(value) : value;
}

/// Compares in time that depends on the sizes only.
bool equal_constant_time(byte_view left, byte_view right) noexcept;

} // namespace consortium
