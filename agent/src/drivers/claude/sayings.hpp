#pragma once
#include "drivers/driver.hpp"

namespace consortium::agent::claude
{

/// What this version understands of a line of Claude's, from its output or its record of the conversation.
std::vector<saying> sayings_of(const boost::json::object& line);

} // namespace consortium::agent::claude
