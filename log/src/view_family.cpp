#include "view_family.hpp"
#include "limits.hpp"

namespace consortium::log
{

void view_alarm::listen(listener to)
{
    const std::lock_guard lock(mutex_);
    to_ = std::move(to);
}

void view_alarm::raise(table_id table, const error& why)
{
    const std::lock_guard lock(mutex_);
    if (to_)
        to_(table, why);
}

void view_family::mark_broken(const error& why)
{
    {
        const std::lock_guard lock(mutex_);
        if (broken_)
            return;
        damage_ = why;
        refusal_ = told_ == broken_means::corrupt
                       ? error{errc::corrupt, "view table '" + name_ + "' is damaged: " + why.detail, {}}
                       : error{
                             errc::unavailable, "what this needs is damaged and being made anew from the log",
                             limits::view_retry};
        broken_.store(true, std::memory_order_release);
    }
    alarm_.raise(table_, why);
}

void view_family::fail(const error& why)
{
    mark_broken(why);
    refuse();
}

void view_family::give_up(const error& why)
{
    const std::lock_guard lock(mutex_);
    refusal_ = why;
}

error view_family::damage() const
{
    const std::lock_guard lock(mutex_);
    return damage_;
}

void view_family::refuse() const
{
    const std::lock_guard lock(mutex_);
    throw view_failure(refusal_);
}

} // namespace consortium::log
