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

    asio::awaitable<result<void>> on_connect(socket& client, boost::json::object auth) override;
    void on_connected(socket& client) override;
    void on_event(socket& client, std::string_view name, boost::json::array args, ack reply) override;
    void on_events_delivered(socket& client) override;
    void on_disconnect(socket& client, std::string_view reason) override;
    void on_bug(std::string_view what) override;

    /// On a network thread, for one of its sockets: stop or resume reading from it. Idempotent.
    static void hold(socket& client, bool high);

private:
    /// What a socket carries from sign-in to its end.
    struct attached;
    static std::shared_ptr<attached> of(socket& client);

    /// Makes its connection and joins it; none: it has no place here any more.
    void settle_in(socket& client, attached& state);
    result<void>
    check_scope(socket& client, const projections::principal& who, const protocol::v1::handshake_request& asked);

    services& shared_;
    std::atomic<connection_id> last_id_ = 0;
};

} // namespace consortium::relay
