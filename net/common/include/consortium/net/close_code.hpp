#pragma once
#include <cstdint>

namespace consortium::net
{

/// RFC 6455 section 7.4.1.
enum class close_code : std::uint16_t
{
    normal = 1000,
    going_away = 1001,
    protocol_error = 1002,
    unsupported_data = 1003,
    invalid_utf8 = 1007,
    policy_violation = 1008,
    too_big = 1009,
    internal_error = 1011,
    try_again_later = 1013,
};

} // namespace consortium::net
