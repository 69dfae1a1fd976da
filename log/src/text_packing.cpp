#include "text_packing.hpp"
#include <array>

namespace consortium::log
{
namespace
{

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint32_t invalid = 1u << 24;

/// values[i][letter]: the letter's six bits where the i-th of four letters has them; `invalid` for any other byte.
constexpr auto values = []
{
    std::array<std::array<std::uint32_t, 256>, 4> table{};
    for (std::size_t place = 0; place < 4; ++place)
    {
        table[place].fill(invalid);
        for (std::uint32_t value = 0; value < alphabet.size(); ++value)
            table[place][static_cast<std::uint8_t>(alphabet[value])] = value << (6 * (3 - place));
    }
    return table;
}();

/// Two letters for every twelve bits.
constexpr auto pairs = []
{
    std::array<std::array<char, 2>, 4096> table{};
    for (std::size_t value = 0; value < table.size(); ++value)
        table[value] = {alphabet[value >> 6], alphabet[value & 63]};
    return table;
}();

constexpr std::size_t uuid_text_bytes = 36;
constexpr std::string_view hexadecimal = "0123456789abcdef";

/// The value of a hexadecimal digit in lower case; above 15 for any other byte.
constexpr auto digits = []
{
    std::array<std::uint8_t, 256> table{};
    table.fill(0xff);
    for (std::uint8_t value = 0; value < hexadecimal.size(); ++value)
        table[static_cast<std::uint8_t>(hexadecimal[value])] = value;
    return table;
}();

constexpr bool is_hyphen(std::size_t at) noexcept
{
    return at == 8 || at == 13 || at == 18 || at == 23;
}

std::uint32_t group(const std::uint8_t* four) noexcept
{
    return values[0][four[0]] | values[1][four[1]] | values[2][four[2]] | values[3][four[3]];
}

} // namespace

std::size_t pack(std::string_view text, std::uint8_t* out) noexcept
{
    if (text.empty() || text.size() % 4 != 0)
        return 0;
    const auto* in = reinterpret_cast<const std::uint8_t*>(text.data());
    const auto* last = in + text.size() - 4;
    auto* to = out;
    std::uint32_t seen = 0;
    for (; in != last; in += 4, to += 3)
    {
        const auto value = group(in);
        seen |= value;
        to[0] = static_cast<std::uint8_t>(value >> 16);
        to[1] = static_cast<std::uint8_t>(value >> 8);
        to[2] = static_cast<std::uint8_t>(value);
    }

    const std::size_t padding = last[3] != '=' ? 0 : last[2] != '=' ? 1 : 2;
    auto value = values[0][last[0]] | values[1][last[1]];
    if (padding < 2)
        value |= values[2][last[2]];
    if (padding < 1)
        value |= values[3][last[3]];
    seen |= value;
    // Bits that no byte holds must be zero, or two texts would have the same bytes.
    const auto unused = value & ((1u << (8 * padding)) - 1);
    if ((seen & invalid) != 0 || unused != 0)
        return 0;
    for (std::size_t i = 0; i < 3 - padding; ++i)
        *to++ = static_cast<std::uint8_t>(value >> (16 - 8 * i));
    return static_cast<std::size_t>(to - out);
}

std::string unpack(byte_view packed)
{
    std::string text((packed.size() + 2) / 3 * 4, '=');
    auto* to = text.data();
    std::size_t i = 0;
    for (; i + 3 <= packed.size(); i += 3, to += 4)
    {
        const auto value = static_cast<std::uint32_t>(packed[i] << 16 | packed[i + 1] << 8 | packed[i + 2]);
        std::memcpy(to, pairs[value >> 12].data(), 2);
        std::memcpy(to + 2, pairs[value & 4095].data(), 2);
    }
    const auto rest = packed.size() - i;
    if (rest > 0)
    {
        const auto value = static_cast<std::uint32_t>(packed[i] << 16 | (rest == 2 ? packed[i + 1] << 8 : 0));
        std::memcpy(to, pairs[value >> 12].data(), 2);
        if (rest == 2)
            to[2] = pairs[value & 4095][0];
    }
    return text;
}

std::optional<byte_array<16>> pack_uuid(std::string_view text) noexcept
{
    if (text.size() != uuid_text_bytes)
        return std::nullopt;
    byte_array<16> out;
    std::size_t at = 0;
    for (auto& byte : out)
    {
        if (is_hyphen(at) && text[at++] != '-')
            return std::nullopt;
        const auto high = digits[static_cast<std::uint8_t>(text[at++])];
        const auto low = digits[static_cast<std::uint8_t>(text[at++])];
        if ((high | low) > 0xf)
            return std::nullopt;
        byte = static_cast<std::uint8_t>(high << 4 | low);
    }
    return out;
}

std::string unpack_uuid(const byte_array<16>& packed)
{
    std::string text(uuid_text_bytes, '-');
    std::size_t at = 0;
    for (const auto byte : packed)
    {
        at += is_hyphen(at) ? 1 : 0;
        text[at++] = hexadecimal[byte >> 4];
        text[at++] = hexadecimal[byte & 0xf];
    }
    return text;
}

} // namespace consortium::log
