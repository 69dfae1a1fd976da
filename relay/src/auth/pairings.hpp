#pragma once
#include "consortium/common/clock.hpp"
#include "consortium/common/error.hpp"
#include "consortium/common/places.hpp"
#include "consortium/projections/commands.hpp"
#include "consortium/protocol/v1/requests.hpp"
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

/// Pairings under way (docs/protocol.md, "Pairing"): in memory, for one agent and the one device that answers it, each
/// step once and in this order. Only the confirmation is an event; it is another's business. Thread-safe.
namespace consortium::relay
{

enum class pairing_stage
{
    pending,
    answered,
    revealed,
    authorized,
    refused,
};

class pairing_book
{
public:
    struct settings
    {
        std::size_t pending_max;
        std::size_t pending_per_address_max; ///< that nobody has answered
        /// Hears when there were too many, whoever had to go.
        std::function<void(place_table::crowd, const std::string& address)> crowded = {};
    };
    pairing_book(const boot_clock& clock, settings bounds)
        : clock_(clock),
          crowded_(std::move(bounds.crowded)),
          places_({.all = bounds.pending_max, .each = bounds.pending_max, .strangers = bounds.pending_per_address_max})
    {
    }

    using link_key = x25519_public;

    // Steps. The same step again is success. errc::not_found: nothing under way with this key; errc::conflict: not now,
    // or not any more.

    /// errc::bad_request: no agent's, or the device did not sign it. errc::conflict: another one came first.
    /// errc::overloaded: too many are under way. One that nobody has answered makes room for a newer one, of the same
    /// address where those are too many: its agent asks again.
    result<void> request(const pairing_request& wanted, const std::string& address);
    result<void> answer(const link_key& key, const projections::principal& by, std::string response);
    /// errc::bad_request: not what the request committed to; the right one is still taken.
    result<void> reveal(const link_key& key, const byte_array<32>& nonce);
    /// errc::bad_request: not the device's word.
    result<void> refuse(const link_key& key, const ed25519_signature& by);
    /// errc::forbidden: another device of the account answered.
    result<void> refuse(const link_key& key, const projections::principal& by);

    /// The device that shall be added, if `by` answered and the digits can have been compared. While the confirmation
    /// is under way nobody refuses; end_confirmation() must follow.
    result<ed25519_public> begin_confirmation(const link_key& key, const projections::principal& by);
    void end_confirmation(const link_key& key, bool confirmed);

    /// What a status says.
    struct view
    {
        pairing_stage stage = pairing_stage::pending;
        pairing_request wanted;
        std::string response;
        byte_array<32> nonce{};
        account_id account; ///< from the answer on
    };
    /// Asking is what keeps an unanswered request alive. Empty: nothing under way.
    std::optional<view> poll(const link_key& key);

    /// What devices of a deleted account had answered.
    void forget(account_id account);

    std::size_t size() const;

private:
    using millis = std::chrono::milliseconds;
    struct entry
    {
        view shown;
        std::unique_ptr<place_table::place> place;
        device_id answered_by;
        std::size_t confirmations = 0; ///< under way
        millis ends_at{0};
    };
    using entries = std::map<link_key, entry>;

    /// What is under way with this key, after a sweep.
    entry* find(const link_key& key);
    result<entry*> find_answered(const link_key& key, const projections::principal& by);
    result<void> refuse(entry& known);
    void end_at(const link_key& key, entry& known, millis when);
    void sweep();
    void erase(entries::iterator gone);

    const boot_clock& clock_;
    const std::function<void(place_table::crowd, const std::string&)> crowded_;
    mutable std::mutex guard_;
    place_table places_;
    entries entries_;
    std::vector<link_key> must_go_; ///< while another one comes
    std::multimap<millis, link_key> by_end_;
};

} // namespace consortium::relay
