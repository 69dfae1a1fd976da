#pragma once
#include "consortium/common/clock.hpp"
#include "consortium/common/error.hpp"
#include "consortium/protocol/v1/requests.hpp"
#include <map>
#include <mutex>
#include <optional>
#include <string>

/// Pairing requests that wait for their approval (docs/protocol.md, "Pairing"). Approvals are events of the log and
/// are not kept here; only when an answer was first fetched is. Thread-safe.
namespace consortium::relay
{

class pairing_book
{
public:
    struct settings
    {
        std::size_t pending_max;
        std::size_t pending_per_address_max;
    };
    pairing_book(const clock_source& clock, settings bounds) : clock_(clock), bounds_(bounds) {}

    /// The same request again is fine and does not prolong it. errc::conflict: the key was announced by another device;
    /// errc::rate_limited (from this address, unless it is empty), errc::overloaded: too many wait.
    result<void> announce(const protocol::v1::pairing_request& wanted, const std::string& address);

    /// Empty: never announced, or longer ago than limits::pairing_lifetime.
    std::optional<protocol::v1::pairing_request> find(const byte_array<32>& public_key) const;

    /// It was approved: the log knows it now, and when that account is deleted nobody shall find it here again.
    void forget(const byte_array<32>& public_key);

    /// Whether the answer that was approved at `approved_at` may still be fetched; the first time it may, the
    /// redelivery window begins.
    bool may_deliver(const byte_array<32>& public_key, unix_millis approved_at);

    std::size_t pending() const;

private:
    struct entry
    {
        protocol::v1::pairing_request wanted;
        std::string address;
        unix_millis ends_at = 0;
    };
    void sweep(unix_millis now);
    void erase(std::map<byte_array<32>, entry>::iterator gone);

    const clock_source& clock_;
    const settings bounds_;
    mutable std::mutex guard_;
    std::map<byte_array<32>, entry> entries_;
    std::map<std::string, std::size_t> per_address_;
    std::multimap<unix_millis, byte_array<32>> by_end_;
    struct delivery
    {
        unix_millis first_at = 0;
        unix_millis forget_at = 0;
    };
    std::map<byte_array<32>, delivery> deliveries_;
    std::multimap<unix_millis, byte_array<32>> deliveries_by_end_;
};

} // namespace consortium::relay
