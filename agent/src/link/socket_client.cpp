#include "link/socket_client.hpp"
#include "consortium/net/websocket_client.hpp"
#include "consortium/protocol/engine_io.hpp"
#include "consortium/protocol/limits.hpp"
#include "consortium/protocol/socket_io_assembler.hpp"
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>
#include <unordered_map>
#include <utility>

namespace consortium::agent
{
namespace engine_io = protocol::engine_io;
namespace socket_io = protocol::socket_io;
namespace json = boost::json;
namespace
{
using clock = std::chrono::steady_clock;

/// What `44` said.
relay_failure refusal(const socket_io::packet& packet)
{
    auto said = socket_io::parse_object(packet);
    if (said)
    {
        // The words stand beside the rest of the form.
        json::object whole;
        if (const auto* data = said->if_contains("data"); data != nullptr && data->is_object())
            whole = data->get_object();
        if (const auto* words = said->if_contains("message"))
            whole["message"] = *words;
        if (auto out = relay_failure::parse_refusal(unchecked(std::move(whole)), "message"))
            return std::move(*out);
    }
    return relay_failure::not_reached({errc::unavailable, "the connection was refused in an unknown form", {}});
}

error protocol_violation(std::string detail)
{
    return {errc::corrupt, "the server broke the protocol: " + std::move(detail), {}};
}

std::unexpected<relay_failure> not_ours(std::string detail)
{
    return std::unexpected(relay_failure::not_reached(protocol_violation(std::move(detail))));
}

class socket_client_impl final : public socket_client, public std::enable_shared_from_this<socket_client_impl>
{
public:
    socket_client_impl(std::shared_ptr<net::client_websocket> connection, handlers on)
        : connection_(std::move(connection)),
          on_(std::make_shared<handlers>(std::move(on))),
          executor_(connection_->executor()),
          watchdog_(executor_)
    {
    }
    ~socket_client_impl() override
    {
        if (open_)
            close();
    }

    /// Reads up to `40{sid}`.
    asio::awaitable<relay_answer<void>> join(json::object auth);
    static asio::awaitable<void>
    run(std::weak_ptr<socket_client_impl> client, std::shared_ptr<net::client_websocket> connection);

    const std::string& sid() const noexcept override { return sid_; }
    bool is_open() const noexcept override { return open_; }
    void emit(std::string_view name, const json::array& args) override;
    asio::awaitable<result<json::array>>
    emit_with_ack(std::string name, json::array args, std::chrono::milliseconds timeout) override;
    void emit_with_ack(
        std::string_view name, const json::array& args, std::chrono::milliseconds timeout,
        std::function<void(result<json::array>)> answered) override;
    std::size_t queued_bytes() const noexcept override { return open_ ? connection_->queued_bytes() : 0; }
    void close() override;

private:
    struct awaited
    {
        std::function<void(result<json::array>)> answered;
        std::unique_ptr<asio::steady_timer> limit;
    };

    /// One packet before `40{sid}`; empty while there is nothing to say yet.
    std::optional<relay_answer<void>> greet(std::string_view text, const json::object& auth);
    void receive(std::string_view text);
    void receive_whole(const result<std::optional<socket_io::assembler::whole>>& message);
    void receive_message(const socket_io::packet& packet);
    void receive_event(const socket_io::packet& packet);
    void settle(std::uint64_t id, result<json::array> with);
    void heard() { last_heard_ = clock::now(); }
    void watch();
    /// The connection is over, not by close().
    void end(error reason);
    void give_up_waiting();

    std::shared_ptr<net::client_websocket> connection_;
    /// Shared, so that a handler may end the connection from within.
    std::shared_ptr<handlers> on_;
    asio::any_io_executor executor_;
    asio::steady_timer watchdog_;
    std::chrono::milliseconds silence_max_{0};
    clock::time_point last_heard_;
    socket_io::assembler parts_{limits::binary_packet_bytes_max};
    std::string sid_;
    bool open_ = true;
    bool joined_ = false;
    std::uint64_t next_ack_ = 0;
    std::unordered_map<std::uint64_t, awaited> awaited_;
};

asio::awaitable<relay_answer<void>> socket_client_impl::join(json::object auth)
{
    while (true)
    {
        const auto message = co_await connection_->read();
        if (!message)
            co_return std::unexpected(relay_failure::not_reached(message.error()));
        heard();
        if (auto outcome = greet(message->payload, auth))
            co_return std::move(*outcome);
    }
}

std::optional<relay_answer<void>> socket_client_impl::greet(std::string_view text, const json::object& auth)
{
    const auto packet = engine_io::parse(text);
    if (!packet)
        return not_ours("not an Engine.IO server: " + packet.error().detail);
    if (silence_max_.count() == 0)
    {
        const auto hello = engine_io::parse_handshake(packet->data);
        if (packet->type != engine_io::packet_type::open || !hello)
            return not_ours("not an Engine.IO server");
        silence_max_ = std::max(hello->ping_interval + hello->ping_timeout, std::chrono::milliseconds(1));
        connection_->send(socket_io::message_connect(auth));
        return {};
    }
    if (packet->type == engine_io::packet_type::ping)
        connection_->send("3");
    if (packet->type != engine_io::packet_type::message)
        return {};
    const auto message = socket_io::parse(packet->data);
    if (!message)
        return not_ours(message.error().detail);
    if (message->type == socket_io::packet_type::connect_error)
        return std::unexpected(refusal(*message));
    if (message->type != socket_io::packet_type::connect)
        return not_ours("a packet before the answer to connect");
    const auto said = socket_io::parse_object(*message);
    const auto* sid = said ? said->if_contains("sid") : nullptr;
    if (sid == nullptr || !sid->is_string())
        return not_ours("no sid");
    sid_ = std::string_view(sid->get_string());
    joined_ = true;
    watch();
    return relay_answer<void>{};
}

asio::awaitable<void>
socket_client_impl::run(std::weak_ptr<socket_client_impl> client, std::shared_ptr<net::client_websocket> connection)
{
    while (true)
    {
        // The client is not kept alive by its own reading.
        const auto message = co_await connection->read();
        const auto self = client.lock();
        if (!self || !self->open_)
            co_return;
        if (!message)
        {
            self->end(message.error());
            co_return;
        }
        self->heard();
        if (message->what == net::websocket_message::kind::binary)
            self->receive_whole(self->parts_.take_attachment(std::string(message->payload)));
        else
            self->receive(message->payload);
    }
}

void socket_client_impl::receive(std::string_view text)
{
    const auto packet = engine_io::parse(text);
    if (!packet)
    {
        end(protocol_violation(packet.error().detail));
        return;
    }
    switch (packet->type)
    {
    case engine_io::packet_type::ping:
        connection_->send("3");
        break;
    case engine_io::packet_type::close:
        end({errc::closed, "the server closed the connection", {}});
        break;
    case engine_io::packet_type::message:
        receive_whole(parts_.take(packet->data));
        break;
    case engine_io::packet_type::binary:
    case engine_io::packet_type::open:
    case engine_io::packet_type::pong:
    case engine_io::packet_type::upgrade:
    case engine_io::packet_type::noop:
        break;
    }
}

void socket_client_impl::receive_whole(const result<std::optional<socket_io::assembler::whole>>& message)
{
    if (!message)
        end(protocol_violation(message.error().detail));
    // Nothing here takes bytes: whoever gets an argument finds a placeholder, which is not what it asked for.
    else if (*message)
        receive_message((*message)->head);
}

void socket_client_impl::receive_message(const socket_io::packet& packet)
{
    if (packet.name_space != "/")
        return;
    switch (packet.type)
    {
    case socket_io::packet_type::event:
    case socket_io::packet_type::binary_event:
        receive_event(packet);
        break;
    case socket_io::packet_type::ack:
    case socket_io::packet_type::binary_ack:
        if (auto args = socket_io::parse_args(packet))
            settle(*packet.id, std::move(*args));
        else
            end(protocol_violation(args.error().detail));
        break;
    case socket_io::packet_type::disconnect:
        end({errc::forbidden, "the server ended the connection for good", {}});
        break;
    case socket_io::packet_type::connect_error:
        end(refusal(packet));
        break;
    case socket_io::packet_type::connect:
        break;
    }
}

void socket_client_impl::receive_event(const socket_io::packet& packet)
{
    auto event = socket_io::parse_event(packet);
    if (!event)
    {
        end(protocol_violation(event.error().detail));
        return;
    }
    const auto on = on_;
    if (!on || !on->on_event)
        return;
    answer reply;
    if (packet.id)
    {
        reply = [weak = weak_from_this(), id = *packet.id,
                 answered = std::make_shared<bool>(false)](const json::array& args)
        {
            const auto self = weak.lock();
            if (!std::exchange(*answered, true) && self && self->open_)
                self->connection_->send(socket_io::message_ack(id, args));
        };
    }
    on->on_event(event->name, event->args, std::move(reply));
}

void socket_client_impl::emit(std::string_view name, const json::array& args)
{
    if (open_)
        connection_->send(socket_io::message_event_args(name, args));
}

void socket_client_impl::emit_with_ack(
    std::string_view name, const json::array& args, std::chrono::milliseconds timeout,
    std::function<void(result<json::array>)> answered)
{
    if (!open_)
    {
        asio::post(
            executor_, [answered = std::move(answered)] { answered(fail(errc::closed, "the connection is closed")); });
        return;
    }
    const auto id = next_ack_++;
    auto limit = std::make_unique<asio::steady_timer>(executor_, timeout);
    limit->async_wait(
        [weak = weak_from_this(), id](const boost::system::error_code& cancelled)
        {
            if (const auto self = weak.lock(); self && !cancelled)
                self->settle(id, fail(errc::timeout, "the server did not answer in time"));
        });
    awaited_.emplace(id, awaited{std::move(answered), std::move(limit)});
    connection_->send(socket_io::message_event_args(name, args, id));
}

asio::awaitable<result<json::array>>
socket_client_impl::emit_with_ack(std::string name, json::array args, std::chrono::milliseconds timeout)
{
    struct waiting
    {
        asio::steady_timer signal;
        std::optional<result<json::array>> outcome;
    };
    const auto state = std::make_shared<waiting>(
        waiting{asio::steady_timer(executor_, asio::steady_timer::time_point::max()), std::nullopt});
    emit_with_ack(
        name, args, timeout,
        [state](result<json::array> outcome)
        {
            state->outcome = std::move(outcome);
            state->signal.cancel();
        });
    // From here on this object may be gone.
    if (!state->outcome)
        co_await state->signal.async_wait(asio::as_tuple(asio::use_awaitable));
    if (!state->outcome)
        co_return fail(errc::cancelled, "given up waiting for the answer");
    co_return std::move(*state->outcome);
}

void socket_client_impl::settle(std::uint64_t id, result<json::array> with)
{
    if (auto found = awaited_.extract(id))
        found.mapped().answered(std::move(with));
}

void socket_client_impl::give_up_waiting()
{
    for (auto& [id, each] : std::exchange(awaited_, {}))
        asio::post(
            executor_, [answered = std::move(each.answered)]
            { answered(fail(errc::closed, "the connection ended before the server answered")); });
}

void socket_client_impl::watch()
{
    watchdog_.expires_at(last_heard_ + silence_max_);
    watchdog_.async_wait(
        [weak = weak_from_this()](const boost::system::error_code& cancelled)
        {
            const auto self = weak.lock();
            if (!self || cancelled || !self->open_)
                return;
            if (clock::now() < self->last_heard_ + self->silence_max_)
            {
                self->watch();
                return;
            }
            self->connection_->abort();
            self->end({errc::timeout, "the server has fallen silent", {}});
        });
}

void socket_client_impl::end(error reason)
{
    if (!std::exchange(open_, false))
        return;
    watchdog_.cancel();
    connection_->close(net::close_code::normal);
    give_up_waiting();
    const auto on = std::exchange(on_, nullptr);
    if (on && on->on_close)
        on->on_close(std::move(reason));
}

void socket_client_impl::close()
{
    if (!std::exchange(open_, false))
        return;
    watchdog_.cancel();
    if (joined_)
        connection_->send(socket_io::message_disconnect());
    connection_->close(net::close_code::normal);
    give_up_waiting();
    on_ = nullptr;
}

std::string dial_address(const socket_client_options& options)
{
    std::string out = options.server_url;
    while (out.ends_with('/'))
        out.pop_back();
    return out + options.path + "?EIO=4&transport=websocket";
}
} // namespace

asio::awaitable<relay_answer<std::shared_ptr<socket_client>>>
socket_client::connect(socket_client_options options, handlers on)
{
    const auto give_up_at = clock::now() + options.net.connect_timeout;
    auto dialled = co_await net::connect_websocket(dial_address(options), {}, options.net);
    if (!dialled)
        co_return std::unexpected(relay_failure::not_reached(dialled.error()));
    const auto connection = std::shared_ptr<net::client_websocket>(std::move(*dialled));
    const auto client = std::make_shared<socket_client_impl>(connection, std::move(on));

    const auto late = std::make_shared<bool>(false);
    asio::steady_timer limit(connection->executor(), give_up_at);
    limit.async_wait(
        [weak = std::weak_ptr(client), connection, late](const boost::system::error_code& cancelled)
        {
            const auto self = weak.lock();
            if (cancelled || !self || !self->sid().empty())
                return;
            *late = true;
            connection->abort();
        });
    const auto joined = co_await client->join(std::move(options.auth));
    limit.cancel();
    if (!joined)
    {
        client->close();
        if (*late)
            co_return std::unexpected(
                relay_failure::not_reached({errc::timeout, "the connection was not completed in time", {}}));
        co_return std::unexpected(joined.error());
    }
    // In a later turn, so that the caller has the client before the first event comes.
    asio::post(
        connection->executor(), [client, connection]
        { asio::co_spawn(connection->executor(), socket_client_impl::run(client, connection), asio::detached); });
    co_return client;
}

} // namespace consortium::agent
