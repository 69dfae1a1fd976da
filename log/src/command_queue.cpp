#include "command_queue.hpp"

namespace consortium::log
{

bool command_queue::push(std::shared_ptr<command> wanted)
{
    const auto account = wanted->account();
    const auto size = wanted->size();
    const auto found = shares_.find(account);
    if (found == shares_.end())
    {
        if (count_ >= limits_.count_max + limits_.count_max / 4 || bytes_ >= limits_.bytes_max + limits_.bytes_max / 4)
            return false;
    }
    else if (
        count_ >= limits_.count_max || bytes_ + size > limits_.bytes_max ||
        found->second.commands.size() >= (limits_.count_max + 1) / 2 || found->second.bytes > limits_.bytes_max / 2)
        return false;

    auto& own = found == shares_.end() ? shares_[account] : found->second;
    if (own.commands.empty())
        turns_.push_back(account);
    own.commands.push_back({std::move(wanted), size});
    own.bytes += size;
    bytes_ += size;
    ++count_;
    return true;
}

std::shared_ptr<command> command_queue::pop()
{
    if (turns_.empty())
        return nullptr;
    const auto account = turns_.front();
    turns_.pop_front();
    const auto found = shares_.find(account);
    auto taken = std::move(found->second.commands.front());
    found->second.commands.pop_front();
    found->second.bytes -= taken.size;
    bytes_ -= taken.size;
    --count_;
    if (found->second.commands.empty())
        shares_.erase(found);
    else
        turns_.push_back(account);
    return std::move(taken.wanted);
}

bool command_queue::above_high_mark() const noexcept
{
    return count_ > limits_.count_max / 4 || bytes_ > limits_.bytes_max / 4;
}
bool command_queue::below_low_mark() const noexcept
{
    return count_ <= limits_.count_max / 8 && bytes_ <= limits_.bytes_max / 8;
}

} // namespace consortium::log
