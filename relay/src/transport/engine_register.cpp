#include "transport/engine_register.hpp"
#include <utility>

namespace consortium::relay
{

void engine_register::add(std::string sid, std::shared_ptr<engine_connection> connection)
{
    const std::lock_guard lock(guard_);
    entries_.emplace(std::move(sid), entry{std::move(connection), carrier::polling});
    ++polling_count_;
}

void engine_register::upgraded(const std::string& sid)
{
    const std::lock_guard lock(guard_);
    const auto found = entries_.find(sid);
    if (found != entries_.end() && std::exchange(found->second.carried_by, carrier::websocket) == carrier::polling)
        --polling_count_;
}

void engine_register::remove(const std::string& sid)
{
    // The connection may end with its entry, and ends outside the lock.
    decltype(entries_)::node_type removed;
    const std::lock_guard lock(guard_);
    removed = entries_.extract(sid);
    if (removed && removed.mapped().carried_by == carrier::polling)
        --polling_count_;
}

void engine_register::clear()
{
    decltype(entries_) removed;
    const std::lock_guard lock(guard_);
    removed.swap(entries_);
    polling_count_ = 0;
}

std::optional<engine_register::entry> engine_register::find(std::string_view sid) const
{
    const std::lock_guard lock(guard_);
    const auto found = entries_.find(std::string(sid));
    return found == entries_.end() ? std::nullopt : std::optional(found->second);
}

std::size_t engine_register::polling_count() const
{
    const std::lock_guard lock(guard_);
    return polling_count_;
}

} // namespace consortium::relay
