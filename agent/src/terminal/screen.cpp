#include "terminal/screen.hpp"
#include "consortium/common/printable.hpp"
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
constexpr std::size_t detail_characters_max = 900;
constexpr std::size_t what_columns = 9;
constexpr std::size_t before_columns = 8 + 2 + what_columns + 1; ///< time and what it is

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

/// Columns that UTF-8 text takes, each character one.
std::size_t columns_of(std::string_view text)
{
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string break_line(std::string_view line, std::size_t columns)
{
    std::string out;
    std::size_t used = 0;
    while (!line.empty())
    {
        // A word with the spaces before it.
        const auto word_at = std::min(line.find_first_not_of(' '), line.size());
        const auto end = std::min(line.find(' ', word_at), line.size());
        const auto width = columns_of(line.substr(0, end));
        const bool fits = used + width <= columns;
        if (!fits && used > 0)
        {
            out += '\n';
            used = 0;
            line.remove_prefix(word_at);
            continue;
        }
        out += line.substr(0, end);
        used += width;
        line.remove_prefix(end);
    }
    return out;
}

} // namespace

own_text own_text::composed(std::string text)
{
    own_text out;
    out.text_ = std::move(text);
    return out;
}

own_text foreign(std::string_view text, std::size_t max)
{
    return own_text::composed(printable(text, max));
}

own_text detail_of(std::string_view detail)
{
    return foreign(detail, detail_characters_max);
}

std::string fitted(const own_text& words)
{
    if (::isatty(STDOUT_FILENO) != 1)
        return words.view();
    const auto columns = terminal_columns();
    std::string out;
    std::string_view rest = words.view();
    for (;;)
    {
        const auto end = rest.find('\n');
        out += break_line(rest.substr(0, end), columns);
        if (end == std::string_view::npos)
            return out;
        out += '\n';
        rest.remove_prefix(end + 1);
    }
}

screen::screen() : colours_(::isatty(STDOUT_FILENO) == 1), columns_(terminal_columns()) {}

std::size_t screen::columns_left() const
{
    return columns_ - before_columns - 1; // of 40 at least
}

void screen::line(std::string_view what, std::string_view about)
{
    auto words = printable(about, detail_characters_max);
    if (colours_)
    {
        words = break_line(words, columns_left());
        const std::string indent(before_columns, ' ');
        for (auto at = words.find('\n'); at != std::string::npos; at = words.find('\n', at + 1))
            words.insert(at + 1, indent);
    }
    print(what, words);
}

void screen::row(std::string_view what, std::string_view about)
{
    print(what, printable(about, columns_left()));
}

void screen::print(std::string_view what, const std::string& about)
{
    auto name = printable(what, what_columns);
    name.resize(std::max(name.size(), what_columns), ' ');
    const auto time = clock_time();
    wipe_question();
    if (colours_) // from the left edge: the terminal may have echoed a ^C there
        std::printf("\r%s%s%s  %s %s\n", dim, time.c_str(), plain, name.c_str(), about.c_str());
    else
        std::printf("%s  %s %s\n", time.c_str(), name.c_str(), about.c_str());
    show_question();
}

void screen::text(const own_text& words)
{
    wipe_question();
    std::printf("%s\n", fitted(words).c_str());
    show_question();
}

void screen::title(const own_text& words)
{
    wipe_question();
    if (colours_)
        std::printf("%s%s%s\n", bold, words.view().c_str(), plain);
    else
        std::printf("%s\n", words.view().c_str());
    show_question();
}

void screen::open_question(const own_text& words)
{
    question_ = words.view();
    show_question();
}

void screen::close_question()
{
    wipe_question();
    question_.clear();
    std::fflush(stdout);
}

void screen::wipe_question() const
{
    if (!question_.empty())
        std::fputs(colours_ ? "\r\033[K" : "\n", stdout);
}

void screen::show_question() const
{
    if (!question_.empty())
        std::printf("%s ", question_.c_str());
    std::fflush(stdout);
}

} // namespace consortium::agent
