#pragma once
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace consortium::agent
{

/// What a program has painted on its terminal, as far as we must know it: whether what was pasted stands in front of
/// the cursor, and what is to be undone once it is gone. It is never logged or sent. Any bytes are good, in any pieces;
/// what is not understood changes nothing.
class painted_screen
{
public:
    painted_screen(std::size_t columns, std::size_t rows) { resize(columns, rows); }

    /// Everything on it is forgotten: a program paints anew.
    void resize(std::size_t columns, std::size_t rows);
    void paint(std::string_view bytes);

    /// The row of the cursor from its beginning to the cursor, without spaces.
    std::u32string before_cursor() const;
    /// It takes bracketed pastes.
    bool takes_pastes() const { return modes_on_.contains(2004); }
    /// What sets the terminal right if the program is gone now; empty when it did so itself.
    std::string undo() const;

private:
    enum class state
    {
        ground,
        escape,
        charset, ///< one more byte
        csi,
        string, ///< until BEL or ESC
    };

    void control(unsigned char byte);
    void after_escape(unsigned char byte);
    void csi(unsigned char last);
    void private_mode(bool on);
    void put(char32_t character);
    void line_feed();
    void scroll(std::size_t from, std::size_t to, std::ptrdiff_t by);
    void erase(std::size_t from, std::size_t to);
    std::size_t parameter(std::size_t index, std::size_t otherwise) const;
    void move_to(std::size_t row, std::size_t column);

    std::size_t columns_ = 0;
    std::size_t rows_ = 0;
    std::vector<char32_t> cells_;
    std::size_t row_ = 0;
    std::size_t column_ = 0; ///< may be columns_: the next character wraps
    std::size_t saved_row_ = 0;
    std::size_t saved_column_ = 0;
    std::size_t region_top_ = 0;
    std::size_t region_end_ = 0;

    state state_ = state::ground;
    char prefix_ = 0; ///< of a CSI: one of ?<=>
    bool foreign_ = false;
    std::vector<std::size_t> parameters_;
    char32_t pending_ = 0; ///< of a character of UTF-8, so far
    int pending_bytes_ = 0;
    char32_t last_ = 0; ///< character

    std::set<std::size_t> modes_on_; ///< private ones that begin as off
    bool cursor_hidden_ = false;
    bool wraps_ = true;
    std::size_t keyboard_levels_ = 0; ///< of kitty's protocol
    bool other_keys_ = false;         ///< xterm's modifyOtherKeys
};

/// Whether `pasted` stands in the input that the cursor is in, of which `before` stood in front of it until then: all
/// of it, or on the row of the cursor the rest of it, or instead of it a label that begins with `label`.
bool shows_pasted(
    const painted_screen& screen, const std::u32string& before, std::string_view pasted, std::string_view label);

} // namespace consortium::agent
