#include "consortium/common/base64.hpp"
#include <algorithm>
#include <sodium.h>

namespace consortium
{
namespace
{

std::string encode(byte_view data, int variant)
{
    std::string out(sodium_base64_encoded_len(data.size(), variant), '\0');
    sodium_bin2base64(out.data(), out.size(), data.data(), data.size(), variant);
    out.pop_back(); // libsodium's terminating zero
    return out;
}

bool is_ascii(char letter) noexcept
{
    return static_cast<unsigned char>(letter) < 0x80;
}

result<bytes> decode(std::string_view text, int variant)
{
    // libsodium 1.0.18 takes every byte above for the last letter of the alphabet.
    if (!std::ranges::all_of(text, is_ascii))
        return fail(errc::bad_request, "not valid base64");
    bytes out(text.size() / 4 * 3 + 3);
    std::size_t size = 0;
    const char* end = nullptr;
    // libsodium refuses wrong padding and non-zero trailing bits, so each byte string has one text.
    if (sodium_base642bin(out.data(), out.size(), text.data(), text.size(), nullptr, &size, &end, variant) != 0 ||
        end != text.data() + text.size())
        return fail(errc::bad_request, "not valid base64");
    out.resize(size);
    return out;
}

constexpr std::string_view base32_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The letter of the base32 alphabet that was meant, or 0.
char letter_meant(char c)
{
    if (c >= 'a' && c <= 'z')
        c = static_cast<char>(c - 'a' + 'A');
    switch (c)
    {
    case '0':
        return 'O';
    case '1':
        return 'I';
    case '8':
        return 'B';
    case '9':
        return 'G';
    default:
        return base32_alphabet.find(c) != std::string_view::npos ? c : '\0';
    }
}

} // namespace

std::string base64_encode(byte_view data)
{
    return encode(data, sodium_base64_VARIANT_ORIGINAL);
}
result<bytes> base64_decode(std::string_view text)
{
    return decode(text, sodium_base64_VARIANT_ORIGINAL);
}
std::string base64url_encode(byte_view data)
{
    return encode(data, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}
result<bytes> base64url_decode(std::string_view text)
{
    return decode(text, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

std::string hex_encode(byte_view data)
{
    std::string out(data.size() * 2 + 1, '\0');
    sodium_bin2hex(out.data(), out.size(), data.data(), data.size());
    out.pop_back();
    return out;
}

result<bytes> hex_decode(std::string_view text)
{
    if (text.empty())
        return bytes{}; // libsodium wants a place to write to, even for nothing
    bytes out(text.size() / 2);
    std::size_t size = 0;
    const char* end = nullptr;
    if (text.size() % 2 != 0 || text.find_first_not_of("0123456789abcdef") != std::string_view::npos ||
        sodium_hex2bin(out.data(), out.size(), text.data(), text.size(), nullptr, &size, &end) != 0)
        return fail(errc::bad_request, "not valid lower-case hex");
    return out;
}

std::string base32_encode(byte_view data)
{
    std::string out;
    out.reserve((data.size() * 8 + 4) / 5);
    std::uint32_t held = 0;
    int bits = 0;
    for (const auto byte : data)
    {
        held = (held << 8) | byte;
        bits += 8;
        while (bits >= 5)
        {
            bits -= 5;
            out.push_back(base32_alphabet[(held >> bits) & 31]);
        }
    }
    if (bits > 0)
        out.push_back(base32_alphabet[(held << (5 - bits)) & 31]);
    return out;
}

result<bytes> base32_decode(std::string_view text)
{
    bytes out;
    out.reserve(text.size() * 5 / 8);
    std::uint32_t held = 0;
    int bits = 0;
    for (const char letter : text)
    {
        const auto value = base32_alphabet.find(letter);
        if (value == std::string_view::npos)
            return fail(errc::bad_request, "not valid base32");
        held = (held << 5) | static_cast<std::uint32_t>(value);
        bits += 5;
        if (bits >= 8)
        {
            bits -= 8;
            out.push_back(static_cast<std::uint8_t>(held >> bits));
        }
        held &= (1u << bits) - 1;
    }
    if (bits >= 5 || held != 0)
        return fail(errc::bad_request, "not valid base32");
    return out;
}

std::string base32_groups(std::string_view letters)
{
    constexpr std::size_t group_letters = 5;
    std::string out;
    for (std::size_t i = 0; i < letters.size(); ++i)
    {
        if (i != 0 && i % group_letters == 0)
            out.push_back('-');
        out.push_back(letters[i]);
    }
    return out;
}

std::string base32_letters(std::string_view typed)
{
    std::string out;
    for (const char c : typed)
        if (const char meant = letter_meant(c))
            out.push_back(meant);
    return out;
}

} // namespace consortium
