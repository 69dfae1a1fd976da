#pragma once
#include "consortium/common/ids.hpp"
#include "consortium/net/frame.hpp"
#include "consortium/net/http.hpp"
#include "limits.hpp"
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

namespace consortium::relay
{

/// What was made for the clients of each account and waits in memory until they take it: answers, updates, calls,
/// whatever carries them. A frame counts once, however many sockets it waits for. What is made for those who have not
/// signed in counts for the nil account. Thread-safe.
class output_budget
{
public:
    struct bounds
    {
        std::size_t account;
        std::size_t strangers;                               ///< all of them together
        std::size_t socket = limits::socket_queue_bytes_max; ///< of one socket, once its account's are used up
    };
    explicit output_budget(bounds most) : most_(most) {}

    std::size_t account_bytes_max() const noexcept { return most_.account; }
    /// What counts for it. Whoever makes something counts it there; may outlive this.
    std::shared_ptr<net::output_meter> of(account_id account);
    /// So much waits that nothing more should be made for this account.
    bool full(account_id account) const;
    /// So much one socket may leave untaken and stay: the less, the more its account leaves.
    std::size_t socket_bytes_max(account_id account) const;

    /// The same body; it counts until the last who holds it lets it go. nullopt: it finds no room.
    std::optional<net::http_body> count(account_id account, net::http_body body);

private:
    std::size_t waiting(account_id account) const;

    const bounds most_;
    mutable std::mutex guard_;
    std::unordered_map<account_id, std::weak_ptr<net::output_meter>> meters_;
    std::size_t sweep_at_ = 64;
};

} // namespace consortium::relay
