#include "consortium/common/bytes.hpp"
#include <sodium.h>

namespace consortium
{

bool equal_constant_time(byte_view left, byte_view right) noexcept
{
    return left.size() == right.size() && sodium_memcmp(left.data(), right.data(), left.size()) == 0;
}

} // namespace consortium
