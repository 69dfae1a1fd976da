#pragma once
#include "consortium/log/event_log.hpp"
#include <thread>

namespace consortium::log
{

/// What `query` finds, asked again while a view table that it reads is made anew (docs/architecture.md, "Views heal");
/// `waits` is called once, with why, before the first pause. For queries only: what a command is refused for may be a
/// full disk, which nobody waits for.
template <class Query, class Waits>
auto when_healed(const event_log& log, const Query& query, const Waits& waits)
{
    for (bool said = false;; said = true)
    {
        auto found = query(*log.read());
        if (found || found.error() != errc::unavailable || !found.error().retry)
            return found;
        if (!said)
            waits(found.error());
        std::this_thread::sleep_for(*found.error().retry);
    }
}

} // namespace consortium::log
