#pragma once
#include "consortium/common/bytes.hpp"
#include "consortium/common/error.hpp"
#include <string_view>

namespace consortium::e2ee
{

/// len16 of docs/protocol.md 5.2: the length as two bytes, big-endian, then the text. Only for texts of ours: ids,
/// kinds.
inline void append_length16(bytes& out, std::string_view text)
{
    CONSORTIUM_ASSERT(text.size() <= 0xffff);
    append(out, big_endian(static_cast<std::uint16_t>(text.size())));
    append(out, text);
}

} // namespace consortium::e2ee
