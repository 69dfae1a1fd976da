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
    std::size_t values = json_values_max;
    std::size_t depth = json_depth_max;
};
/// For the whole process, before anything is read: a program's flags. By default the two above.
void bound_json(json_bounds most);

/// The one reader of JSON from outside; refuses while it reads. No number is infinite. Errors: errc::bad_request,
/// errc::too_large (too many values).
result<boost::json::value> parse_json(std::string_view text);

} // namespace consortium::protocol
