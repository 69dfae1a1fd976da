#include "screen.hpp"
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <sys/ioctl.h>
#include <unistd.h>

namespace consortium::agent
{
namespace
{

constexpr const char* dim = "\033[2m";
constexpr const char* bold = "\033[1m";
constexpr const char* plain = "\033[0m";
constexpr std::size_t what_columns = 9;

std::string clock_time()
{
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    localtime_r(&now, &parts);
    char out[16];
    std::strftime(out, sizeof out, "%H:%M:%S", &parts);
    return out;
}

std::size_t terminal_columns()
{
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40)
        return size.ws_col;
    return 100;
}

} // namespace

std::string printable(std::string_view text, std::size_t columns_max)
{
    std::string out;
    std::size_t columns = 0;
    bool space = false;
    for (std::size_t i = 0; i < text.size(); ++i)
    {
        const auto byte = static_cast<unsigned char>(text[i]);
        const bool continuation = (byte & 0xc0) == 0x80;
        // C0, DEL and (as 0xC2 0x80 to 0x9F) C1 control characters could drive the terminal.
        const bool c1 = byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
        if (byte <= 0x20 || byte == 0x7f || c1)
        {
            space = !out.empty();
            i += c1 ? 1 : 0;
            continue;
        }
        if (!continuation)
        {
            if (columns + (space ? 2 : 1) > columns_max)
                return out + "…";
            columns += space ? 2 : 1;
            if (space)
                out.push_back(' ');
            space = false;
        }
        out.push_back(text[i]);
    }
    return out;
}

screen::screen() : colours_(::isatty(STDOUT_FILENO) == 1), columns_(terminal_columns()) {}

void screen::line(std::string_view what, std::string_view about)
{
    auto name = std::string(what);
    name.resize(std::max(name.size(), what_columns), ' ');
    constexpr std::size_t before = 8 + 2 + what_columns + 1;
    const auto rest = printable(about, columns_ > before + 10 ? columns_ - before - 1 : 60);
    const auto time = clock_time();
    if (colours_) // from the left edge: the terminal may have echoed a ^C there
        std::printf("\r%s%s%s  %s %s\n", dim, time.c_str(), plain, name.c_str(), rest.c_str());
    else
        std::printf("%s  %s %s\n", time.c_str(), name.c_str(), rest.c_str());
    std::fflush(stdout);
}

void screen::text(std::string_view words)
{
    std::printf("%.*s\n", static_cast<int>(words.size()), words.data());
    std::fflush(stdout);
}

void screen::title(std::string_view words)
{
    if (colours_)
        std::printf("%s%.*s%s\n", bold, static_cast<int>(words.size()), words.data(), plain);
    else
        text(words);
    std::fflush(stdout);
}

} // namespace consortium::agent
