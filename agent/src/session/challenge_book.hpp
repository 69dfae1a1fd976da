#pragma once
#include "consortium/common/clock.hpp"
#include <deque>
#include <optional>
#include <string>

namespace consortium::agent
{

/// The challenges that this process gave out: each is good for one call, and soon (docs/protocol.md 5.2). Nobody else
/// knows them, so a call that carries one is for this process and was made after it was asked for.
class challenge_book
{
public:
    explicit challenge_book(const boot_clock& clock) : clock_(clock) {}

    /// A new one; where too many are open the oldest is void.
    std::string issue();
    /// Good once. The moment until which its call may be carried out; empty: unknown, used or too old.
    std::optional<std::chrono::milliseconds> strike_off(const std::string& challenge);

    std::size_t open_count() const noexcept { return open_.size(); }

private:
    struct entry
    {
        std::string challenge;
        std::chrono::milliseconds until;
    };
    const boot_clock& clock_;
    std::deque<entry> open_; ///< the oldest first
};

} // namespace consortium::agent
