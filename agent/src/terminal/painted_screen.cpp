#include "terminal/painted_screen.hpp"
#include "terminal/terminal_limits.hpp"
#include <algorithm>
#include <array>
#include <utility>

namespace consortium::agent
{
namespace
{

// Private modes that programs at a terminal turn on, and that a shell does not expect to be on: the mouse, focus,
// pastes, colour schemes (xterm's ctlseqs, "DEC Private Mode Set").
constexpr std::array<std::size_t, 14> known_modes{9,    1000, 1002, 1003, 1004, 1005, 1006,
                                                  1015, 1016, 1047, 1049, 2004, 2026, 2031};

struct span_of_characters
{
    char32_t first;
    char32_t last;
};
constexpr char32_t joiner = 0x200d;
constexpr std::array<span_of_characters, 6> without_width{
    {{0x0300, 0x036f}, {0x200b, 0x200f}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0x1f3fb, 0x1f3ff}, {0xe0100, 0xe01ef}}};
constexpr std::array<span_of_characters, 9> of_two_columns{
    {{0x1100, 0x115f},
     {0x2e80, 0xa4cf},
     {0xac00, 0xd7a3},
     {0xf900, 0xfaff},
     {0xfe30, 0xfe6f},
     {0xff00, 0xff60},
     {0xffe0, 0xffe6},
     {0x1f300, 0x1faff},
     {0x20000, 0x3fffd}}};

template <std::size_t Size>
bool among(char32_t character, const std::array<span_of_characters, Size>& spans)
{
    return character >= 0x300 &&
           std::ranges::any_of(
               spans, [=](const auto& each) { return character >= each.first && character <= each.last; });
}

/// It only changes the character before it. `last` is that, and then this one.
bool is_part_of(char32_t character, char32_t& last)
{
    const bool joined = std::exchange(last, character) == joiner;
    return joined || among(character, without_width);
}

bool is_space(char32_t character)
{
    return character <= ' ' || character == 0xa0 || character == 0x3000 || character == 0x7f;
}

/// Takes characters of UTF-8 byte by byte; what is none is left out.
class utf8_reader
{
public:
    utf8_reader(char32_t& pending, int& left) : pending_(pending), left_(left) {}
    /// True when `pending` is a whole character now.
    bool take(unsigned char byte)
    {
        if (byte < 0x80)
        {
            pending_ = byte;
            left_ = 0;
            return true;
        }
        if (byte < 0xc0)
        {
            if (left_ == 0)
                return false;
            pending_ = (pending_ << 6) | (byte & 0x3f);
            return --left_ == 0;
        }
        left_ = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
        pending_ = byte & (0x3fu >> left_);
        return false;
    }

private:
    char32_t& pending_;
    int& left_;
};

std::u32string without_spaces(std::string_view text)
{
    std::u32string out;
    char32_t pending = 0;
    int left = 0;
    char32_t last = 0;
    utf8_reader reader(pending, left);
    for (const char each : text)
    {
        if (reader.take(static_cast<unsigned char>(each)) && !is_part_of(pending, last) && !is_space(pending))
            out += pending;
    }
    return out;
}

} // namespace

void painted_screen::resize(std::size_t columns, std::size_t rows)
{
    columns_ = std::clamp<std::size_t>(columns, 1, limits::screen_columns_max);
    rows_ = std::clamp<std::size_t>(rows, 1, limits::screen_rows_max);
    cells_.assign(columns_ * rows_, U' ');
    row_ = std::min(row_, rows_ - 1);
    column_ = std::min(column_, columns_ - 1);
    saved_row_ = saved_column_ = 0;
    region_top_ = 0;
    region_end_ = rows_;
}

void painted_screen::paint(std::string_view bytes)
{
    for (const char each : bytes)
    {
        const auto byte = static_cast<unsigned char>(each);
        switch (state_)
        {
        case state::ground:
            if (byte < ' ' || byte == 0x7f)
                control(byte);
            else if (utf8_reader(pending_, pending_bytes_).take(byte))
                put(pending_);
            break;
        case state::escape:
            after_escape(byte);
            break;
        case state::charset:
            state_ = state::ground;
            break;
        case state::csi:
            if (byte == 0x1b)
                state_ = state::escape;
            else if (byte >= '0' && byte <= '9')
                parameters_.back() = std::min<std::size_t>(parameters_.back() * 10 + (byte - '0'), 9999);
            else if (byte == ';' || byte == ':')
            {
                if (parameters_.size() < limits::screen_parameters_max)
                    parameters_.push_back(0);
            }
            else if (byte >= '<' && byte <= '?')
                prefix_ = each;
            else if (byte >= 0x20 && byte <= 0x2f)
                foreign_ = true; // an intermediate: none of what is told apart here
            else if (byte >= 0x40 && byte <= 0x7e)
            {
                state_ = state::ground;
                if (!foreign_)
                    csi(byte);
            }
            else if (byte < ' ')
                control(byte);
            break;
        case state::string:
            if (byte == 0x07)
                state_ = state::ground;
            else if (byte == 0x1b)
                state_ = state::escape; // of its end, ESC \, or of something else
            break;
        }
    }
}

void painted_screen::control(unsigned char byte)
{
    pending_bytes_ = 0;
    switch (byte)
    {
    case 0x08:
        if (column_ > 0)
            --column_;
        break;
    case '\t':
        column_ = std::min((column_ / 8 + 1) * 8, columns_ - 1);
        break;
    case '\n':
    case 0x0b:
    case 0x0c:
        line_feed();
        break;
    case '\r':
        column_ = 0;
        break;
    case 0x1b:
        state_ = state::escape;
        break;
    default:
        break;
    }
}

void painted_screen::after_escape(unsigned char byte)
{
    state_ = state::ground;
    switch (byte)
    {
    case '[':
        state_ = state::csi;
        prefix_ = 0;
        foreign_ = false;
        parameters_.assign(1, 0);
        break;
    case ']':
    case 'P':
    case 'X':
    case '^':
    case '_':
        state_ = state::string;
        break;
    case '(':
    case ')':
    case '*':
    case '+':
    case '#':
    case ' ':
        state_ = state::charset;
        break;
    case '7':
        saved_row_ = row_;
        saved_column_ = column_;
        break;
    case '8':
        move_to(saved_row_, saved_column_);
        break;
    case 'D':
        line_feed();
        break;
    case 'E':
        column_ = 0;
        line_feed();
        break;
    case 'M':
        if (row_ == region_top_)
            scroll(region_top_, region_end_, -1);
        else if (row_ > 0)
            --row_;
        break;
    case 'c':
        *this = painted_screen(columns_, rows_);
        break;
    case 0x1b:
        state_ = state::escape;
        break;
    default:
        break;
    }
}

std::size_t painted_screen::parameter(std::size_t index, std::size_t otherwise) const
{
    return index < parameters_.size() && parameters_[index] != 0 ? parameters_[index] : otherwise;
}

void painted_screen::csi(unsigned char last)
{
    const auto count = parameter(0, 1);
    const auto at = row_ * columns_ + std::min(column_, columns_ - 1);
    const auto row_start = row_ * columns_;
    if (prefix_ == '?')
    {
        if (last == 'h' || last == 'l')
            private_mode(last == 'h');
        return;
    }
    if (prefix_ == '>' && last == 'u')
    {
        keyboard_levels_ = std::min<std::size_t>(keyboard_levels_ + 1, limits::keyboard_levels_max);
        return;
    }
    if (prefix_ == '<' && last == 'u')
    {
        keyboard_levels_ -= std::min(keyboard_levels_, count);
        return;
    }
    if (prefix_ == '>' && last == 'm')
    {
        if (parameters_.front() == 4)
            other_keys_ = parameter(1, 0) != 0;
        return;
    }
    if (prefix_ != 0)
        return;
    switch (last)
    {
    case 'A':
        row_ -= std::min(row_, count);
        break;
    case 'B':
    case 'e':
        move_to(row_ + count, column_);
        break;
    case 'C':
    case 'a':
        move_to(row_, column_ + count);
        break;
    case 'D':
        column_ -= std::min(column_, count);
        break;
    case 'E':
        move_to(row_ + count, 0);
        break;
    case 'F':
        move_to(row_ - std::min(row_, count), 0);
        break;
    case 'G':
    case '`':
        move_to(row_, count - 1);
        break;
    case 'd':
        move_to(count - 1, column_);
        break;
    case 'H':
    case 'f':
        move_to(count - 1, parameter(1, 1) - 1);
        break;
    case 'J':
        if (parameters_.front() == 0)
            erase(at, cells_.size());
        else if (parameters_.front() == 1)
            erase(0, at + 1);
        else
            erase(0, cells_.size());
        break;
    case 'K':
        if (parameters_.front() == 0)
            erase(at, row_start + columns_);
        else if (parameters_.front() == 1)
            erase(row_start, at + 1);
        else
            erase(row_start, row_start + columns_);
        break;
    case 'X':
        erase(at, std::min(at + count, row_start + columns_));
        break;
    case 'P':
    case '@':
    {
        const auto from = cells_.begin() + static_cast<std::ptrdiff_t>(at);
        const auto end = cells_.begin() + static_cast<std::ptrdiff_t>(row_start + columns_);
        const auto by = std::min(static_cast<std::ptrdiff_t>(count), end - from);
        if (last == 'P')
            std::fill(std::move(from + by, end, from), end, U' ');
        else
            std::fill(from, std::move_backward(from, end - by, end), U' ');
        break;
    }
    case 'L':
    case 'M':
        if (row_ >= region_top_ && row_ < region_end_)
            scroll(
                row_, region_end_,
                last == 'M' ? static_cast<std::ptrdiff_t>(count) : -static_cast<std::ptrdiff_t>(count));
        break;
    case 'S':
        scroll(region_top_, region_end_, static_cast<std::ptrdiff_t>(count));
        break;
    case 'T':
        scroll(region_top_, region_end_, -static_cast<std::ptrdiff_t>(count));
        break;
    case 'r':
    {
        const auto top = count - 1;
        const auto end = std::min(parameter(1, rows_), rows_);
        if (top + 1 < end)
        {
            region_top_ = top;
            region_end_ = end;
            move_to(0, 0);
        }
        break;
    }
    case 's':
        saved_row_ = row_;
        saved_column_ = column_;
        break;
    case 'u':
        move_to(saved_row_, saved_column_);
        break;
    default:
        break;
    }
}

void painted_screen::private_mode(bool on)
{
    for (const auto mode : parameters_)
    {
        if (mode == 25)
            cursor_hidden_ = !on;
        else if (mode == 7)
            wraps_ = on;
        else if (std::ranges::find(known_modes, mode) != known_modes.end())
        {
            if (on)
                modes_on_.insert(mode);
            else
                modes_on_.erase(mode);
        }
        if (mode == 1049 || mode == 1047)
            erase(0, cells_.size());
    }
}

void painted_screen::move_to(std::size_t row, std::size_t column)
{
    row_ = std::min(row, rows_ - 1);
    column_ = std::min(column, columns_ - 1);
}

void painted_screen::put(char32_t character)
{
    if (is_part_of(character, last_))
        return;
    const std::size_t width = among(character, of_two_columns) ? 2 : 1;
    if (column_ + width > columns_)
    {
        if (wraps_)
        {
            column_ = 0;
            line_feed();
        }
        else
            column_ = columns_ - std::min(columns_, width);
    }
    cells_[row_ * columns_ + column_] = character;
    if (width == 2 && column_ + 1 < columns_)
        cells_[row_ * columns_ + column_ + 1] = U' ';
    column_ = std::min(column_ + width, columns_);
}

void painted_screen::line_feed()
{
    if (row_ + 1 == region_end_)
        scroll(region_top_, region_end_, 1);
    else if (row_ + 1 < rows_)
        ++row_;
}

/// Up when `by` is positive.
void painted_screen::scroll(std::size_t from, std::size_t to, std::ptrdiff_t by)
{
    const auto first = cells_.begin() + static_cast<std::ptrdiff_t>(from * columns_);
    const auto end = cells_.begin() + static_cast<std::ptrdiff_t>(to * columns_);
    const auto cells = static_cast<std::ptrdiff_t>(columns_) * std::abs(by);
    const auto moved = std::min(cells, end - first);
    if (by > 0)
        std::fill(std::move(first + moved, end, first), end, U' ');
    else
        std::fill(first, std::move_backward(first, end - moved, end), U' ');
}

void painted_screen::erase(std::size_t from, std::size_t to)
{
    std::fill(
        cells_.begin() + static_cast<std::ptrdiff_t>(from), cells_.begin() + static_cast<std::ptrdiff_t>(to), U' ');
}

std::u32string painted_screen::before_cursor() const
{
    std::u32string out;
    const auto start = cells_.begin() + static_cast<std::ptrdiff_t>(row_ * columns_);
    std::copy_if(
        start, start + static_cast<std::ptrdiff_t>(std::min(column_, columns_)), std::back_inserter(out),
        [](char32_t each) { return !is_space(each); });
    return out;
}

std::string painted_screen::undo() const
{
    std::string out;
    for (std::size_t each = 0; each < keyboard_levels_; ++each)
        out += "\033[<u";
    if (other_keys_)
        out += "\033[>4m";
    for (const auto mode : modes_on_)
        out += "\033[?" + std::to_string(mode) + "l";
    if (!wraps_)
        out += "\033[?7h";
    if (cursor_hidden_)
        out += "\033[?25h";
    if (!out.empty())
        out += "\033[m";
    return out;
}

bool shows_pasted(
    const painted_screen& screen, const std::u32string& before, std::string_view pasted, std::string_view label)
{
    auto row = screen.before_cursor();
    if (row == before)
        return false;
    if (row.starts_with(before))
        row.erase(0, before.size());
    if (row.empty())
        return false;
    const auto wanted = without_spaces(pasted);
    return wanted.ends_with(row) || (!label.empty() && row.starts_with(without_spaces(label)));
}

} // namespace consortium::agent
