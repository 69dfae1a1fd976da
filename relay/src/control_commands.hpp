#pragma once
#include "control_server.hpp"

namespace consortium::log
{
class event_log;
}

namespace consortium::relay
{

/// What consortium-admin may ask of a running relay. `log` must outlive them.
control_commands make_control_commands(log::event_log& log);

} // namespace consortium::relay
