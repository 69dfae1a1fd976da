#pragma once
#include <chrono>
#include <cstddef>

/// What the mirror does at once, and how long it waits.
namespace consortium::limits
{
using namespace std::chrono_literals;

inline constexpr auto mirror_connect_timeout = 10s; // (flag)
inline constexpr auto mirror_timeout = 60s;         // (flag) of one transaction
inline constexpr auto mirror_retry = 30s;           // (flag) between two attempts, at most
/// What is written in one transaction: so many events, or the one with which it has so many bytes.
inline constexpr std::size_t mirror_batch_events_max = 512;
inline constexpr std::size_t mirror_batch_bytes_max = 1u << 20;
/// So long a batch that is not full waits for more: many small transactions would take time from the relay.
inline constexpr auto mirror_batch_linger = 50ms;
/// So often, while nothing happens, the mirror looks whether Postgres still has what it wrote.
inline constexpr auto mirror_heartbeat = 15s;
/// A deletion of more rows than this is not one transaction: it would take longer than a transaction may.
inline constexpr std::size_t mirror_rows_erased_at_once = 10'000;
/// Between the first two attempts; from there it doubles.
inline constexpr auto mirror_retry_min = 250ms;
/// Of a verification, which holds the mirror where it is.
inline constexpr auto mirror_verification_max = 6h;
inline constexpr std::size_t mirror_verify_findings_max = 100;
inline constexpr std::size_t mirror_verify_rows_at_once = 512;
/// Of the events that they are compared with; what is read of the rows themselves is short.
inline constexpr std::size_t mirror_verify_bytes_at_once = 4u << 20;
/// Of the thread, as nice(1) has it: the relay goes first.
inline constexpr int mirror_niceness = 10;

} // namespace consortium::limits
