#include "drivers/claude/file_pattern.hpp"
#include <string_view>

namespace consortium::agent::claude
{

std::string file_pattern(const std::string& path)
{
    std::string out = "/"; // two slashes begin an absolute path
    for (const char c : path)
    {
        if (std::string_view("\\*?[]!#").contains(c))
            out.push_back('\\');
        out.push_back(c);
    }
    return out;
}

} // namespace consortium::agent::claude
