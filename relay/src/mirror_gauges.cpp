#include "mirror_gauges.hpp"
#include <algorithm>

namespace consortium::relay
{

mirror_gauges
read_mirror_gauges(const postgres::mirror& mirror, const log::event_log& source, const clock_source& clock)
{
    using phase = postgres::mirror_status::phase;
    const auto is = mirror.status();
    mirror_gauges out;
    out.following = is.doing != phase::connecting;
    out.failing = !out.following && !is.last_error.empty();
    out.failures = is.failures;
    if (!out.following && is.position.value == 0)
        return out;
    const auto at = source.read();
    const auto head = std::max(at->head(), is.position);
    out.position = is.position.value;
    out.lag_records = head.value - is.position.value;
    if (out.lag_records > 0)
        if (const auto first = at->read(is.position.next()))
            out.lag_seconds = static_cast<double>(std::max<unix_millis>(clock.now() - first->header.time, 0)) / 1000;
    return out;
}

} // namespace consortium::relay
