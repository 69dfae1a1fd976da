#pragma once
#include <boost/json/object.hpp>
#include <string>
#include <string_view>

/// JSON of others handed on with the digits of its numbers as they were written: written anew they may differ. Blanks
/// go, and texts are spelt in the one way in which JSON.stringify spells them, so that a page can tell that it reads
/// all.
namespace consortium::agent
{

/// The member `name` of `text`, where `read` is what it says to the letter; else empty.
std::string raw_piece(std::string_view text, std::string_view name, const boost::json::value& read);
/// `raw`, or where that is empty the object as it is written here.
std::string piece_or(const std::string& raw, const boost::json::object& value);

/// The object with one more member, whose value is JSON already. Of two of one name the last counts.
std::string with_piece(const boost::json::object& object, std::string_view name, std::string_view value);
std::string with_piece(std::string object, std::string_view name, std::string_view value);

} // namespace consortium::agent
