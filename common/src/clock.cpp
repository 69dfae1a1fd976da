#include "consortium/common/clock.hpp"
#include <cstdio>
#include <ctime>
#include <fstream>

namespace consortium
{

unix_millis system_clock_source::now() const
{
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
}

boot_time system_boot_clock::now() const
{
    static const std::string boot = []
    {
        std::ifstream file("/proc/sys/kernel/random/boot_id");
        std::string id;
        std::getline(file, id);
        return id;
    }();
    std::timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    using namespace std::chrono;
    return {boot, duration_cast<milliseconds>(seconds(now.tv_sec) + nanoseconds(now.tv_nsec))};
}

std::string iso_time(unix_millis time)
{
    const std::time_t seconds = time / 1000;
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    char date[32];
    const auto size = std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
    char millis[8];
    std::snprintf(millis, sizeof millis, ".%03dZ", static_cast<int>(time % 1000));
    return std::string(date, size) + millis;
}

} // namespace consortium
