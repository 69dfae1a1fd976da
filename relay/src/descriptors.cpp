#include "descriptors.hpp"
#include "consortium/log/descriptors.hpp"
#include <algorithm>
#include <sys/resource.h>

namespace consortium::relay
{
namespace
{

constexpr rlim_t descriptors_wanted_max = 1u << 20;
/// Standard streams, the listener, the control socket and its clients, hosts' names, files that are read once.
constexpr std::size_t own_descriptors = 48;
constexpr std::size_t descriptors_per_thread = 4;
/// Connections that were told to go and have not gone yet.
constexpr std::size_t leaving_connections = 32;
constexpr std::size_t connections_min = 16;

} // namespace

std::size_t raise_descriptor_limit()
{
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1024;
    const auto wanted = std::min(limit.rlim_max, descriptors_wanted_max);
    if (limit.rlim_cur < wanted)
    {
        rlimit raised{.rlim_cur = wanted, .rlim_max = limit.rlim_max};
        if (::setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    return std::min(limit.rlim_cur, descriptors_wanted_max);
}

result<std::size_t>
connections_that_fit(std::size_t descriptors, std::size_t io_threads, std::size_t wanted, std::size_t others)
{
    const auto taken = log::descriptors_reserved() + own_descriptors + io_threads * descriptors_per_thread +
                       leaving_connections + others;
    if (descriptors < taken + connections_min)
        return fail(
            errc::unavailable, "the system allows " + std::to_string(descriptors) + " open files, the relay needs " +
                                   std::to_string(taken + connections_min) + " at least (ulimit -n)");
    return std::min(wanted, descriptors - taken);
}

} // namespace consortium::relay
