#pragma once
#include "consortium/common/error.hpp"
#include <cstddef>

/// File descriptors: connections get what the log and the relay itself leave.
namespace consortium::relay
{

/// Raises this process's limit as far as it may itself. How many there are.
std::size_t raise_descriptor_limit();

/// How many connections fit beside the log and `others`, at most `wanted`. errc::unavailable when that is too few to
/// serve anybody: says how many descriptors are needed.
result<std::size_t>
connections_that_fit(std::size_t descriptors, std::size_t io_threads, std::size_t wanted, std::size_t others = 0);

} // namespace consortium::relay
