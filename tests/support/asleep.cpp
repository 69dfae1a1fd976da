/// Loaded before a program (LD_PRELOAD): its machine has slept. The clocks that run on in sleep are ahead by the
/// nanoseconds in the file that CONSORTIUM_SLEPT names, which a test raises while the program runs; CLOCK_MONOTONIC has
/// stood still. Less than nothing sets them back. Without the variable nothing is changed.

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>

namespace
{

using nanoseconds = std::atomic<std::int64_t>;
static_assert(nanoseconds::is_always_lock_free);

const nanoseconds* open_slept()
{
    const auto* name = std::getenv("CONSORTIUM_SLEPT");
    const auto file = name ? ::open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return nullptr;
    auto* shared = ::mmap(nullptr, sizeof(nanoseconds), PROT_READ, MAP_SHARED, file, 0);
    return shared == MAP_FAILED ? nullptr : static_cast<const nanoseconds*>(shared);
}

bool runs_on(clockid_t clock)
{
    return clock == CLOCK_BOOTTIME || clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
}

} // namespace

extern "C" __attribute__((visibility("default"))) int clock_gettime(clockid_t clock, timespec* out) noexcept
{
    static const auto real =
        reinterpret_cast<int (*)(clockid_t, timespec*)>(::dlsym(RTLD_NEXT, "clock_gettime")); // NOLINT: dlsym's way
    static const auto* slept = open_slept();
    const auto status = real(clock, out);
    if (status != 0 || slept == nullptr || !runs_on(clock))
        return status;
    constexpr std::int64_t second = 1'000'000'000;
    const auto whole = out->tv_nsec + slept->load(std::memory_order_relaxed);
    out->tv_sec += whole / second;
    out->tv_nsec = whole % second;
    if (out->tv_nsec < 0) // a clock that was set back
    {
        out->tv_nsec += second;
        --out->tv_sec;
    }
    return 0;
}
