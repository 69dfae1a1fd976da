#pragma once
#include <string>

namespace consortium::log
{

/// Where what this process logs goes from here on: standard error, one line each. The message stands where `pattern`
/// (spdlog's) has `%*`; whoever's words it repeats, no control character of theirs comes out.
void log_to_stderr(const std::string& name, const std::string& pattern);

} // namespace consortium::log
