#include "disk_floor.hpp"
#include "consortium/log/disk_room.hpp"
#include <chrono>
#include <spdlog/spdlog.h>

namespace consortium::log
{
namespace
{

using namespace std::chrono_literals;

constexpr auto check_interval = 100ms;
constexpr auto retry = 5s;

std::int64_t steady_ms()
{
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

} // namespace

disk_room judge_room(std::uint64_t free_bytes, std::uint64_t floor_bytes) noexcept
{
    if (free_bytes >= floor_bytes)
        return disk_room::enough;
    return free_bytes < floor_bytes / 2 ? disk_room::none : disk_room::reserve;
}

error no_room()
{
    return {
        .code = errc::unavailable,
        .detail = "the relay's disk is nearly full: nothing is written until space is freed",
        .retry = retry};
}

disk_floor::disk_floor(std::filesystem::path directory, std::uint64_t free_bytes_min, seams below)
    : directory_(std::move(directory)), free_bytes_min_(free_bytes_min), below_(std::move(below))
{
}

bool disk_floor::measure()
{
    measured_ms_ = steady_ms();
    const auto room = below_.free_bytes(directory_);
    const auto is = judge_room(room, free_bytes_min_);
    const bool low = is != disk_room::enough;
    full_ = is == disk_room::none;
    // Where the disk is, is for whoever runs the relay: clients are told by refusal().
    if (low_.exchange(low) != low && low)
        spdlog::warn(
            "the disk of {} is nearly full, {} MiB are free: only deletions and sign-ins are written until there is "
            "room",
            directory_.string(), room >> 20);
    return low;
}

bool disk_floor::measure_if_low()
{
    if (low_ && steady_ms() - measured_ms_ >= check_interval.count())
        measure();
    return low_;
}

error disk_floor::refusal() const
{
    return no_room();
}

} // namespace consortium::log
