#pragma once
#include "consortium/common/error.hpp"
#include "seams.hpp"
#include <atomic>
#include <cstdint>
#include <filesystem>

namespace consortium::log
{

/// Whether the disk has less room than the log leaves free. Then nothing is written but what needs no room
/// (event_description), for which half of the floor is the reserve; reads go on. Thread-safe.
class disk_floor
{
public:
    disk_floor(std::filesystem::path directory, std::uint64_t free_bytes_min, seams below);

    /// As it was measured last.
    bool low() const noexcept { return low_; }
    /// The reserve is used up too.
    bool full() const noexcept { return full_; }
    /// Asks the system.
    bool measure();
    /// The same if it was low, but not more often than every 100 ms.
    bool measure_if_low();
    /// What a writer is told.
    error refusal() const;

private:
    std::filesystem::path directory_;
    std::uint64_t free_bytes_min_;
    seams below_;
    std::atomic<bool> low_ = false;
    std::atomic<bool> full_ = false;
    std::atomic<std::int64_t> measured_ms_ = 0;
};

} // namespace consortium::log
