#pragma once
#include "consortium/common/ids.hpp"
#include "consortium/net/frame.hpp"
#include "consortium/net/http.hpp"
#include <memory>

namespace consortium::relay
{

/// What was made for the clients of each account and waits in memory until they take it. A frame counts once, however
/// many sockets it waits for; what is small does not count, since the queues it waits in have bounds of their own.
/// Thread-safe. What it counted may outlive it.
class output_budget
{
public:
    explicit output_budget(std::size_t account_bytes_max);

    std::size_t account_bytes_max() const noexcept { return bytes_max_; }
    /// So much waits that nothing more should be made for this account.
    bool full(account_id account) const;

    /// The same frame or body; it counts until the last who holds it lets it go.
    net::shared_frame count(account_id account, net::shared_frame frame);
    net::http_body count(account_id account, net::http_body body);

private:
    struct table;

    const std::size_t bytes_max_;
    const std::shared_ptr<table> waiting_;
};

} // namespace consortium::relay
