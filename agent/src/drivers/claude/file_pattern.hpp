#pragma once
#include <string>

namespace consortium::agent::claude
{

/// An absolute path as the pattern of a permission rule (that of gitignore, docs/claude-code.md "Questions") in which
/// every character stands for itself: this file, or this folder with what is in it.
std::string file_pattern(const std::string& path);

} // namespace consortium::agent::claude
