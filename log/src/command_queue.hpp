#pragma once
#include "consortium/log/domain.hpp"
#include <deque>
#include <memory>
#include <unordered_map>

namespace consortium::log
{

/// Commands that wait, bounded by count and bytes; accounts take turns. Not thread-safe.
class command_queue
{
public:
    struct bounds
    {
        std::size_t count_max = 0;
        std::size_t bytes_max = 0;
    };
    explicit command_queue(bounds limits) : limits_(limits) {}

    /// False: full. One account may fill half of the queue, so that a flood of one leaves room for others; an account
    /// of which nothing waits is let in up to a quarter above the bound, so that floods of many do too.
    bool push(std::shared_ptr<command> wanted);
    /// The oldest command of the account whose turn it is; nullptr when nothing waits.
    std::shared_ptr<command> pop();

    bool empty() const noexcept { return count_ == 0; }
    std::size_t count() const noexcept { return count_; }
    std::size_t size_bytes() const noexcept { return bytes_; }
    /// Above a quarter of a bound: senders should pause, what they have under way still fits. At half of that: go on.
    bool above_high_mark() const noexcept;
    bool below_low_mark() const noexcept;

private:
    struct waiting
    {
        std::shared_ptr<command> wanted;
        std::size_t size = 0;
    };
    struct share
    {
        std::deque<waiting> commands;
        std::size_t bytes = 0;
    };

    bounds limits_;
    std::unordered_map<account_id, share> shares_;
    std::deque<account_id> turns_;
    std::size_t count_ = 0;
    std::size_t bytes_ = 0;
};

} // namespace consortium::log
