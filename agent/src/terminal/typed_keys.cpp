#include "terminal/typed_keys.hpp"
#include "terminal/terminal_limits.hpp"
#include <cstdlib>

namespace consortium::agent
{
namespace
{

constexpr unsigned key_ctrl = 4; // a modifier's bit, in what CSI carries less one (kitty's protocol, xterm)
constexpr std::size_t parameter_bytes_max = 64;

} // namespace

void typed_keys::clear() noexcept
{
    draft_ = false;
    counted_ = true;
    characters_ = 0;
    backslash_ = false;
    completes_ = false;
}

bool typed_keys::take(std::string_view bytes, clock::time_point now)
{
    key_ = false;
    // Escape by itself, or what only looks like the beginning of an answer (Alt-] does).
    if (state_ != state::ground && now - last_ > limits::terminal_answer_within)
    {
        if (state_ != state::escape)
            unknown_place();
        state_ = state::ground;
    }
    last_ = now;
    for (const char each : bytes)
    {
        const auto byte = static_cast<unsigned char>(each);
        switch (state_)
        {
        case state::ground:
            plain(byte);
            break;
        case state::escape:
            state_ = state::ground;
            if (byte == '[')
            {
                state_ = state::csi;
                parameters_.clear();
            }
            else if (byte == 'O')
                state_ = state::single_shift;
            else if (byte == ']' || byte == 'P' || byte == '_' || byte == '^' || byte == 'X')
                state_ = state::string;
            else if (byte == 0x1b)
                state_ = state::escape;
            else
                unknown_place(); // Alt and a key: a word is erased, a line begun, the cursor moved
            break;
        case state::csi:
            if (byte == 0x1b)
                state_ = state::escape;
            else if (byte >= 0x20 && byte <= 0x3f)
            {
                if (parameters_.size() < parameter_bytes_max)
                    parameters_ += each;
            }
            else
            {
                state_ = state::ground;
                csi(byte);
            }
            break;
        case state::single_shift:
            state_ = state::ground;
            parameters_.clear();
            if (byte == 'M') // of the keypad
                enter();
            else
                csi(byte); // arrows and function keys have the letters that they have there
            break;
        case state::mouse:
            if (--mouse_left_ == 0)
                state_ = state::ground;
            break;
        case state::string:
            if (byte == 0x07)
                state_ = state::ground;
            else if (byte == 0x1b)
                state_ = state::string_end;
            break;
        case state::string_end:
            state_ = byte == '\\' ? state::ground : state::string;
            break;
        }
    }
    if (state_ == state::escape)
        key_ = true; // Escape, unless the rest is still to come
    return key_;
}

void typed_keys::plain(unsigned char byte)
{
    if (byte == 0x1b)
    {
        state_ = state::escape;
        return;
    }
    key_ = true;
    if (pasting_)
    {
        text();
        completes_ = completes_ || byte == '@';
        return;
    }
    if (byte >= ' ' && byte != 0x7f)
    {
        if (byte < 0x80 || byte >= 0xc0) // the first of a character
            text();
        backslash_ = byte == '\\';
        completes_ = completes_ || byte == '@';
        return;
    }
    switch (byte)
    {
    case '\r':
        enter();
        break;
    case 0x03: // Ctrl-C
        clear();
        break;
    case 0x7f:
    case 0x08:
        backslash_ = false;
        if (counted_ && characters_ > 0 && --characters_ == 0)
            clear();
        break;
    case 0x15: // Ctrl-U: to the beginning of the line
        if (counted_)
            clear();
        else
            unknown_place();
        break;
    case 0x01: // Ctrl-A, B, E, F: elsewhere in it
    case 0x02:
    case 0x05:
    case 0x06:
        counted_ = false;
        break;
    case 0x04: // Ctrl-D, L, O, T, Z: the end, the screen, other views, suspended
    case 0x0c:
    case 0x0f:
    case 0x14:
    case 0x1a:
        break;
    default:
        unknown_place();
    }
}

/// Something was added that can be taken away again by Backspace.
void typed_keys::text()
{
    draft_ = true;
    ++characters_;
}

/// A key that may have brought something (the history does, a completion), or moved the cursor.
void typed_keys::unknown_place()
{
    key_ = true;
    draft_ = true;
    counted_ = false;
    backslash_ = false;
}

void typed_keys::enter()
{
    key_ = true;
    if (backslash_ || completes_)
        unknown_place();
    else
        clear();
}

void typed_keys::csi(unsigned char last)
{
    const std::string_view given = parameters_;
    switch (last)
    {
    case 'I': // focus
    case 'O':
    case 'R': // where the cursor is
    case 'c': // what the terminal is
    case 'n':
    case 't':
    case 'y':
        parameters_.clear();
        return;
    case 'M':
    case 'm':
        if (last == 'M' && given.empty())
        {
            state_ = state::mouse;
            mouse_left_ = 3;
        }
        return;
    case 'C': // to the right, to the left, to an end: nothing is added, but Backspace takes something else away
    case 'D':
    case 'F':
    case 'H':
        key_ = true;
        counted_ = false;
        return;
    case 'Z': // Shift-Tab: the mode
        key_ = true;
        return;
    case 'u':
        if (given.starts_with('?'))
            return; // how the keyboard speaks
        break;
    case '~':
        if (given == "200" || given == "201")
        {
            key_ = true;
            pasting_ = given == "200";
            counted_ = false;
            return;
        }
        if (!given.starts_with("27;"))
        {
            key_ = true;
            counted_ = false;
            return;
        }
        break;
    default:
        return unknown_place();
    }
    // A key by its number: kitty's CSI number:… ; modifiers:event u, xterm's CSI 27 ; modifiers ; number ~.
    const std::string text(given);
    const auto first = text.find(';');
    const auto second = first == std::string::npos ? first : text.find(';', first + 1);
    const auto number = [&](std::size_t at) -> unsigned
    { return at == std::string::npos ? 0 : static_cast<unsigned>(std::strtoul(text.c_str() + at, nullptr, 10)); };
    if (last == '~')
        return named(number(second == std::string::npos ? second : second + 1), number(first + 1));
    const auto event = text.find(':', first == std::string::npos ? text.size() : first);
    if (event != std::string::npos && number(event + 1) == 3)
        return; // released
    named(number(0), number(first == std::string::npos ? first : first + 1));
}

void typed_keys::named(unsigned code, unsigned modifiers)
{
    key_ = true;
    const unsigned held = modifiers == 0 ? 0 : modifiers - 1;
    const bool plain = (held & 0x3f) == 0; // the locks do not count
    if (code == 27 || code >= 57358)       // Escape, and kitty's own numbers: the locks, the modifiers, volume
        return;
    if (code == 13 && plain)
        return enter();
    if (code == 'c' && (held & 0x3f) == key_ctrl)
        return clear();
    unknown_place();
}

} // namespace consortium::agent
