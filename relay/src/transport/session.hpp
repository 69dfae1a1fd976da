#pragma once
#include "consortium/net/http_server.hpp"
#include "consortium/protocol/engine_io.hpp"
#include "consortium/protocol/socket_io.hpp"
#include "contain.hpp"
#include "transport/socket.hpp"
#include "transport/socket_server.hpp"
#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace consortium::relay
{

class session;

/// What all sessions share.
struct transport_context
{
    net::http_server& server;
    socket_handler& rules;
    socket_server_options options;
    /// The sessions of each network thread; touched on that thread alone.
    std::vector<std::unordered_set<session*>> by_thread;
    /// Polling sessions can be looked for by requests of any thread: takes one out of the register.
    std::function<void(const std::string& sid)> forget;
    std::atomic<std::size_t> session_count = 0;
    std::atomic<std::size_t> socket_count = 0;
};

class socket_impl;

/// One Engine.IO session, and the Socket.IO client on it. Everything on the session's thread.
class session : public std::enable_shared_from_this<session>
{
public:
    session(transport_context& context, std::size_t thread, std::string remote_address, bool polling);
    /// Of a polling session, before it opens.
    void hold(std::unique_ptr<place_table::place> place) { place_ = std::move(place); }
    ~session();

    const std::string& sid() const noexcept { return sid_; }
    std::size_t thread() const noexcept { return thread_; }
    const std::string& remote_address() const noexcept { return remote_address_; }
    const asio::any_io_executor& executor() const noexcept { return executor_; }
    bool is_open() const noexcept { return !closed_; }
    /// Whose it is; nil until it has signed in. From any thread.
    account_id owner() const noexcept { return known_.load(std::memory_order_acquire) ? owner_ : account_id{}; }
    transport_context& context() noexcept { return context_; }
    const std::shared_ptr<socket_impl>& client() const noexcept { return client_; }

    /// The answer to the request that opens a polling session.
    net::http_response open_by_polling();

    /// Carries the session, or first probes to do so, until the WebSocket ends.
    static asio::awaitable<void> run(std::shared_ptr<session> self, std::shared_ptr<net::websocket> connection);
    /// A polling GET and POST.
    static asio::awaitable<net::http_response> poll(std::shared_ptr<session> self);
    static asio::awaitable<net::http_response> receive(std::shared_ptr<session> self, std::string body);

    void send(net::shared_frame message);
    void send(std::string_view message);
    void flush();
    std::size_t queued_bytes() const noexcept;
    void pause();
    void resume();

    /// Ends the session for good; the rules hear of it at the end of the thread's turn.
    void close(std::string_view reason, net::close_code code = net::close_code::going_away);
    /// Ends only the Socket.IO socket.
    void leave_name_space(std::string_view reason);

private:
    /// Queues the open packet and starts the clocks.
    void start();
    static asio::awaitable<void> carry(std::shared_ptr<session> self, std::shared_ptr<net::websocket> connection);
    static asio::awaitable<net::http_response> take(std::shared_ptr<session> self, std::string body);
    /// A bug ends this session alone.
    template <class Task>
    void contain_here(std::string_view name, Task&& task)
    {
        contain(name, std::forward<Task>(task), [this] { close("internal error", net::close_code::internal_error); });
    }

    enum class carrier
    {
        polling,
        websocket,
    };
    struct poll_packet
    {
        std::string own;
        net::shared_frame shared;

        std::string_view text() const noexcept { return shared ? shared->payload() : std::string_view(own); }
    };

    /// True when the WebSocket may go on.
    bool probe(net::websocket& connection, std::string_view packet);
    void take_over(std::shared_ptr<net::websocket> connection);
    void receive_packet(const protocol::engine_io::packet& packet);
    void receive_message(std::string_view text);
    void receive_connect(const protocol::socket_io::packet& packet);
    void deliver(const protocol::socket_io::packet& packet);
    void deliver_event(const protocol::socket_io::packet& packet);
    /// Waits while reading is paused, or while too much waits for `40`.
    static asio::awaitable<void> until_readable(std::shared_ptr<session> self);
    static asio::awaitable<void> connect(std::shared_ptr<session> self, boost::json::object auth);
    static asio::awaitable<void> welcome(std::shared_ptr<session> self, std::shared_ptr<socket_impl> client);
    void turn_away(socket_impl& client, const error& reason);
    void batch_ended();
    void changed();
    void wake_poll();
    net::http_response take_payload();
    void schedule_heartbeat(std::chrono::milliseconds after);
    void heartbeat();
    void arm_connect_timeout();
    void wait_for_connect();
    void become_known(account_id owner);

    transport_context& context_;
    std::size_t thread_;
    asio::any_io_executor executor_;
    std::string sid_;
    std::string remote_address_;
    std::unique_ptr<place_table::place> place_;
    account_id owner_;
    std::atomic<bool> known_ = false; ///< owner_ is set
    bool closed_ = false;
    std::string close_reason_;

    carrier carrier_;
    std::shared_ptr<net::websocket> websocket_;
    std::shared_ptr<net::websocket> probing_;
    bool probed_ = false;

    // Polling.
    std::vector<poll_packet> waiting_;
    std::size_t waiting_bytes_ = 0;
    bool poll_pending_ = false;
    bool post_pending_ = false;
    asio::steady_timer poll_signal_;
    asio::steady_timer upgrade_limit_;

    bool in_batch_ = false;
    bool delivered_ = false; ///< an event went to the rules in this batch
    bool dirty_ = false;
    bool flush_posted_ = false;

    int pauses_ = 0;
    asio::steady_timer readable_signal_;

    asio::steady_timer heartbeat_timer_;
    std::uint64_t heartbeat_turn_ = 0;
    bool awaiting_pong_ = false;

    asio::steady_timer connect_limit_;
    asio::steady_timer::time_point connect_until_;
    std::shared_ptr<socket_impl> client_;
    bool connecting_ = false;
    std::list<std::string> early_;
    std::size_t early_bytes_ = 0;
};

/// The socket that the rules see.
class socket_impl final : public socket
{
public:
    explicit socket_impl(const std::shared_ptr<session>& on);
    ~socket_impl() override;

    const std::string& id() const noexcept override { return id_; }
    std::size_t thread() const noexcept override { return thread_; }
    const std::string& remote_address() const noexcept override { return remote_address_; }
    asio::any_io_executor executor() const override { return executor_; }
    bool is_open() const noexcept override { return state_ != state::closed; }
    void emit(net::shared_frame encoded) override;
    void emit(std::string_view name, const boost::json::value& arg) override;
    void emit_with_ack(
        std::string_view name, const boost::json::value& arg, std::chrono::milliseconds timeout,
        answer_callback answered) override;
    void flush() override;
    std::size_t queued_bytes() const noexcept override;
    void pause_reading() override;
    void resume_reading() override;
    void close_transport(std::string_view reason) override;
    void disconnect() override;
    void answer(std::uint64_t id, boost::json::array args) override;
    void answer(net::shared_frame encoded) override;

    /// The rules said yes: `40`, then what was emitted before.
    void opened();
    void answered(std::uint64_t id, boost::json::array args);
    /// No output from now on. The rules are told by finish_closing(), in a turn of its own.
    void begin_closing() { state_ = state::closed; }
    void finish_closing(std::string_view reason);

private:
    enum class state
    {
        connecting,
        open,
        closed,
    };
    struct awaited
    {
        answer_callback answered;
        std::unique_ptr<asio::steady_timer> limit;
    };

    void settle(std::uint64_t id, result<boost::json::array> with);

    std::weak_ptr<session> session_;
    transport_context& context_;
    std::string id_;
    std::size_t thread_;
    std::string remote_address_;
    asio::any_io_executor executor_;
    state state_ = state::connecting;

    std::vector<net::shared_frame> held_;
    std::uint64_t next_ack_ = 0;
    std::unordered_map<std::uint64_t, awaited> awaited_;
};

/// 20 characters that cannot be guessed.
std::string make_sid();
/// The answers of polling requests carry the headers that browsers of other origins need.
net::http_response polling_response(unsigned status, std::string_view content_type, std::string body);
/// Engine.IO's own error bodies.
net::http_response engine_error(int code);

} // namespace consortium::relay
