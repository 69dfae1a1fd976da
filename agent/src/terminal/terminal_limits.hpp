#pragma once
#include <chrono>
#include <cstddef>

/// Bounds of what is at the terminal.
namespace consortium::limits
{
using namespace std::chrono_literals;

inline constexpr std::size_t screen_columns_max = 1000;
inline constexpr std::size_t screen_rows_max = 1000;
inline constexpr std::size_t screen_parameters_max = 32; ///< of one sequence
inline constexpr std::size_t keyboard_levels_max = 16;
inline constexpr std::size_t terminal_piece_bytes = 64u << 10; ///< of what passes through at once, each way
inline constexpr std::size_t drained_bytes_max = 1u << 20;     ///< a PTY holds less by far
inline constexpr auto paste_shown_within = 3s;        ///< a program that does not show what was pasted has not taken it
inline constexpr auto escape_pause = 60ms;            ///< until then a program takes what follows as part of the key
inline constexpr auto terminal_answer_within = 500ms; ///< a terminal's answer to a question comes in one go
inline constexpr std::size_t held_lines_max = 200;    ///< printed once the terminal is ours again

} // namespace consortium::limits
