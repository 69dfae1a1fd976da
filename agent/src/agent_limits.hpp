#pragma once
#include <chrono>
#include <cstddef>

/// Bounds that are the agent's alone; those that others know too stand in consortium/common/limits.hpp.
namespace consortium::limits
{
using namespace std::chrono_literals;

inline constexpr std::size_t grant_bytes_max = 4u << 10; ///< a permission update that is larger is not offered

// What waits for the relay.
inline constexpr std::size_t spool_bytes_max = 256u << 20;
inline constexpr std::size_t spool_aside_bytes_max = 16u << 20; ///< of what it will not take

// A message that the relay fails on, while it takes others: said, and then set aside.
inline constexpr int failures_said_after = 5;
inline constexpr int failures_borne = 20;
inline constexpr auto failures_borne_for = 15min;

// What a relay can bring about as often as it likes is told so many times at once, then once in a while.
inline constexpr std::size_t told_at_once_max = 64;
inline constexpr auto told_interval = 1min;
inline constexpr std::size_t told_remembered_max = 256; ///< these are not told again

} // namespace consortium::limits
