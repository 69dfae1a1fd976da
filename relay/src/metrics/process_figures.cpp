#include "metrics/process_figures.hpp"
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

namespace consortium::relay
{
namespace
{

double seconds(const timeval& span)
{
    return static_cast<double>(span.tv_sec) + static_cast<double>(span.tv_usec) / 1e6;
}

double read_cpu_seconds()
{
    rusage used{};
    return ::getrusage(RUSAGE_SELF, &used) == 0 ? seconds(used.ru_utime) + seconds(used.ru_stime) : 0;
}

/// The second number of /proc/self/statm, in pages (proc(5)).
std::uint64_t read_resident_bytes()
{
    std::ifstream file("/proc/self/statm");
    std::uint64_t size = 0;
    std::uint64_t resident = 0;
    return file >> size >> resident ? resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

std::uint64_t count_descriptors()
{
    std::error_code ec;
    std::uint64_t out = 0;
    for (std::filesystem::directory_iterator at("/proc/self/fd", ec);
         !ec && at != std::filesystem::directory_iterator(); at.increment(ec))
        ++out;
    // The one that reads the directory is among them.
    return out > 0 ? out - 1 : 0;
}

/// Field 22 of /proc/self/stat: ticks after the machine started. The name in field 2 may hold anything, but the last
/// parenthesis ends it.
double read_started_at()
{
    std::ifstream file("/proc/self/stat");
    std::string line;
    std::getline(file, line);
    const auto named = line.rfind(')');
    if (named == std::string::npos)
        return 0;
    std::istringstream rest(line.substr(named + 1));
    std::string field;
    for (int number = 3; number <= 22; ++number)
        rest >> field;
    timespec booted{};
    if (!rest || ::clock_gettime(CLOCK_BOOTTIME, &booted) != 0)
        return 0;
    const auto started = std::strtod(field.c_str(), nullptr) / static_cast<double>(::sysconf(_SC_CLK_TCK));
    const auto up = static_cast<double>(booted.tv_sec) + static_cast<double>(booted.tv_nsec) / 1e9;
    const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
    return now.count() - up + started;
}

} // namespace

process_figures read_process_figures()
{
    rlimit files{};
    return {
        .cpu_seconds = read_cpu_seconds(),
        .resident_bytes = read_resident_bytes(),
        .open_descriptors = count_descriptors(),
        .descriptors_max = ::getrlimit(RLIMIT_NOFILE, &files) == 0 ? files.rlim_cur : 0,
        .started_at = read_started_at()};
}

} // namespace consortium::relay
