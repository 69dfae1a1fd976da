#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>

/// Bounds that are the agent's alone; those that others know too stand in consortium/common/limits.hpp.
namespace consortium::limits
{
using namespace std::chrono_literals;

inline constexpr std::size_t grant_bytes_max = 4u << 10; ///< a permission update that is larger is not offered

// What is published stays below what a relay takes, whatever Claude calls things.
inline constexpr std::size_t ask_id_bytes_max = 256;
inline constexpr std::size_t field_text_bytes_max = 512; ///< a mode, a model, what runs in the background
inline constexpr std::size_t title_bytes_max = 4u << 10;
inline constexpr std::size_t path_bytes_max = 16u
                                              << 10; ///< Linux has paths of 4 KiB; a byte that is no text becomes three
inline constexpr std::size_t background_tasks_max = 32;       ///< more are counted
inline constexpr std::size_t metadata_bytes_max = 512u << 10; ///< with what others wrote into it

inline constexpr std::size_t unreadable_bytes_max = 16u << 10; ///< of a line that is shown as it is

// The question whether a folder is trusted: so much of each file, so many names of others out of so many that are
// looked at, and at the terminal so many lines of each.
inline constexpr std::size_t trust_file_bytes_max = 64u << 10;
inline constexpr std::uintmax_t trust_read_bytes_max = 16u << 20;
inline constexpr std::size_t trust_names_max = 100;
inline constexpr std::size_t trust_looked_at_max = 10'000;
inline constexpr std::size_t trust_lines_max = 40;
inline constexpr std::size_t trust_line_characters_max = 2000;

// Servers and plugins that nobody has decided about: more than so many are not asked about at a start, and do not run.
// Above so many bytes of names that must not run, none of the kind does. A plugin with more files, or larger ones, is
// not looked at, and does not run.
inline constexpr std::size_t brought_asked_max = 20;
inline constexpr std::size_t brought_off_bytes_max = 32u << 10;
inline constexpr std::size_t plugin_files_max = 20'000;
inline constexpr std::uintmax_t plugin_bytes_max = 256u << 20;

// Claude Code's own file of settings, and its lock.
inline constexpr std::size_t settings_depth_max = 200;
inline constexpr int settings_lock_tries = 50;
inline constexpr auto settings_lock_pause = 20ms;

// Of a conversation that is older than its session, as Claude's own record has it: what is shown.
inline constexpr std::size_t earlier_bytes_max = 2u << 20;
inline constexpr std::size_t earlier_lines_max = 1000;
inline constexpr std::size_t earlier_line_bytes_max = 64u << 10; ///< longer texts in it are cut
inline constexpr std::size_t earlier_text_bytes_max = 16u << 10;
inline constexpr std::size_t earlier_message_bytes_max = 256u << 10;

inline constexpr std::size_t command_bytes_max = 16u << 10; ///< the options that a session was started with

// What waits for the relay.
inline constexpr std::size_t spool_bytes_max = 256u << 20; ///< and as much again of what it will not take

// A message that the relay fails on, while it takes others: said, and then set aside.
inline constexpr int failures_said_after = 5;
inline constexpr int failures_borne = 20;
inline constexpr auto failures_borne_for = 15min;

// What a relay can bring about as often as it likes is told so many times at once, then once in a while.
inline constexpr std::size_t told_at_once_max = 64;
inline constexpr auto told_interval = 1min;
inline constexpr std::size_t told_remembered_max = 256; ///< these are not told again

} // namespace consortium::limits
