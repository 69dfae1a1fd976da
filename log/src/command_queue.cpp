#include "command_queue.hpp"
#include <algorithm>

namespace consortium::log
{

bool command_queue::push(std::shared_ptr<command> wanted)
{
    const auto account = wanted->account();
    const auto size = wanted->size();
    const auto found = shares_.find(account);
    if (found == shares_.end())
    {
        const auto before = is_large(size) ? bytes_ : small_bytes_;
        if (count_ >= limits_.count_max + limits_.count_max / 4 || before >= limits_.bytes_max + limits_.bytes_max / 4)
            return false;
    }
    else if (
        count_ >= limits_.count_max || bytes_ + size > limits_.bytes_max ||
        found->second.commands.size() >= (limits_.count_max + 1) / 2 || found->second.bytes > limits_.bytes_max / 2)
        return false;

    auto& own = found == shares_.end() ? shares_[account] : found->second;
    if (own.commands.empty())
        turns_.push_back(account);
    weigh(own, -1);
    own.commands.push_back({std::move(wanted), size});
    own.bytes += size;
    weigh(own, 1);
    bytes_ += size;
    small_bytes_ += is_large(size) ? 0 : size;
    ++count_;
    return true;
}

bool command_queue::fits(choice wanted, const share& own) const noexcept
{
    return wanted == choice::any || is_large(own.commands.front().size) == (wanted == choice::large);
}

bool command_queue::has(choice wanted) const noexcept
{
    switch (wanted)
    {
    case choice::any:
        return count_ > 0;
    case choice::small:
        return shares_.size() > large_heads_;
    case choice::large:
        return large_heads_ > 0;
    }
    return false;
}

std::shared_ptr<command> command_queue::pop(choice wanted)
{
    while (has(wanted))
    {
        const auto account = turns_.front();
        turns_.pop_front();
        const auto found = shares_.find(account);
        auto& own = found->second;
        const auto size = own.commands.front().size;
        if (fits(wanted, own))
        {
            // A turn is for one command; what it is not worth is paid by turns that are passed over.
            own.credit = std::min(own.credit + limits_.turn_bytes, std::max(size, limits_.turn_bytes));
            if (own.credit >= size || turns_.empty())
            {
                weigh(own, -1);
                own.credit -= std::min(own.credit, size);
                auto taken = std::move(own.commands.front().wanted);
                own.commands.pop_front();
                own.bytes -= size;
                weigh(own, 1);
                bytes_ -= size;
                small_bytes_ -= is_large(size) ? 0 : size;
                --count_;
                if (own.commands.empty())
                    shares_.erase(found);
                else
                    turns_.push_back(account);
                return taken;
            }
        }
        turns_.push_back(account);
    }
    return nullptr;
}

void command_queue::weigh(const share& own, int sign) noexcept
{
    const auto add = [sign](std::size_t& to, std::size_t what) { to = sign > 0 ? to + what : to - what; };
    add(marked_count_, std::min(own.commands.size(), limits_.count_max / 8));
    add(marked_bytes_, std::min(own.bytes, limits_.bytes_max / 8));
    add(large_heads_, !own.commands.empty() && is_large(own.commands.front().size) ? 1 : 0);
}

bool command_queue::above_high_mark() const noexcept
{
    return marked_count_ > limits_.count_max / 4 || marked_bytes_ > limits_.bytes_max / 4;
}
bool command_queue::below_low_mark() const noexcept
{
    return marked_count_ <= limits_.count_max / 8 && marked_bytes_ <= limits_.bytes_max / 8;
}

} // namespace consortium::log
