#pragma once
#include <cstdint>

namespace consortium::relay
{

/// What the system says of this process. What it does not say is 0.
struct process_figures
{
    double cpu_seconds = 0;
    std::uint64_t resident_bytes = 0;
    std::uint64_t open_descriptors = 0;
    std::uint64_t descriptors_max = 0;
    double started_at = 0; ///< seconds since 1970
};
process_figures read_process_figures();

} // namespace consortium::relay
