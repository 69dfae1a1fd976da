#include "consortium/log/view_rebuilds.hpp"
#include <atomic>

namespace consortium::log
{
namespace
{

std::atomic<std::uint64_t> rebuilds = 0;

} // namespace

void count_view_rebuild() noexcept
{
    rebuilds.fetch_add(1, std::memory_order_relaxed);
}

std::uint64_t view_rebuilds() noexcept
{
    return rebuilds.load(std::memory_order_relaxed);
}

} // namespace consortium::log
