#include "byte_budget.hpp"

namespace consortium::relay
{

result<byte_budget::held> byte_budget::take(const std::string& of, std::size_t bytes)
{
    if (bytes == 0)
        return held();
    const std::lock_guard lock(guard_);
    if (bytes > most_.all - all_)
        return fail(errc::overloaded, "too much is being received at once; wait a little", std::chrono::seconds(2));
    if (of.empty())
    {
        all_ += bytes;
        return held(*this, of, bytes);
    }
    auto& own = each_[of];
    if (own >= most_.each || bytes > most_.each - own)
    {
        if (own == 0)
            each_.erase(of);
        return fail(
            errc::overloaded, "too much is being received from here at once; wait a little", std::chrono::seconds(1));
    }
    all_ += bytes;
    own += bytes;
    return held(*this, of, bytes);
}

void byte_budget::give_back(const std::string& of, std::size_t bytes)
{
    const std::lock_guard lock(guard_);
    all_ -= bytes;
    if (of.empty())
        return;
    const auto known = each_.find(of);
    known->second -= bytes;
    if (known->second == 0)
        each_.erase(known);
}

std::size_t byte_budget::taken() const
{
    const std::lock_guard lock(guard_);
    return all_;
}

} // namespace consortium::relay
