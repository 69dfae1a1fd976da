#pragma once
#include "consortium/common/clock.hpp"
#include "consortium/common/error.hpp"
#include "consortium/common/ids.hpp"
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

/// Which socket answers which RPC method. Pure; the calls themselves: api/rpc_events.
namespace consortium::relay
{

/// Names a connected socket in this process.
using connection_id = std::uint64_t;

struct rpc_settings
{
    std::size_t methods_per_socket_max;
    /// For how long after its socket was lost a method is worth waiting for.
    std::chrono::milliseconds remembered;
    std::size_t remembered_max = 16'384;
};

/// Per account: the newest live registrant of a method serves it; when it goes, the one before does. Not thread-safe.
class rpc_registry
{
public:
    explicit rpc_registry(const rpc_settings& settings) : settings_(settings) {}

    /// Registering again makes it the newest. errc::rate_limited: too many methods of one socket.
    result<void> add(account_id account, std::string_view method, connection_id socket);
    /// True if it was held.
    bool remove(account_id account, std::string_view method, connection_id socket);
    /// The socket is gone, and all it had registered.
    void drop(connection_id socket, unix_millis now);

    std::optional<connection_id> find(account_id account, std::string_view method) const;
    /// Its last socket was lost a short while ago: it may come back.
    bool was_lost_lately(account_id account, std::string_view method, unix_millis now) const;

    bool empty() const noexcept { return methods_.empty() && sockets_.empty(); }

private:
    using key = std::string;
    static key key_of(account_id account, std::string_view method);

    const rpc_settings settings_;
    std::unordered_map<key, std::vector<connection_id>> methods_; ///< the newest is last
    std::unordered_map<connection_id, std::vector<key>> sockets_;
    std::unordered_map<key, unix_millis> lost_at_;
};

} // namespace consortium::relay
