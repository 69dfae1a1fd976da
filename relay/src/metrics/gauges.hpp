#pragma once
#include "metrics/process_figures.hpp"
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>

namespace consortium::net
{
class http_server;
}

namespace consortium::relay
{

struct services;

struct mirror_gauges
{
    bool following = false;
    std::uint64_t lag_records = 0;
    /// How long ago the first event happened that the mirror lacks; 0: it lacks none.
    double lag_seconds = 0;
    /// Empty until the mirror was asked what it has: then neither this nor the lag is known.
    std::optional<std::uint64_t> position = std::nullopt;
    bool failing = false; ///< it does not follow, and there is an error that says why
    std::uint64_t failures = 0;
};

/// What is read when somebody asks for the metrics, beside what was counted all along. Numbers alone.
struct gauges
{
    bool ready = false;
    std::size_t connections = 0;
    std::size_t commands_waiting = 0;
    std::size_t fan_out_bytes_waiting = 0;
    std::uint64_t records = 0;
    std::uint64_t log_bytes = 0; ///< of the files in the log's directory
    std::uint64_t disk_free_bytes = 0;
    std::uint64_t disk_floor_bytes = 0;
    std::uint64_t view_rebuilds = 0;
    std::optional<mirror_gauges> mirror = std::nullopt;
    process_figures process = {};
};

/// All but the mirror's. Looks at each file of the log: not on a network thread that has clients.
gauges read_gauges(const services& shared, const net::http_server& server);

/// Of all files below it; those that vanish meanwhile do not count.
std::uint64_t bytes_of_files(const std::filesystem::path& directory);

} // namespace consortium::relay
