#pragma once
#include "consortium/common/bytes.hpp"
#include "link/from_relay.hpp"
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

/// Device statements in JSON: lists of base64, on the wire and on disk.
namespace consortium::agent
{

boost::json::array write_statements(std::span<const bytes> statements);
/// Empty when it is no list of texts. One that is no base64 becomes an empty statement, which ends a chain.
std::optional<std::vector<bytes>> read_statements(const unchecked& from, std::string_view name = "statements");

} // namespace consortium::agent
