#pragma once
#include <string>
#include <string_view>

/// What happens inside, for whoever looks for a fault: a file, if one was asked for, else nothing. Never a payload, a
/// token or a key: numbers, ids and words of ours alone.
namespace consortium::agent::diagnostics
{

/// Appends to `file` from here on. False when it cannot be written.
bool open(const std::string& file);
void note(std::string_view what, std::string_view about = {});

} // namespace consortium::agent::diagnostics
