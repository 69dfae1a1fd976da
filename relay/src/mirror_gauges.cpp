#include "mirror_gauges.hpp"

namespace consortium::relay
{

mirror_gauges read_mirror_gauges(const postgres::mirror& mirror)
{
    const auto is = mirror.status();
    mirror_gauges out;
    out.following = is.doing != postgres::mirror_status::phase::connecting;
    out.failing = !out.following && !is.last_error.empty();
    out.failures = is.failures;
    if (is.position)
    {
        out.position = is.position->value;
        out.lag_records = is.head.value - is.position->value;
    }
    if (is.lag)
        out.lag_seconds = std::chrono::duration<double>(*is.lag).count();
    return out;
}

} // namespace consortium::relay
