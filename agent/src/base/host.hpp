#pragma once
#include <string>

namespace consortium::agent
{

/// What people call this machine.
std::string host_name();

} // namespace consortium::agent
