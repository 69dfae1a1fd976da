#pragma once
#include "workload.hpp"

/// The parts of bench_log; each prints its tables.
namespace consortium::bench
{

void measure_append(const settings& wanted);
void measure_replay(const settings& wanted);
void measure_reads(const settings& wanted);
void measure_opening(const settings& wanted);
void measure_size(const settings& wanted);
void measure_fairness(const settings& wanted);
void measure_following(const settings& wanted);

/// What the killed process of measure_opening() does: opens the log, writes `records`, says so, and goes on.
void write_until_killed(const std::filesystem::path& directory, std::uint64_t records, std::size_t payload_bytes);

} // namespace consortium::bench
