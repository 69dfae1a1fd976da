#pragma once
#include "consortium/common/error.hpp"
#include <chrono>
#include <cstdint>
#include <string>

/// What every command says alike.
namespace consortium::admin
{

/// How the program ends; scripts rely on it (--help names them).
enum class exit_code
{
    sound = 0,
    findings = 1,
    usage = 2,
    unreadable = 3,
};

/// "1,234,567"
std::string number_text(std::uint64_t number);
/// "1 record", "2 records"
std::string count_text(std::uint64_t number, std::string_view what);
/// "912 bytes", "41.2 MiB"
std::string size_text(std::uint64_t bytes);
/// "8 ms", "1.8 s", "4 min 10 s"
std::string time_text(std::chrono::nanoseconds time);
/// Milliseconds since the epoch as "2026-11-23 10:00:00 UTC"
std::string utc_text(std::int64_t ms);

/// Prints why a command could not do its work: to standard error, or as JSON to standard output.
void print_error(const error& why, bool json);

} // namespace consortium::admin
