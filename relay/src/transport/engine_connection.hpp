#pragma once
#include "consortium/net/http_server.hpp"
#include "consortium/protocol/engine_io.hpp"
#include "transport/context.hpp"
#include "transport/heartbeat.hpp"
#include "transport/polling.hpp"
#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <span>
#include <string>

namespace consortium::relay
{

/// What an Engine.IO connection carries messages for. Called on the connection's thread.
class engine_user
{
public:
    virtual ~engine_user() = default;

    virtual void on_open() = 0;
    /// Strictly in the order of arrival; nothing comes while reading is held, or after on_close().
    virtual void on_message(std::string_view text) = 0;
    virtual void on_binary(std::string bytes) = 0;
    /// All messages that arrived together have been given; what was sent meanwhile goes out after this.
    virtual void on_messages_given() = 0;
    /// Once, and nothing after it.
    virtual void on_close(std::string_view reason) = 0;
};

/// One Engine.IO 4 connection (https://socket.io/docs/v4/engine-io-protocol/): polling, WebSocket, the upgrade from one
/// to the other, heartbeat, close. What its messages say is its user's affair.
///
/// Ownership: whatever carries it at the moment holds it, its requests and its WebSocket, and so does the register as
/// long as it can be asked for by its sid. It owns its user, which lives as long.
/// Threads: it belongs to one network thread and is used there alone, but for what says otherwise.
class engine_connection : public std::enable_shared_from_this<engine_connection>
{
public:
    using carrier = engine_register::carrier;

    engine_connection(transport_context& context, std::size_t thread, std::string remote_address, carrier first);
    ~engine_connection();
    /// Before anything else.
    void serve(std::unique_ptr<engine_user> user) { user_ = std::move(user); }
    /// Its place among the polling ones, which it gives up when it polls no more.
    void hold(std::unique_ptr<place_table::place> place) { place_ = std::move(place); }

    // From any thread.
    const std::string& sid() const noexcept { return sid_; }
    std::size_t thread() const noexcept { return thread_; }
    const std::string& remote_address() const noexcept { return remote_address_; }
    const asio::any_io_executor& executor() const noexcept { return executor_; }
    /// Whose it is; nil until it has signed in.
    account_id owner() const noexcept { return known_.load(std::memory_order_acquire) ? owner_ : account_id{}; }

    /// The answer to the request that opens it by polling.
    net::http_response open_by_polling();
    /// A poll, and a body that a polling client sends.
    static asio::awaitable<net::http_response> poll(std::shared_ptr<engine_connection> self);
    /// Who polled went before it had the answer, and with it what that held: nothing can follow. From any thread.
    static void poll_was_lost(const std::weak_ptr<engine_connection>& of);
    static asio::awaitable<net::http_response> receive(std::shared_ptr<engine_connection> self, std::string body);
    /// Is carried by the WebSocket until that ends; where it polls, the WebSocket has to win it first.
    static asio::awaitable<void>
    run(std::shared_ptr<engine_connection> self, std::shared_ptr<net::websocket> connection);

    bool is_open() const noexcept { return state_ < state::leaving; }
    /// Queues a packet, its Engine.IO type included. Ignored once it is closed.
    void send(net::shared_frame packet);
    void send(std::string_view packet);
    /// Queues a message of bytes.
    void send_binary(std::string_view bytes);
    void flush();
    /// Bytes queued and not yet taken by the operating system (or, when polling, by the client).
    std::size_t queued_bytes() const noexcept;

    /// Room for so much of what it sent and that is kept for a while; nullptr: there is none.
    std::shared_ptr<void> input_room(std::size_t bytes) const;

    /// Stops giving messages: the client is held back, and its heartbeat's deadline stands still.
    void hold_reading(bool hold);
    /// The bounds for strangers end.
    void become_known(account_id owner);

    /// For a reason of the relay's: what is queued is still tried, and the client told.
    void close(std::string_view reason, net::close_code code = net::close_code::going_away);
    /// For something that the client did, or is: it is a stranger from here on.
    void fail(std::string_view reason, net::close_code code = net::close_code::protocol_error);

private:
    enum class state
    {
        polling,   ///< carried by requests
        probing,   ///< the same, and a WebSocket has come to take over
        upgrading, ///< the same, and it was told that it may: polls are answered at once
        websocket, ///< carried by a WebSocket
        leaving,   ///< closed while it was carried by requests: its next poll, or the end of its upgrade, says so
        closed,
    };

    void begin();
    /// A bug ends this connection alone.
    template <class Task>
    void contain_here(std::string_view name, Task&& task);

    static asio::awaitable<net::http_response> take(std::shared_ptr<engine_connection> self, std::string body);
    static asio::awaitable<void>
    carry(std::shared_ptr<engine_connection> self, std::shared_ptr<net::websocket> connection);
    using messages = std::span<const net::websocket_message>;
    /// Engine.IO's upgrade. True when the WebSocket carries the connection: then `rest` is what came with its last
    /// word.
    static asio::awaitable<bool>
    upgrade(std::shared_ptr<engine_connection> self, std::shared_ptr<net::websocket> connection, messages& rest);
    void take_over(std::shared_ptr<net::websocket> connection);
    void give_up_upgrade();

    static asio::awaitable<void> give(std::shared_ptr<engine_connection> self, messages batch);
    /// Waits while reading is held.
    static asio::awaitable<void> until_readable(std::shared_ptr<engine_connection> self);
    void receive_packet(const protocol::engine_io::packet& packet);
    void all_given();

    void queued(std::size_t added);
    enum class farewell
    {
        none,
        said, ///< to the next poll
    };
    void end(std::string_view reason, net::close_code code, std::string_view last_packet, farewell how);
    void forget();

    transport_context& context_;
    const std::size_t thread_;
    const asio::any_io_executor executor_;
    const std::string sid_;
    const std::string remote_address_;
    std::unique_ptr<engine_user> user_;
    std::unique_ptr<place_table::place> place_;
    account_id owner_;
    net::known_peer peer_;
    std::atomic<bool> known_ = false; ///< owner_ is set

    state state_;
    std::string close_reason_;
    poll_queue polls_;
    bool posting_ = false; ///< a body is being taken; only one at a time is
    std::shared_ptr<net::websocket> websocket_;
    std::shared_ptr<net::websocket> challenger_; ///< wants to take over
    asio::steady_timer upgrade_limit_;
    asio::steady_timer farewell_limit_;
    heartbeat heartbeat_;

    bool giving_ = false;       ///< messages that came together are being given
    bool flush_posted_ = false; ///< at the end of this turn
    bool reading_held_ = false;
    asio::steady_timer readable_signal_;
};

} // namespace consortium::relay
