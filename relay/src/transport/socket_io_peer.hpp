#pragma once
#include "consortium/protocol/socket_io_assembler.hpp"
#include "transport/engine_connection.hpp"
#include "transport/joined_socket.hpp"
#include <list>

namespace consortium::relay
{

/// The Socket.IO 5 end of one Engine.IO connection (https://socket.io/docs/v4/socket-io-protocol/): packets with their
/// attachments, the namespace `/` and who is let into it, acknowledgements.
///
/// Ownership: a part of its connection. The socket on it is its own until that leaves; a client may join again.
/// Threads: its connection's.
class socket_io_peer final : public engine_user
{
public:
    socket_io_peer(transport_context& context, engine_connection& carrier);

    void on_open() override;
    void on_message(std::string_view text) override;
    void on_binary(std::string bytes) override;
    void on_messages_given() override;
    void on_close(std::string_view reason) override;

    transport_context& context() noexcept { return context_; }
    engine_connection& carrier() noexcept { return carrier_; }
    /// A packet's text, and its attachments behind it.
    void send(std::string_view text, const attachments& bytes);
    /// Ends the socket; the connection goes on.
    void leave(std::string_view reason);
    /// The socket has paused reading, or resumed it.
    void look_at_pauses();

private:
    enum class state
    {
        outside, ///< of the namespace; not for long
        joining, ///< the rules think, or what came meanwhile is delivered: what comes now waits behind it
        inside,
        ended,
    };

    /// Keeps the connection, and so the peer.
    std::shared_ptr<socket_io_peer> shared() { return {carrier_.shared_from_this(), this}; }
    void malformed() { carrier_.fail("parse error"); }

    using whole_packet = protocol::socket_io::assembler::whole;
    /// What became of a message, which had so many bytes.
    void take(result<std::optional<whole_packet>> made, std::size_t bytes);
    void receive(whole_packet packet);
    void receive_connect(const protocol::socket_io::packet& packet);
    static asio::awaitable<void> join(std::shared_ptr<socket_io_peer> self, boost::json::object auth);
    static asio::awaitable<void> welcome(
        std::shared_ptr<socket_io_peer> self, std::shared_ptr<joined_socket> client,
        std::unique_ptr<socket_listener> listener);
    void turn_away(connect_refusal refusal);
    void deliver(const protocol::socket_io::packet& packet, attachments bytes);
    void deliver_event(const protocol::socket_io::packet& packet, arguments args);

    void give_time_to_join();
    void wait_for_connect();

    transport_context& context_;
    engine_connection& carrier_;
    state state_ = state::outside;
    std::shared_ptr<joined_socket> client_;
    protocol::socket_io::assembler parts_;
    /// For what waits in parts_.
    std::vector<std::shared_ptr<void>> rooms_;
    bool delivered_ = false; ///< an event went to the rules among the messages that are being given

    /// What came while it is joining.
    struct early_packet
    {
        std::string text;
        attachments bytes;

        std::size_t size() const;
    };
    std::list<early_packet> early_;
    std::size_t early_bytes_ = 0;
    asio::steady_timer resumed_;

    asio::steady_timer connect_limit_;
    asio::steady_timer::time_point connect_until_;
};

} // namespace consortium::relay
