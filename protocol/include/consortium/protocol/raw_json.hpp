#pragma once
#include <optional>
#include <string_view>

namespace consortium::protocol
{

/// The bytes of a member of the object that `text` is, as they stand there, without blanks around them; of several of
/// that name the last, as readers take it. What must be handed on as it came, digits of numbers and all, is taken so.
/// Nothing where there is none. Sound for any text, but says something only of one that was read strictly
/// (json_text.hpp).
std::optional<std::string_view> raw_member(std::string_view text, std::string_view name);

} // namespace consortium::protocol
