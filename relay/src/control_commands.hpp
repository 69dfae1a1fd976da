#pragma once
#include "control_server.hpp"

namespace consortium::log
{
class event_log;
}

namespace consortium::relay
{

/// What consortium-admin may ask of a running relay. `log` must outlive them. `invite` makes an invitation of the
/// relay's own and returns what the answer says of it.
control_commands make_control_commands(log::event_log& log, std::function<result<boost::json::object>()> invite);

} // namespace consortium::relay
