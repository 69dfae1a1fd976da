#pragma once
#include "consortium/common/clock.hpp"
#include <string>
#include <string_view>

namespace consortium::agent
{

/// Text of others, safe to print: control characters are left out, line breaks become spaces, what is too long is cut.
std::string printable(std::string_view text, std::size_t columns_max);

/// Plain lines on the terminal: when, what, about what.
class screen
{
public:
    screen();
    /// "14:02:31  prompt     Fix the test". `about` is made printable.
    void line(std::string_view what, std::string_view about);
    /// Text of ours, as it is.
    void text(std::string_view words);
    void title(std::string_view words);

private:
    bool colours_;
    std::size_t columns_;
};

} // namespace consortium::agent
