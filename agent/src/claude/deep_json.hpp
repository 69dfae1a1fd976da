#pragma once
#include <boost/json/value.hpp>
#include <boost/system/error_code.hpp>
#include <string_view>

namespace consortium::agent::claude
{

/// JSON as Claude and its tools write it: nested deeper than ours, and now and then with half of a surrogate pair,
/// which becomes U+FFFD. A line that was dropped for it could be a question, and hold the turn up for ever.
boost::json::value parse_deep(std::string_view text, boost::system::error_code& problem);

} // namespace consortium::agent::claude
