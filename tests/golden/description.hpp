#pragma once
#include "consortium/log/event_log.hpp"
#include <boost/json.hpp>

/// What a log says, in words that do not change with its format: what tests/golden/*/expected.json holds.
namespace consortium::golden
{

/// Every event as it is read, then everything the queries say of each account, one JSON value for each.
boost::json::array describe(const log::snapshot& at);

/// How many events of each type there are.
boost::json::object count_types(const log::snapshot& at);

/// The public halves of the keys that clients know the relay by.
boost::json::object describe(const log::relay_keys& keys);

} // namespace consortium::golden
