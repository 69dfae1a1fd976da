#pragma once
#include "consortium/log/domain.hpp"
#include <deque>
#include <memory>
#include <unordered_map>

namespace consortium::log
{

/// Commands that wait, bounded by count and bytes; accounts take turns, by count and by bytes. Not thread-safe.
class command_queue
{
public:
    struct bounds
    {
        std::size_t count_max = 0;
        std::size_t bytes_max = 0;
        /// What a turn is worth: who writes more at a time comes less often.
        std::size_t turn_bytes = 64u << 10;
        /// Above it a command is large: sealing and writing it takes as long as many others.
        std::size_t large_bytes = 256u << 10;
    };
    explicit command_queue(bounds limits) : limits_(limits) {}

    /// False: full. One account may fill half of the queue, so that a flood of one leaves room for others; an account
    /// of which nothing waits is let in up to a quarter above the bound, so that floods of many do too. Large commands
    /// take no room from small ones.
    bool push(std::shared_ptr<command> wanted);

    enum class choice
    {
        any,
        small,
        large,
    };
    bool is_large(std::size_t size) const noexcept { return size > limits_.large_bytes; }
    /// Whether some account's oldest command is such a one.
    bool has(choice wanted) const noexcept;
    /// The oldest command of the account whose turn it is, of those where it is such a one; nullptr: there is none.
    std::shared_ptr<command> pop(choice wanted = choice::any);

    bool empty() const noexcept { return count_ == 0; }
    std::size_t count() const noexcept { return count_; }
    std::size_t size_bytes() const noexcept { return bytes_; }
    /// Above a quarter of a bound: senders should pause, what they have under way still fits. At half of that: go on.
    /// An account counts for an eighth of the bound at most: a flood of one does not hold back the others.
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
        std::size_t credit = 0; ///< bytes, from its turns
    };

    bool fits(choice wanted, const share& own) const noexcept;
    /// Adds (1) or takes away (-1) what an account counts for in the marks and among the oldest commands.
    void weigh(const share& own, int sign) noexcept;

    bounds limits_;
    std::unordered_map<account_id, share> shares_;
    std::deque<account_id> turns_;
    std::size_t count_ = 0;
    std::size_t bytes_ = 0;
    std::size_t small_bytes_ = 0;
    std::size_t large_heads_ = 0; ///< accounts whose oldest command is large
    // As the marks count.
    std::size_t marked_count_ = 0;
    std::size_t marked_bytes_ = 0;
};

} // namespace consortium::log
