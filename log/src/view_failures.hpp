#pragma once
#include "consortium/common/clock.hpp"
#include "consortium/common/error.hpp"
#include <filesystem>
#include <string>
#include <string_view>

namespace consortium::log
{

/// When which view table had to be made anew because it was damaged, in a file that outlives the process: a line
/// `<ms since the epoch> <table>` each, of the last day. Whoever has seen to the disk may remove it. Thread-safe, for
/// nothing is kept in memory.
class view_failures
{
public:
    explicit view_failures(std::filesystem::path file) : file_(std::move(file)) {}

    /// Notes one more. False: it is one too many, and the table must stay as it is.
    result<bool> add(std::string_view table, unix_millis now) const;
    /// What is said then, for the operator.
    static std::string refusal(std::string_view table);

private:
    std::filesystem::path file_;
};

} // namespace consortium::log
