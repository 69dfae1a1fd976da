#pragma once
#include "consortium/log/event_log.hpp"
#include <chrono>
#include <thread>

namespace consortium::log::testing
{

/// Until every view table is served: those that are new or damaged are made beside the log that was opened.
inline void await_views(const event_log& log, const domain& rules)
{
    using namespace std::chrono_literals;
    const auto end = std::chrono::steady_clock::now() + 60s;
    for (table_id table = 0; table < rules.tables().size(); ++table)
        for (;;)
        {
            try
            {
                log.read()->scan(table, {}, {}, [](byte_view, byte_view) { return false; });
                break;
            }
            catch (const log_failure& failure)
            {
                if (failure.reason != errc::unavailable || std::chrono::steady_clock::now() > end)
                    throw;
                std::this_thread::sleep_for(2ms);
            }
        }
}

} // namespace consortium::log::testing
