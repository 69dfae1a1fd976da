#pragma once
#include <cstdint>

namespace consortium::log
{

/// View tables that were made anew from the log since this process began: each is one that was damaged or that a newer
/// version folds in another way. Thread-safe, and of the whole process.
void count_view_rebuild() noexcept;
std::uint64_t view_rebuilds() noexcept;

} // namespace consortium::log
