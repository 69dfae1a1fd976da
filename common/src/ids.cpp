#include "consortium/common/ids.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/secret.hpp"
#include <algorithm>
#include <mutex>

namespace consortium
{
namespace detail
{

std::string uuid_text(const byte_array<16>& value)
{
    const auto hex = hex_encode(value);
    return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" + hex.substr(16, 4) + "-" +
           hex.substr(20);
}

result<byte_array<16>> uuid_parse(std::string_view text)
{
    if (text.size() != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-')
        return fail(errc::bad_request, "not a valid id");
    std::string hex(text);
    std::erase(hex, '-');
    const auto value = hex_decode(hex);
    if (!value || value->size() != 16)
        return fail(errc::bad_request, "not a valid id");
    return to_array<16>(*value);
}

} // namespace detail

byte_array<16> make_uuid_v7(std::int64_t unix_ms)
{
    // RFC 9562 section 6.2, method 3: the 12 bits after the version count up within a millisecond; when they are
    // used up, or the clock steps back, the id borrows from the next millisecond.
    static std::mutex guard;
    static std::uint64_t last = 0;
    std::uint64_t stamp = static_cast<std::uint64_t>(std::max<std::int64_t>(unix_ms, 0)) << 12;
    {
        const std::lock_guard lock(guard);
        stamp = std::max(stamp, last + 1);
        last = stamp;
    }
    auto out = random_array<16>();
    const auto head = big_endian<std::uint64_t>(((stamp >> 12) << 16) | 0x7000 | (stamp & 0xfff));
    std::ranges::copy(head, out.begin());
    out[8] = static_cast<std::uint8_t>((out[8] & 0x3f) | 0x80);
    return out;
}

byte_array<16> make_uuid_v4()
{
    auto out = random_array<16>();
    out[6] = static_cast<std::uint8_t>((out[6] & 0x0f) | 0x40);
    out[8] = static_cast<std::uint8_t>((out[8] & 0x3f) | 0x80);
    return out;
}

} // namespace consortium
