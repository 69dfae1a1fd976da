#pragma once
#include "consortium/common/limits.hpp"

/// Bounds of the log alone; those that others must know are in consortium/common/limits.hpp.
namespace consortium::limits
{

/// Of the newest events that are kept in memory for feeds. A reader that is further behind reads from disk.
inline constexpr std::size_t recent_events_max = 16'384;
inline constexpr std::size_t recent_bytes_max = 16u << 20;
/// Taken at once: what is taken from memory holds up a commit for as long as so many pointers take.
inline constexpr std::size_t taken_events_max = 1024;

inline constexpr auto view_retry = 1s; ///< when to ask again for what a broken view table is needed
inline constexpr std::size_t view_failures_max =
    3; ///< of one table within `view_failures_span`; then it stays as it is
inline constexpr auto view_failures_span = 24h;

static_assert(recent_bytes_max >= record_body_bytes_max);

} // namespace consortium::limits
