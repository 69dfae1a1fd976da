#include "consortium/common/printable.hpp"
#include "consortium/common/utf8.hpp"
#include <algorithm>
#include <array>
#include <cstdio>

namespace consortium
{
namespace
{

struct range
{
    char32_t first;
    char32_t last;
};

/// What cannot be seen, by its number.
std::string mark_of(char32_t c)
{
    std::array<char, 16> out{};
    const auto size = std::snprintf(out.data(), out.size(), "<U+%04X>", static_cast<unsigned>(c));
    return {out.data(), static_cast<std::size_t>(size)};
}

bool in(const auto& ranges, char32_t c)
{
    return std::ranges::any_of(ranges, [c](const range& each) { return each.first <= c && c <= each.last; });
}

/// Ends of lines, tabs, and the spaces of Unicode (Zs, Zl, Zp).
constexpr std::array blanks{range{0x09, 0x0d},     range{0x20, 0x20},     range{0x85, 0x85},     range{0xa0, 0xa0},
                            range{0x1680, 0x1680}, range{0x2000, 0x200a}, range{0x2028, 0x2029}, range{0x202f, 0x202f},
                            range{0x205f, 0x205f}, range{0x3000, 0x3000}};

/// Makes an emoji of the character before it, and nothing else: left out.
constexpr char32_t emoji_selector = 0xfe0f;

/// The other controls (C0, DEL, C1), Unicode's format characters (Cf), bidirectional controls among them, what it calls
/// default-ignorable, and noncharacters of the first plane.
constexpr std::array unseen{
    range{0x00, 0x1f},       range{0x7f, 0x9f},       range{0xad, 0xad},       range{0x34f, 0x34f},
    range{0x600, 0x605},     range{0x61c, 0x61c},     range{0x6dd, 0x6dd},     range{0x70f, 0x70f},
    range{0x890, 0x891},     range{0x8e2, 0x8e2},     range{0x115f, 0x1160},   range{0x17b4, 0x17b5},
    range{0x180b, 0x180f},   range{0x200b, 0x200f},   range{0x202a, 0x202e},   range{0x2060, 0x206f},
    range{0x2800, 0x2800},   range{0x3164, 0x3164},   range{0xfdd0, 0xfdef},   range{0xfe00, 0xfe0f},
    range{0xfeff, 0xfeff},   range{0xffa0, 0xffa0},   range{0xfff0, 0xfffb},   range{0xfffe, 0xffff},
    range{0x110bd, 0x110bd}, range{0x110cd, 0x110cd}, range{0x13430, 0x1343f}, range{0x1bca0, 0x1bca3},
    range{0x1d173, 0x1d17a}, range{0xe0000, 0xe0fff}};

} // namespace

std::string printable(std::string_view foreign, std::size_t max)
{
    std::string out;
    std::size_t count = 0;
    bool blank = false;
    while (!foreign.empty())
    {
        const auto c = take_utf8(foreign);
        if (in(blanks, c))
        {
            blank = !out.empty();
            continue;
        }
        if (c == emoji_selector)
            continue;
        const bool marked = in(unseen, c);
        std::string shown;
        if (marked)
            shown = mark_of(c);
        else
            put_utf8(shown, c);
        const std::size_t wanted = (blank ? 1 : 0) + (marked ? shown.size() : 1);
        if (count + wanted > max)
            return out + "…";
        count += wanted;
        if (blank)
            out.push_back(' ');
        blank = false;
        out += shown;
    }
    return out;
}

} // namespace consortium
