#include "auth/pairings.hpp"
#include "consortium/common/limits.hpp"
#include <algorithm>

namespace consortium::relay
{
namespace
{

constexpr unix_millis lifetime_ms = std::chrono::milliseconds(limits::pairing_lifetime).count();
constexpr unix_millis redelivery_ms = std::chrono::milliseconds(limits::pairing_redelivery).count();

} // namespace

void pairing_book::erase(std::map<byte_array<32>, entry>::iterator gone)
{
    if (const auto count = per_address_.find(gone->second.address); count != per_address_.end() && --count->second == 0)
        per_address_.erase(count);
    entries_.erase(gone);
}

void pairing_book::forget(const byte_array<32>& public_key)
{
    const std::lock_guard lock(guard_);
    const auto known = entries_.find(public_key);
    if (known == entries_.end())
        return;
    auto [at, end] = by_end_.equal_range(known->second.ends_at);
    at = std::find_if(at, end, [&](const auto& item) { return item.second == public_key; });
    CONSORTIUM_ASSERT(at != end);
    by_end_.erase(at);
    erase(known);
}

void pairing_book::sweep(unix_millis now)
{
    while (!by_end_.empty() && by_end_.begin()->first <= now)
    {
        const auto gone = entries_.find(by_end_.begin()->second);
        by_end_.erase(by_end_.begin());
        CONSORTIUM_ASSERT(gone != entries_.end());
        erase(gone);
    }
    while (!deliveries_by_end_.empty() && deliveries_by_end_.begin()->first <= now)
    {
        deliveries_.erase(deliveries_by_end_.begin()->second);
        deliveries_by_end_.erase(deliveries_by_end_.begin());
    }
}

result<void> pairing_book::announce(const protocol::v1::pairing_request& wanted, const std::string& address)
{
    const auto now = clock_.now();
    const std::lock_guard lock(guard_);
    sweep(now);
    if (const auto known = entries_.find(wanted.public_key); known != entries_.end())
    {
        const auto& first = known->second.wanted;
        if (first.device != wanted.device || first.mac != wanted.mac)
            return fail(errc::conflict, "another device asks with this key; start again with a new one");
        return {};
    }
    if (entries_.size() >= bounds_.pending_max)
        return fail(errc::overloaded, "too many pairing requests wait for an answer", std::chrono::seconds(30));
    if (const auto count = per_address_.find(address);
        !address.empty() && count != per_address_.end() && count->second >= bounds_.pending_per_address_max)
        return fail(errc::rate_limited, "too many pairing requests from this address wait", std::chrono::minutes(1));
    ++per_address_[address];
    const auto ends_at = now + lifetime_ms;
    entries_.emplace(wanted.public_key, entry{wanted, address, ends_at});
    by_end_.emplace(ends_at, wanted.public_key);
    return {};
}

std::optional<protocol::v1::pairing_request> pairing_book::find(const byte_array<32>& public_key) const
{
    const std::lock_guard lock(guard_);
    const auto known = entries_.find(public_key);
    if (known == entries_.end() || known->second.ends_at <= clock_.now())
        return std::nullopt;
    return known->second.wanted;
}

bool pairing_book::may_deliver(const byte_array<32>& public_key, unix_millis approved_at)
{
    const auto now = clock_.now();
    const auto forget_at = approved_at + lifetime_ms;
    if (now >= forget_at)
        return false;
    const std::lock_guard lock(guard_);
    sweep(now);
    const auto [known, first] = deliveries_.try_emplace(public_key, delivery{now, forget_at});
    if (first)
        deliveries_by_end_.emplace(forget_at, public_key);
    return now < known->second.first_at + redelivery_ms;
}

std::size_t pairing_book::pending() const
{
    const std::lock_guard lock(guard_);
    return entries_.size();
}

} // namespace consortium::relay
