#pragma once
#include "consortium/log/event_log.hpp"
#include "recent_events.hpp"
#include <functional>

namespace consortium::log
{

/// event_log::follow(). `read` gives the log as it is; it and `recent` must outlive the feed.
result<std::unique_ptr<event_feed>>
make_feed(recent_events& recent, std::function<std::unique_ptr<snapshot>()> read, lsn after);

} // namespace consortium::log
