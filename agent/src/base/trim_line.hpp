#pragma once
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstddef>

namespace consortium::agent
{

/// Lines that would not fit into one message: their longest texts are cut and say so. Others stay to the letter.
void trim_line(boost::json::object& line);
/// Cuts every text in it that is longer, and says so there.
void cut_texts(boost::json::value& value, std::size_t text_bytes_max);

} // namespace consortium::agent
