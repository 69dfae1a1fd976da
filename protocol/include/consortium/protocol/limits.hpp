#pragma once
#include "consortium/common/limits.hpp"

/// What packets may hold; for what they carry see common/limits.hpp.
namespace consortium::limits
{

/// Of one packet: what the official client and server take. What is passed on costs nobody there the connection.
inline constexpr std::size_t attachments_max = 10;
/// Of one packet, with its text: as much as a frame of text may have.
inline constexpr std::size_t binary_packet_bytes_max = frame_bytes_max;

} // namespace consortium::limits
