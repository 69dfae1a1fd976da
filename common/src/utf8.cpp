#include "consortium/common/utf8.hpp"
#include <array>

namespace consortium
{
namespace
{

constexpr char32_t replacement = 0xfffd;

} // namespace

char32_t take_utf8(std::string_view& text)
{
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    const char32_t lead = byte(0);
    const std::size_t size = lead < 0x80   ? 1
                             : lead < 0xc2 ? 0
                             : lead < 0xe0 ? 2
                             : lead < 0xf0 ? 3
                             : lead < 0xf5 ? 4
                                           : 0;
    char32_t out = size == 1 ? lead : lead & (0x7fu >> size);
    bool good = size > 0 && size <= text.size();
    for (std::size_t i = 1; good && i < size; ++i)
    {
        good = (byte(i) & 0xc0) == 0x80;
        out = out << 6 | (byte(i) & 0x3f);
    }
    constexpr std::array<char32_t, 5> smallest{0, 0, 0x80, 0x800, 0x10000};
    good = good && out >= smallest[size] && out <= 0x10ffff && (out < 0xd800 || out > 0xdfff);
    text.remove_prefix(good ? size : 1);
    return good ? out : replacement;
}

void put_utf8(std::string& out, char32_t c)
{
    const auto add = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
    if (c < 0x80)
        return add(c);
    if (c < 0x800)
        add(0xc0 | c >> 6);
    else
    {
        if (c < 0x10000)
            add(0xe0 | c >> 12);
        else
        {
            add(0xf0 | c >> 18);
            add(0x80 | (c >> 12 & 0x3f));
        }
        add(0x80 | (c >> 6 & 0x3f));
    }
    add(0x80 | (c & 0x3f));
}

std::string well_formed_utf8(std::string_view foreign, std::size_t bytes_max)
{
    std::string out;
    while (!foreign.empty())
    {
        const auto kept = out.size();
        put_utf8(out, take_utf8(foreign));
        if (out.size() <= bytes_max)
            continue;
        out.resize(kept);
        break;
    }
    return out;
}

} // namespace consortium
