#pragma once
#include "connection.hpp"
#include <atomic>

namespace consortium::relay
{

/// What the relay does with connected sockets: sign-in, rooms and catch-up, events.
class socket_rules final : public socket_handler
{
public:
    explicit socket_rules(services& shared) : shared_(shared) {}

    asio::awaitable<connect_answer> on_connect(socket& client, boost::json::object auth) override;
    void on_bug(std::string_view what) override;

    /// On a network thread, for what on_connect() made there: stop or resume reading from it. Idempotent.
    static void hold(socket_listener& client, bool high);

private:
    services& shared_;
    std::atomic<connection_id> last_id_ = 0;
};

} // namespace consortium::relay
