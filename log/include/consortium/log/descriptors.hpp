#pragma once
#include <cstddef>

namespace consortium::log
{

/// How many files an open log holds at most, under what the system allows this process now (RLIMIT_NOFILE). Whoever
/// opens others, connections for one, leaves it so many: without them nothing can be written.
std::size_t descriptors_reserved();

} // namespace consortium::log
