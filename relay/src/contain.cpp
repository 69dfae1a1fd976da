#include "contain.hpp"
#include <cstdlib>
#include <exception>
#include <spdlog/spdlog.h>

namespace consortium::relay
{

void log_bug(std::string_view task) noexcept
{
    try
    {
        throw;
    }
    catch (const std::exception& bug)
    {
        spdlog::error("{} failed: {}", task, bug.what());
    }
    catch (...)
    {
        spdlog::error("{} failed", task);
    }
}

void end_saying_why() noexcept
{
    if (std::current_exception())
        log_bug("the relay ends: one of its threads");
    else
        spdlog::critical("the relay ends: nobody said why");
    spdlog::default_logger()->flush();
    std::abort();
}

} // namespace consortium::relay
