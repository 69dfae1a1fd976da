#pragma once
#include <boost/json/object.hpp>

namespace consortium::agent
{

/// Lines that would not fit into one message: their longest texts are cut and say so. Others stay to the letter.
void trim_line(boost::json::object& line);

} // namespace consortium::agent
