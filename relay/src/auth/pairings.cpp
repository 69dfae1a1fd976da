#include "auth/pairings.hpp"
#include "consortium/common/limits.hpp"
#include <algorithm>
#include <utility>

namespace consortium::relay
{
namespace
{

std::unexpected<error> unknown()
{
    return fail(errc::not_found, "no pairing is under way with this key");
}

std::unexpected<error> ended()
{
    return fail(errc::conflict, "this pairing was refused; start again with a new link");
}

} // namespace

void pairing_book::erase(entries::iterator gone)
{
    auto [at, end] = by_end_.equal_range(gone->second.ends_at);
    at = std::find_if(at, end, [&](const auto& item) { return item.second == gone->first; });
    CONSORTIUM_ASSERT(at != end);
    by_end_.erase(at);
    entries_.erase(gone);
}

void pairing_book::sweep()
{
    const auto now = clock_.now().at;
    while (!by_end_.empty() && by_end_.begin()->first <= now)
        erase(entries_.find(by_end_.begin()->second));
}

void pairing_book::end_at(const link_key& key, entry& known, millis when)
{
    auto [at, end] = by_end_.equal_range(known.ends_at);
    at = std::find_if(at, end, [&](const auto& item) { return item.second == key; });
    CONSORTIUM_ASSERT(at != end);
    by_end_.erase(at);
    known.ends_at = when;
    by_end_.emplace(when, key);
}

pairing_book::entry* pairing_book::find(const link_key& key)
{
    sweep();
    const auto known = entries_.find(key);
    return known == entries_.end() ? nullptr : &known->second;
}

result<pairing_book::entry*> pairing_book::find_answered(const link_key& key, const projections::principal& by)
{
    auto* known = find(key);
    if (!known || known->shown.stage == pairing_stage::pending || known->shown.account != by.account)
        return unknown();
    if (known->answered_by != by.device)
        return fail(errc::forbidden, "another device answered this pairing");
    return known;
}

result<void> pairing_book::request(const pairing_request& wanted, const std::string& address)
{
    if (auto valid = check_pairing_request(wanted); !valid)
        return valid;
    const auto& key = wanted.public_key;
    const std::lock_guard lock(guard_);
    if (const auto* known = find(key))
    {
        if (known->shown.wanted != wanted)
            return fail(errc::conflict, "another request came first with this key; start again with a new link");
        return {};
    }
    auto [place, why] = places_.enter(address, [this, key] { must_go_.push_back(key); });
    for (const auto& gone : std::exchange(must_go_, {}))
        erase(entries_.find(gone));
    if (why != place_table::crowd::none && crowded_)
        crowded_(why, address);
    if (!place)
        return fail(errc::overloaded, "too many pairings are under way", std::chrono::seconds(30));
    auto& made = entries_[key];
    made.shown.wanted = wanted;
    made.place = std::move(place);
    made.ends_at = clock_.now().at + limits::pairing_unpolled;
    by_end_.emplace(made.ends_at, key);
    return {};
}

result<void> pairing_book::answer(const link_key& key, const projections::principal& by, std::string response)
{
    const std::lock_guard lock(guard_);
    auto* known = find(key);
    if (!known)
        return unknown();
    auto& shown = known->shown;
    if (shown.stage == pairing_stage::refused)
        return ended();
    if (shown.stage != pairing_stage::pending)
    {
        const bool same = shown.account == by.account && known->answered_by == by.device && shown.response == response;
        if (!same)
            return fail(errc::conflict, "answered by somebody else");
        return {};
    }
    shown.stage = pairing_stage::answered;
    shown.account = by.account;
    shown.response = std::move(response);
    known->answered_by = by.device;
    known->place->set_known();
    end_at(key, *known, clock_.now().at + limits::pairing_lifetime);
    return {};
}

result<void> pairing_book::reveal(const link_key& key, const byte_array<32>& nonce)
{
    const std::lock_guard lock(guard_);
    auto* known = find(key);
    if (!known)
        return unknown();
    auto& shown = known->shown;
    if (pairing_commit(key, shown.wanted.device, nonce) != shown.wanted.commit)
        return fail(errc::bad_request, "this is not what the request committed to");
    if (shown.stage == pairing_stage::refused)
        return ended();
    if (shown.stage == pairing_stage::pending)
        return fail(errc::conflict, "nobody has answered yet");
    if (shown.stage == pairing_stage::answered)
    {
        shown.stage = pairing_stage::revealed;
        shown.nonce = nonce;
    }
    return {};
}

result<void> pairing_book::refuse(entry& known)
{
    if (known.shown.stage == pairing_stage::authorized || known.confirmations > 0)
        return fail(errc::conflict, "this pairing was confirmed; revoke the device instead");
    known.shown.stage = pairing_stage::refused;
    return {};
}

result<void> pairing_book::refuse(const link_key& key, const ed25519_signature& by)
{
    const std::lock_guard lock(guard_);
    auto* known = find(key);
    if (!known)
        return unknown();
    const auto& wanted = known->shown.wanted;
    if (!is_pairing_refusal(wanted.device, pairing_transcript(wanted), by))
        return fail(errc::bad_request, "the device has not signed this refusal");
    return refuse(*known);
}

result<void> pairing_book::refuse(const link_key& key, const projections::principal& by)
{
    const std::lock_guard lock(guard_);
    auto known = find_answered(key, by);
    if (!known)
        return std::unexpected(known.error());
    return refuse(**known);
}

result<ed25519_public> pairing_book::begin_confirmation(const link_key& key, const projections::principal& by)
{
    const std::lock_guard lock(guard_);
    auto known = find_answered(key, by);
    if (!known)
        return std::unexpected(known.error());
    auto& one = **known;
    if (one.shown.stage == pairing_stage::refused)
        return ended();
    if (one.shown.stage == pairing_stage::answered)
        return fail(errc::conflict, "the agent has not revealed its part of the code yet");
    ++one.confirmations;
    return one.shown.wanted.device;
}

void pairing_book::end_confirmation(const link_key& key, bool confirmed)
{
    const std::lock_guard lock(guard_);
    // Its time may be over by now; the chain has the device all the same.
    const auto known = entries_.find(key);
    if (known == entries_.end() || known->second.confirmations == 0)
        return;
    --known->second.confirmations;
    if (confirmed)
        known->second.shown.stage = pairing_stage::authorized;
}

std::optional<pairing_book::view> pairing_book::poll(const link_key& key)
{
    const std::lock_guard lock(guard_);
    auto* known = find(key);
    if (!known)
        return std::nullopt;
    // From the answer on its time is set. So is that of a refusal before one.
    if (known->shown.stage == pairing_stage::pending)
        end_at(key, *known, clock_.now().at + limits::pairing_unpolled);
    return known->shown;
}

void pairing_book::forget(account_id account)
{
    const std::lock_guard lock(guard_);
    for (auto at = entries_.begin(); at != entries_.end();)
    {
        const auto next = std::next(at);
        if (at->second.shown.stage != pairing_stage::pending && at->second.shown.account == account)
            erase(at);
        at = next;
    }
}

std::size_t pairing_book::size() const
{
    const std::lock_guard lock(guard_);
    return entries_.size();
}

} // namespace consortium::relay
