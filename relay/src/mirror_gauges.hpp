#pragma once
#include "consortium/postgres/mirror.hpp"
#include "metrics/gauges.hpp"

namespace consortium::relay
{

/// How far the mirror is behind the log, in records and in time.
mirror_gauges read_mirror_gauges(const postgres::mirror& mirror);

} // namespace consortium::relay
