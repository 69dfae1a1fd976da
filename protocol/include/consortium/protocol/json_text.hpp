#pragma once
#include "consortium/common/error.hpp"
#include <boost/json/value.hpp>
#include <cstddef>
#include <string_view>

namespace consortium::protocol
{

/// What JSON from outside may hold. A text of a few bytes a value would cost many times its size once it is read.
inline constexpr std::size_t json_values_max = 65'536; ///< values and names
inline constexpr std::size_t json_depth_max = 32;

struct json_bounds
{
    std::size_t values_max = json_values_max;
    std::size_t depth_max = json_depth_max;
};
/// Those of the whole process, where a call names none: a program's flags, set before anything is read.
void bound_json(const json_bounds& most);

/// The one reader of JSON from outside; refuses while it reads. No number is infinite. Errors: errc::bad_request,
/// errc::too_large (too many values).
result<boost::json::value> parse_json(std::string_view text);
result<boost::json::value> parse_json(std::string_view text, const json_bounds& bounds);

} // namespace consortium::protocol
