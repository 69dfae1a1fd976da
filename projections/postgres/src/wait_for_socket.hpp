#pragma once
#include "watchdog.hpp"
#include <chrono>

namespace consortium::postgres
{

/// Waits until `descriptor` can be read or written. Throws pqxx::broken_connection that says `late` after `deadline`,
/// and as soon as `by` stops.
void wait_for_socket(
    int descriptor, bool reading, std::chrono::steady_clock::time_point deadline, const watchdog& by, const char* late);

} // namespace consortium::postgres
