#pragma once
#include "consortium/common/error.hpp"
#include <cstdint>

namespace consortium::log
{

/// What a disk has room for, by what is free on it and what the log leaves free (`log_options::disk_free_floor_bytes`).
enum class disk_room
{
    enough,
    reserve, ///< below the floor: what needs no room (event_description) is written from the lower half of it
    none,
};
disk_room judge_room(std::uint64_t free_bytes, std::uint64_t floor_bytes) noexcept;

/// What a writer is told when there is not enough. Where the disk is, is for whoever runs the relay.
error no_room();

} // namespace consortium::log
