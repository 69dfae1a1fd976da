#include "transport/session.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/secret.hpp"
#include "consortium/protocol/engine_io.hpp"
#include "consortium/protocol/v1/answers.hpp"
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

namespace consortium::relay
{
namespace engine_io = protocol::engine_io;
namespace socket_io = protocol::socket_io;
namespace json = boost::json;
namespace
{
constexpr auto never = asio::steady_timer::time_point::max();
/// How long a closed polling session waits for the poll that fetches its last packets.
constexpr std::chrono::seconds farewell_time{5};
/// So many packets of one polling body are taken before others get their turn on the thread.
constexpr std::size_t turn_packets_max = 256;
/// So much output is sent without waiting for the end of the events that arrived together.
constexpr std::size_t batch_output_max = 256u << 10;

constexpr std::string_view noop_packet = "6";
constexpr std::string_view close_packet = "1";
constexpr std::string_view ping_packet = "2";

/// Waits for a timer that never expires and stands for "something changed": cancelling it wakes all who wait.
asio::awaitable<void> until_signalled(asio::steady_timer& signal)
{
    co_await signal.async_wait(asio::as_tuple(asio::use_awaitable));
}
} // namespace

std::string make_sid()
{
    return base64url_encode(random_array<15>());
}

net::http_response polling_response(unsigned status, std::string_view content_type, std::string body)
{
    auto out = net::http_response::with(status, content_type, std::move(body));
    out.headers.add("Access-Control-Allow-Origin", "*");
    out.headers.add("Access-Control-Allow-Credentials", "true");
    out.headers.add("Cache-Control", "no-store");
    return out;
}

net::http_response engine_error(int code)
{
    // engine.io, Server.errorMessages.
    static constexpr std::array<std::string_view, 6> texts{
        "Transport unknown", "Session ID unknown", "Bad handshake method",
        "Bad request",       "Forbidden",          "Unsupported protocol version"};
    const json::object body{{"code", code}, {"message", texts.at(static_cast<std::size_t>(code))}};
    return polling_response(code == 4 ? 403 : 400, "application/json", json::serialize(body));
}

session::session(transport_context& context, std::size_t thread, std::string remote_address, bool polling)
    : context_(context),
      thread_(thread),
      executor_(context.server.executor(thread)),
      sid_(make_sid()),
      remote_address_(std::move(remote_address)),
      carrier_(polling ? carrier::polling : carrier::websocket),
      poll_signal_(executor_, never),
      upgrade_limit_(executor_),
      readable_signal_(executor_, never),
      heartbeat_timer_(executor_),
      connect_limit_(executor_)
{
    ++context_.session_count;
    context_.by_thread[thread_].insert(this);
}

session::~session()
{
    if (!closed_)
    {
        --context_.session_count;
        context_.by_thread[thread_].erase(this);
    }
}

void session::start()
{
    engine_io::handshake hello;
    hello.sid = sid_;
    if (carrier_ == carrier::polling)
        hello.upgrades = {"websocket"};
    hello.ping_interval = context_.options.ping_interval;
    hello.ping_timeout = context_.options.ping_timeout;
    hello.max_payload = context_.options.payload_bytes_max;
    send("0" + engine_io::write_handshake(hello));
    schedule_heartbeat(context_.options.ping_interval);
    arm_connect_timeout();
}

net::http_response session::open_by_polling()
{
    start();
    return take_payload();
}

// --- Output

void session::send(net::shared_frame message)
{
    if (closed_)
        return;
    if (carrier_ == carrier::websocket)
    {
        websocket_->send(std::move(message));
    }
    else
    {
        waiting_bytes_ += message->payload().size();
        waiting_.push_back({{}, std::move(message)});
    }
    changed();
}

void session::send(std::string_view message)
{
    if (closed_)
        return;
    if (carrier_ == carrier::websocket)
    {
        websocket_->send(message);
    }
    else
    {
        waiting_bytes_ += message.size();
        waiting_.push_back({std::string(message), nullptr});
    }
    changed();
}

void session::changed()
{
    dirty_ = true;
    const auto queued = queued_bytes();
    if (queued > context_.options.queue_bytes_hard_max)
    {
        close("the client takes too little", net::close_code::policy_violation);
        return;
    }
    if (in_batch_)
    {
        if (queued > batch_output_max)
            flush();
        return;
    }
    // The safety net for output that nobody flushes: at the end of this turn.
    if (std::exchange(flush_posted_, true))
        return;
    asio::post(
        executor_,
        [weak = weak_from_this()]
        {
            if (const auto self = weak.lock())
            {
                self->flush_posted_ = false;
                self->contain_here("sending to a client", [&] { self->flush(); });
            }
        });
}

void session::flush()
{
    if (!std::exchange(dirty_, false))
        return;
    if (carrier_ == carrier::websocket)
        websocket_->flush();
    else if (!waiting_.empty())
        wake_poll();
}

std::size_t session::queued_bytes() const noexcept
{
    return carrier_ == carrier::websocket ? websocket_->queued_bytes() : waiting_bytes_;
}

void session::wake_poll()
{
    if (poll_pending_)
        poll_signal_.cancel();
}

net::http_response session::take_payload()
{
    std::string body;
    body.reserve(waiting_bytes_ + waiting_.size());
    for (const auto& packet : waiting_)
        engine_io::append_to_payload(body, packet.text());
    waiting_.clear();
    waiting_bytes_ = 0;
    if (closed_)
        engine_io::append_to_payload(body, close_packet);
    else if (body.empty())
        body = noop_packet;
    return polling_response(200, "text/plain; charset=UTF-8", std::move(body));
}

// --- Carriers

asio::awaitable<net::http_response> session::poll(std::shared_ptr<session> self)
{
    if (self->carrier_ != carrier::polling)
        co_return engine_error(3);
    if (self->poll_pending_)
    {
        // Two polls at a time (engine.io: "overlap from client").
        self->close("transport error");
        co_return engine_error(3);
    }
    const bool wait = self->waiting_.empty() && !self->closed_ && !self->probed_;
    if (wait)
    {
        self->poll_pending_ = true;
        co_await until_signalled(self->poll_signal_);
        self->poll_pending_ = false;
    }
    auto payload = self->take_payload();
    if (self->closed_)
        self->context_.forget(self->sid_);
    co_return payload;
}

asio::awaitable<net::http_response> session::receive(std::shared_ptr<session> self, std::string body)
try
{
    co_return co_await take(self, std::move(body));
}
catch (...)
{
    log_bug("taking what a client sent");
    self->close("internal error", net::close_code::internal_error);
    co_return engine_error(3);
}

asio::awaitable<net::http_response> session::take(std::shared_ptr<session> self, std::string body)
{
    if (self->closed_ || self->carrier_ != carrier::polling)
        co_return engine_error(3);
    if (self->post_pending_)
    {
        self->close("transport error");
        co_return engine_error(3);
    }
    self->post_pending_ = true;
    engine_io::payload_reader packets(body);
    bool well_formed = true;
    self->in_batch_ = true;
    for (std::size_t count = 1; const auto packet = packets.next(); ++count)
    {
        if (count % turn_packets_max == 0)
        {
            self->batch_ended();
            co_await asio::post(self->executor_, asio::use_awaitable);
            self->in_batch_ = true;
        }
        if (!*packet)
        {
            self->close("parse error");
            well_formed = false;
            break;
        }
        co_await until_readable(self);
        if (self->closed_)
            break;
        self->receive_packet(**packet);
    }
    self->batch_ended();
    self->post_pending_ = false;
    co_return well_formed ? polling_response(200, "text/html", "ok") : engine_error(3);
}

asio::awaitable<void> session::run(std::shared_ptr<session> self, std::shared_ptr<net::websocket> connection)
try
{
    co_await carry(self, std::move(connection));
}
catch (...)
{
    log_bug("carrying a client");
    self->close("internal error", net::close_code::internal_error);
}

asio::awaitable<void> session::carry(std::shared_ptr<session> self, std::shared_ptr<net::websocket> connection)
{
    if (self->closed_ || self->probing_ || self->websocket_)
    {
        connection->close(net::close_code::policy_violation, "not to be upgraded");
        co_return;
    }
    if (self->carrier_ == carrier::websocket)
    {
        self->websocket_ = connection;
        self->start();
        self->flush();
    }
    else
    {
        self->probing_ = connection;
        self->upgrade_limit_.expires_after(self->context_.options.upgrade_timeout);
        self->upgrade_limit_.async_wait(
            [weak = std::weak_ptr(connection)](const boost::system::error_code& cancelled)
            {
                if (const auto late = weak.lock(); late && !cancelled)
                    late->close(net::close_code::policy_violation, "upgrade timeout");
            });
    }
    bool going = true;
    // A session that is closed in the middle of an upgrade tells its client at the end of it: the client may have
    // stopped polling already.
    while (going && (!self->closed_ || self->probing_ == connection))
    {
        const auto batch = co_await connection->read();
        if (!batch)
        {
            // While it was only tried, the session goes on polling.
            if (self->websocket_ == connection)
                self->close(
                    batch.error() == errc::closed        ? "transport close"
                    : batch.error() == errc::bad_request ? "parse error"
                                                         : "transport error");
            break;
        }
        self->in_batch_ = true;
        for (const auto text : *batch)
        {
            if (self->websocket_ != connection)
            {
                going = self->probe(*connection, text);
                if (!going)
                    break;
                continue;
            }
            co_await until_readable(self);
            if (self->closed_)
                break;
            if (const auto packet = engine_io::parse(text))
                self->receive_packet(*packet);
            else
                self->close("parse error", net::close_code::protocol_error);
        }
        self->batch_ended();
    }
    self->upgrade_limit_.cancel();
    if (self->probing_ == connection)
    {
        self->probing_ = nullptr;
        self->probed_ = false;
    }
}

bool session::probe(net::websocket& connection, std::string_view packet)
{
    if (packet == "2probe" && !closed_)
    {
        connection.send("3probe");
        connection.flush();
        probed_ = true;
        // Polls are answered at once from now on, so that the client can end polling.
        wake_poll();
        return true;
    }
    if (packet == "5" && probed_)
    {
        take_over(std::exchange(probing_, nullptr));
        if (closed_)
            websocket_->close(net::close_code::going_away, close_reason_);
        return !closed_;
    }
    connection.close(net::close_code::protocol_error, "not an upgrade");
    return false;
}

void session::take_over(std::shared_ptr<net::websocket> connection)
{
    upgrade_limit_.cancel();
    probed_ = false;
    carrier_ = carrier::websocket;
    websocket_ = std::move(connection);
    context_.forget(sid_);
    // A poll that is still open ends with a noop.
    wake_poll();
    for (auto& packet : std::exchange(waiting_, {}))
    {
        if (packet.shared)
            websocket_->send(std::move(packet.shared));
        else
            websocket_->send(packet.own);
    }
    waiting_bytes_ = 0;
    dirty_ = true;
}

void session::close(std::string_view reason, net::close_code code)
{
    if (std::exchange(closed_, true))
        return;
    close_reason_ = reason;
    --context_.session_count;
    context_.by_thread[thread_].erase(this);
    heartbeat_timer_.cancel();
    connect_limit_.cancel();
    readable_signal_.cancel();
    early_.clear();
    if (probing_ && !probed_)
        probing_->close(code, reason);
    if (carrier_ == carrier::websocket)
    {
        if (websocket_)
            websocket_->close(code, reason);
    }
    else
    {
        wake_poll();
        if (!poll_pending_)
        {
            connect_limit_.expires_after(farewell_time);
            connect_limit_.async_wait([self = shared_from_this()](const boost::system::error_code&)
                                      { self->context_.forget(self->sid_); });
        }
    }
    leave_name_space(reason);
}

void session::leave_name_space(std::string_view reason)
{
    if (const auto left = std::exchange(client_, nullptr))
    {
        left->begin_closing();
        // In a turn of its own: the rules may be in the middle of something with this socket.
        asio::post(
            executor_, [left, text = std::string(reason)]
            { contain("what follows the end of a client", [&] { left->finish_closing(text); }); });
    }
    if (!closed_)
        arm_connect_timeout();
}

// --- Input

void session::pause()
{
    if (pauses_++ == 0 && awaiting_pong_)
        schedule_heartbeat(context_.options.ping_interval);
}

void session::resume()
{
    CONSORTIUM_ASSERT(pauses_ > 0);
    if (--pauses_ > 0 || closed_)
        return;
    readable_signal_.cancel();
    // The client could not be heard meanwhile.
    if (awaiting_pong_)
        schedule_heartbeat(context_.options.ping_timeout);
}

asio::awaitable<void> session::until_readable(std::shared_ptr<session> self)
{
    const auto blocked = [&]
    { return !self->closed_ && (self->pauses_ > 0 || self->early_bytes_ > self->context_.options.early_bytes_max); };
    if (!blocked())
        co_return;
    self->batch_ended();
    while (blocked())
        co_await until_signalled(self->readable_signal_);
    self->in_batch_ = true;
}

void session::batch_ended()
{
    in_batch_ = false;
    if (std::exchange(delivered_, false) && client_)
        context_.rules.on_events_delivered(*client_);
    flush();
}

void session::receive_packet(const engine_io::packet& packet)
{
    switch (packet.type)
    {
    case engine_io::packet_type::message:
        receive_message(packet.data);
        break;
    case engine_io::packet_type::pong:
        if (std::exchange(awaiting_pong_, false))
            schedule_heartbeat(context_.options.ping_interval);
        break;
    case engine_io::packet_type::close:
        close("transport close", net::close_code::normal);
        break;
    case engine_io::packet_type::ping:
        // In protocol 4 pings come from the server alone.
        close("transport error", net::close_code::protocol_error);
        break;
    case engine_io::packet_type::open:
    case engine_io::packet_type::upgrade:
    case engine_io::packet_type::noop:
        break;
    }
}

void session::receive_message(std::string_view text)
{
    const auto packet = socket_io::parse(text);
    if (!packet)
    {
        close("parse error", net::close_code::protocol_error);
        return;
    }
    if (packet->type == socket_io::packet_type::connect)
    {
        receive_connect(*packet);
        return;
    }
    if (packet->name_space != "/" || (!client_ && !connecting_))
    {
        // Nothing was said yes to there (socket.io: "no socket for namespace").
        close("parse error", net::close_code::protocol_error);
        return;
    }
    if (connecting_)
    {
        early_bytes_ += text.size() + sizeof(std::string);
        early_.emplace_back(text);
        return;
    }
    deliver(*packet);
}

void session::deliver(const socket_io::packet& packet)
{
    switch (packet.type)
    {
    case socket_io::packet_type::event:
        deliver_event(packet);
        break;
    case socket_io::packet_type::ack:
        if (auto args = socket_io::parse_args(packet))
            client_->answered(*packet.id, std::move(*args));
        else
            close("parse error", net::close_code::protocol_error);
        break;
    case socket_io::packet_type::disconnect:
        leave_name_space("client namespace disconnect");
        break;
    case socket_io::packet_type::connect:
    case socket_io::packet_type::connect_error:
        close("parse error", net::close_code::protocol_error);
        break;
    }
}

void session::deliver_event(const socket_io::packet& packet)
{
    auto event = socket_io::parse_event(packet);
    if (!event)
    {
        close("parse error", net::close_code::protocol_error);
        return;
    }
    delivered_ = true;
    // The rules may end the socket from within.
    const auto client = client_;
    auto reply = packet.id ? ack(client->weak(), *packet.id) : ack();
    try
    {
        context_.rules.on_event(*client, event->name, std::move(event->args), std::move(reply));
    }
    catch (const std::exception& thrown)
    {
        context_.rules.on_bug(thrown.what());
        close("internal error", net::close_code::internal_error);
    }
}

void session::receive_connect(const socket_io::packet& packet)
{
    if (packet.name_space != "/")
    {
        socket_io::packet refusal;
        refusal.type = socket_io::packet_type::connect_error;
        refusal.name_space = packet.name_space;
        refusal.data = R"({"message":"Invalid namespace"})";
        std::string text = "4";
        socket_io::append(text, refusal);
        send(text);
        return;
    }
    auto auth = socket_io::parse_object(packet);
    if (!auth || client_ || connecting_)
    {
        close("parse error", net::close_code::protocol_error);
        return;
    }
    connecting_ = true;
    asio::co_spawn(executor_, connect(shared_from_this(), std::move(*auth)), asio::detached);
}

asio::awaitable<void> session::connect(std::shared_ptr<session> self, json::object auth)
{
    const auto client = std::make_shared<socket_impl>(self);
    std::string bug;
    try
    {
        const auto allowed = co_await self->context_.rules.on_connect(*client, std::move(auth));
        if (allowed)
            co_await welcome(self, client);
        else
            self->turn_away(*client, allowed.error());
    }
    catch (const std::exception& thrown)
    {
        bug = thrown.what();
    }
    self->connecting_ = false;
    self->early_.clear();
    self->early_bytes_ = 0;
    self->readable_signal_.cancel();
    if (!bug.empty())
    {
        // Not the client's fault: it shall try again.
        self->context_.rules.on_bug(bug);
        self->close("internal error", net::close_code::internal_error);
    }
    if (!self->in_batch_)
        self->batch_ended();
}

void session::turn_away(socket_impl& client, const error& reason)
{
    client.begin_closing();
    const auto said = protocol::v1::for_client(reason);
    auto data = std::move(client.refusal_data);
    data["code"] = word(said.code);
    data["retry"] = false;
    if (said.retry)
        data["retry"] = said.retry->count();
    send(socket_io::message_connect_error(said.detail, data));
    if (!closed_)
        arm_connect_timeout();
}

asio::awaitable<void> session::welcome(std::shared_ptr<session> self, std::shared_ptr<socket_impl> client)
{
    self->client_ = client;
    client->opened();
    if (self->closed_)
    {
        self->leave_name_space(self->close_reason_);
        co_return;
    }
    self->connect_limit_.cancel();
    self->context_.rules.on_connected(*client);
    const auto over = [&] { return self->closed_ || self->client_ != client; };
    // What arrives while these are delivered queues behind them.
    while (!self->early_.empty() && !over())
    {
        while (self->pauses_ > 0 && !over())
            co_await until_signalled(self->readable_signal_);
        if (over())
            break;
        const auto text = std::move(self->early_.front());
        self->early_.pop_front();
        self->early_bytes_ -= text.size() + sizeof(std::string);
        if (const auto packet = socket_io::parse(text))
            self->deliver(*packet);
    }
}

// --- Clocks

void session::schedule_heartbeat(std::chrono::milliseconds after)
{
    heartbeat_timer_.expires_after(after);
    heartbeat_timer_.async_wait(
        [weak = weak_from_this(), turn = ++heartbeat_turn_](const boost::system::error_code&)
        {
            const auto self = weak.lock();
            if (self && !self->closed_ && self->heartbeat_turn_ == turn)
                self->contain_here("a heartbeat", [&] { self->heartbeat(); });
        });
}

void session::heartbeat()
{
    if (awaiting_pong_ && pauses_ == 0)
    {
        close("ping timeout");
        return;
    }
    awaiting_pong_ = true;
    send(ping_packet);
    flush();
    // While we do not listen, pongs cannot be heard; the client must go on hearing us, though.
    schedule_heartbeat(pauses_ == 0 ? context_.options.ping_timeout : context_.options.ping_interval);
}

void session::arm_connect_timeout()
{
    connect_limit_.expires_after(context_.options.connect_timeout);
    connect_limit_.async_wait(
        [weak = weak_from_this()](const boost::system::error_code& cancelled)
        {
            const auto self = weak.lock();
            if (self && !cancelled && !self->client_ && !self->connecting_)
                self->close("no namespace was joined in time");
        });
}

} // namespace consortium::relay
