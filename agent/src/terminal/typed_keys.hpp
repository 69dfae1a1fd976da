#pragma once
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

namespace consortium::agent
{

/// What the person's keys left in the program's input, as far as keys tell: when in doubt, a draft. A terminal says
/// much by itself on the same way (focus, the mouse, answers to a program's questions): those are no keys. Keeps none
/// of what is typed.
class typed_keys
{
public:
    using clock = std::chrono::steady_clock;

    /// What arrived in one piece. True when a key was among it.
    bool take(std::string_view bytes, clock::time_point now);
    /// Something may stand there that was not sent.
    bool draft() const noexcept { return draft_ || (state_ != state::ground && state_ != state::escape); }
    /// It was taken, or there is a new input.
    void clear() noexcept;

private:
    enum class state
    {
        ground,
        escape,
        csi,
        single_shift, ///< ESC O, one more byte
        mouse,        ///< three more bytes
        string,       ///< until BEL or ESC \.
        string_end,
    };

    void plain(unsigned char byte);
    void csi(unsigned char last);
    void named(unsigned code, unsigned modifiers);
    void text();
    void unknown_place();
    void enter();

    state state_ = state::ground;
    std::string parameters_;
    int mouse_left_ = 0;
    bool pasting_ = false;
    clock::time_point last_{};
    bool key_ = false; ///< in what is being taken

    bool draft_ = false;
    bool counted_ = true;        ///< `characters_` is all that stands there: nothing but characters and Backspace came
    std::size_t characters_ = 0; ///< since it was empty
    bool backslash_ = false;     ///< the last character was one: Enter behind it begins a line
    bool completes_ = false;     ///< an @ stands there: Enter may choose a file, and send nothing
};

} // namespace consortium::agent
