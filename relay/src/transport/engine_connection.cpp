#include "transport/engine_connection.hpp"
#include "contain.hpp"
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace consortium::relay
{
namespace engine_io = protocol::engine_io;
namespace
{
/// How long a connection that was closed here waits for the poll that fetches its last packets.
constexpr std::chrono::seconds farewell_time{5};
/// So many packets of one polling body are taken before others get their turn on the thread.
constexpr std::size_t turn_packets_max = 256;
/// So much output is sent without waiting for the end of the messages that arrived together.
constexpr std::size_t batch_output_max = 256u << 10;

constexpr std::string_view noop_packet = "6";
constexpr std::string_view close_packet = "1";
constexpr std::string_view ping_packet = "2";
} // namespace

engine_connection::engine_connection(
    transport_context& context, std::size_t thread, std::string remote_address, carrier first)
    : context_(context),
      thread_(thread),
      executor_(context.server.executor(thread)),
      sid_(make_sid()),
      remote_address_(std::move(remote_address)),
      state_(first == carrier::polling ? state::polling : state::websocket),
      polls_(executor_),
      upgrade_limit_(executor_),
      farewell_limit_(executor_),
      heartbeat_(
          executor_, {.interval = context.options.ping_interval,
                      .timeout = context.options.ping_timeout,
                      .ask =
                          [this]
                      {
                          send(ping_packet);
                          flush();
                      },
                      .missed = [this] { fail("ping timeout", net::close_code::going_away); }}),
      readable_signal_(executor_, asio::steady_timer::time_point::max())
{
    ++context_.connection_count;
    context_.connections_by_thread[thread_].insert(this);
}

engine_connection::~engine_connection()
{
    if (is_open())
    {
        --context_.connection_count;
        context_.connections_by_thread[thread_].erase(this);
    }
}

template <class Task>
void engine_connection::contain_here(std::string_view name, Task&& task)
{
    contain(name, std::forward<Task>(task), [this] { close("internal error", net::close_code::internal_error); });
}

void engine_connection::begin()
{
    engine_io::handshake hello;
    hello.sid = sid_;
    if (state_ == state::polling)
        hello.upgrades = {"websocket"};
    hello.ping_interval = context_.options.ping_interval;
    hello.ping_timeout = context_.options.ping_timeout;
    hello.max_payload = context_.options.payload_bytes_max;
    send("0" + engine_io::write_handshake(hello));
    heartbeat_.start(weak_from_this());
    user_->on_open();
}

void engine_connection::become_known(account_id owner)
{
    if (known_)
        return;
    owner_ = owner;
    peer_ = context_.options.peer_of(owner);
    known_.store(true, std::memory_order_release);
    if (place_)
        place_->set_known();
    if (websocket_)
        websocket_->set_known(peer_);
}

// --- Output

void engine_connection::send(net::shared_frame packet)
{
    if (!is_open())
        return;
    const auto size = packet->payload().size();
    if (state_ == state::websocket)
        websocket_->send(std::move(packet));
    else
    {
        if (peer_.output)
            packet->count(peer_.output);
        polls_.push(std::move(packet));
    }
    queued(size);
}

void engine_connection::send(std::string_view packet)
{
    if (!is_open())
        return;
    if (state_ != state::websocket)
        return send(net::encode_text_frame(packet));
    websocket_->send(packet);
    queued(packet.size());
}

void engine_connection::send_binary(std::string_view bytes)
{
    if (!is_open())
        return;
    if (state_ != state::websocket)
        return send(net::encode_binary_frame(bytes));
    websocket_->send_binary(bytes);
    queued(bytes.size());
}

std::shared_ptr<void> engine_connection::input_room(std::size_t bytes) const
{
    return peer_.input_room ? peer_.input_room(bytes) : std::make_shared<std::size_t>(bytes);
}

void engine_connection::queued(std::size_t added)
{
    const auto bytes = queued_bytes();
    // What it had left before: one large thing drops nobody.
    const bool too_much = known_ ? bytes > context_.options.untaken_bytes_max(owner_) + added
                                 : bytes > context_.options.stranger_queue_bytes_max;
    if (too_much)
    {
        fail("the client takes too little", net::close_code::policy_violation);
        return;
    }
    if (giving_)
    {
        if (bytes > batch_output_max)
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

void engine_connection::flush()
{
    if (state_ == state::websocket)
        websocket_->flush();
    else if (!polls_.empty())
        polls_.wake();
}

std::size_t engine_connection::queued_bytes() const noexcept
{
    return state_ == state::websocket ? websocket_->queued_bytes() : polls_.bytes();
}

// --- Polling

net::http_response engine_connection::open_by_polling()
{
    begin();
    return poll_answer(polls_.take_body());
}

asio::awaitable<net::http_response> engine_connection::poll(std::shared_ptr<engine_connection> self)
{
    if (self->state_ == state::websocket || self->state_ == state::closed)
        co_return engine_error(engine_refusal::bad_request);
    if (self->polls_.is_polled())
    {
        // engine.io calls it "overlap from client".
        self->fail("transport error");
        co_return engine_error(engine_refusal::bad_request);
    }
    const bool beside_websocket = self->state_ == state::probing || self->state_ == state::upgrading;
    if (self->polls_.empty() && (self->state_ == state::polling || self->state_ == state::probing))
        co_await self->polls_.until_woken();
    // The last word of the upgrade may have been sent before this poll, and be read after it.
    if (self->polls_.empty() && beside_websocket && self->state_ == state::upgrading)
        co_await self->polls_.until_woken(self->context_.options.upgrade_grace);
    if (beside_websocket && self->state_ == state::websocket)
        co_return engine_error(engine_refusal::bad_request);
    auto answer = poll_answer(self->polls_.take_body());
    if (self->state_ == state::leaving)
        self->forget();
    co_return answer;
}

void engine_connection::poll_was_lost(const std::weak_ptr<engine_connection>& of)
{
    const auto self = of.lock();
    if (!self)
        return;
    asio::post(
        self->executor_,
        [self]
        {
            if (self->state_ != state::websocket)
                self->contain_here("ending a connection", [&] { self->fail("transport close"); });
        });
}

asio::awaitable<net::http_response>
engine_connection::receive(std::shared_ptr<engine_connection> self, std::string body)
try
{
    co_return co_await take(self, std::move(body));
}
catch (...)
{
    log_bug("taking what a client sent");
    self->close("internal error", net::close_code::internal_error);
    co_return engine_error(engine_refusal::bad_request);
}

asio::awaitable<net::http_response> engine_connection::take(std::shared_ptr<engine_connection> self, std::string body)
{
    if (!self->is_open() || self->state_ == state::websocket)
        co_return engine_error(engine_refusal::bad_request);
    if (self->posting_)
    {
        self->fail("transport error");
        co_return engine_error(engine_refusal::bad_request);
    }
    self->posting_ = true;
    engine_io::payload_reader packets(body);
    bool well_formed = true;
    self->giving_ = true;
    for (std::size_t count = 1; const auto packet = packets.next(); ++count)
    {
        if (count % turn_packets_max == 0)
        {
            self->all_given();
            co_await asio::post(self->executor_, asio::use_awaitable);
            self->giving_ = true;
        }
        if (!*packet)
        {
            self->fail("parse error");
            well_formed = false;
            break;
        }
        co_await until_readable(self);
        if (!self->is_open())
            break;
        self->receive_packet(**packet);
    }
    self->all_given();
    self->posting_ = false;
    co_return well_formed ? polling_response(200, "text/html", "ok") : engine_error(engine_refusal::bad_request);
}

// --- WebSocket

asio::awaitable<void>
engine_connection::run(std::shared_ptr<engine_connection> self, std::shared_ptr<net::websocket> connection)
try
{
    co_await carry(self, std::move(connection));
}
catch (...)
{
    log_bug("carrying a client");
    self->close("internal error", net::close_code::internal_error);
    self->challenger_ = nullptr;
}

asio::awaitable<void>
engine_connection::carry(std::shared_ptr<engine_connection> self, std::shared_ptr<net::websocket> connection)
{
    messages batch;
    if (self->state_ == state::websocket && !self->websocket_)
    {
        self->websocket_ = connection;
        self->begin();
        self->flush();
    }
    else if (self->state_ == state::polling)
    {
        if (!co_await upgrade(self, connection, batch))
            co_return;
    }
    else
    {
        connection->close(net::close_code::policy_violation, "not to be upgraded");
        co_return;
    }
    while (true)
    {
        co_await give(self, batch);
        if (!self->is_open())
            co_return;
        const auto more = co_await connection->read();
        if (!more)
        {
            self->fail(
                more.error() == errc::closed        ? "transport close"
                : more.error() == errc::bad_request ? "parse error"
                                                    : "transport error");
            co_return;
        }
        batch = *more;
    }
}

asio::awaitable<bool> engine_connection::upgrade(
    std::shared_ptr<engine_connection> self, std::shared_ptr<net::websocket> connection, messages& rest)
{
    self->state_ = state::probing;
    self->challenger_ = connection;
    self->upgrade_limit_.expires_after(self->context_.options.upgrade_timeout);
    self->upgrade_limit_.async_wait(
        [weak = std::weak_ptr(connection)](const boost::system::error_code& cancelled)
        {
            if (const auto late = weak.lock(); late && !cancelled)
                late->close(net::close_code::policy_violation, "upgrade timeout");
        });
    while (const auto batch = co_await connection->read())
    {
        for (auto at = batch->begin(); at != batch->end(); ++at)
        {
            if (at->payload == "5" && self->state_ != state::probing)
            {
                self->take_over(connection);
                rest = batch->subspan(static_cast<std::size_t>(at - batch->begin()) + 1);
                co_return self->is_open();
            }
            if (at->payload != "2probe" || !self->is_open())
            {
                connection->close(net::close_code::protocol_error, "not an upgrade");
                self->give_up_upgrade();
                co_return false;
            }
            connection->send("3probe");
            connection->flush();
            // Polls are answered at once from now on, so that the client can end polling.
            self->state_ = state::upgrading;
            self->polls_.wake();
        }
    }
    self->give_up_upgrade();
    co_return false;
}

void engine_connection::give_up_upgrade()
{
    upgrade_limit_.cancel();
    challenger_ = nullptr;
    if (is_open())
        state_ = state::polling;
}

void engine_connection::take_over(std::shared_ptr<net::websocket> connection)
{
    upgrade_limit_.cancel();
    challenger_ = nullptr;
    for (auto& packet : polls_.take_packets())
        connection->send(std::move(packet));
    // A poll that is still open ends with a noop.
    polls_.wake();
    if (!is_open())
    {
        // It was closed in the middle of the upgrade, when the client may have stopped polling already.
        connection->close(net::close_code::going_away, close_reason_);
        forget();
        return;
    }
    state_ = state::websocket;
    websocket_ = std::move(connection);
    place_.reset();
    if (known_)
        websocket_->set_known(peer_);
    context_.by_sid.upgraded(sid_);
    websocket_->flush();
}

// --- Input

asio::awaitable<void> engine_connection::give(std::shared_ptr<engine_connection> self, messages batch)
{
    self->giving_ = true;
    for (const auto& [what, payload] : batch)
    {
        co_await until_readable(self);
        if (!self->is_open())
            break;
        if (what == net::websocket_message::kind::binary)
            self->user_->on_binary(std::string(payload));
        else if (const auto packet = engine_io::parse(payload))
            self->receive_packet(*packet);
        else
            self->fail("parse error");
    }
    self->all_given();
}

asio::awaitable<void> engine_connection::until_readable(std::shared_ptr<engine_connection> self)
{
    if (!self->is_open() || !self->reading_held_)
        co_return;
    self->all_given();
    while (self->is_open() && self->reading_held_)
        co_await self->readable_signal_.async_wait(asio::as_tuple(asio::use_awaitable));
    self->giving_ = true;
}

void engine_connection::all_given()
{
    giving_ = false;
    if (is_open())
        user_->on_messages_given();
    flush();
}

void engine_connection::hold_reading(bool hold)
{
    if (std::exchange(reading_held_, hold) == hold || !is_open())
        return;
    if (hold)
        return heartbeat_.hold();
    readable_signal_.cancel();
    heartbeat_.release();
}

void engine_connection::receive_packet(const engine_io::packet& packet)
{
    switch (packet.type)
    {
    case engine_io::packet_type::message:
        user_->on_message(packet.data);
        break;
    case engine_io::packet_type::binary:
        if (auto bytes = engine_io::read_binary(packet))
            user_->on_binary(std::move(*bytes));
        else
            fail("parse error");
        break;
    case engine_io::packet_type::pong:
        heartbeat_.heard();
        break;
    case engine_io::packet_type::close:
        end("transport close", net::close_code::normal, noop_packet, farewell::none);
        break;
    case engine_io::packet_type::ping:
        // In protocol 4 pings come from the server alone.
        fail("transport error");
        break;
    case engine_io::packet_type::open:
    case engine_io::packet_type::upgrade:
    case engine_io::packet_type::noop:
        break;
    }
}

// --- The end

void engine_connection::close(std::string_view reason, net::close_code code)
{
    end(reason, code, close_packet, farewell::said);
}

void engine_connection::fail(std::string_view reason, net::close_code code)
{
    end(reason, code, close_packet, farewell::none);
}

void engine_connection::end(std::string_view reason, net::close_code code, std::string_view last_packet, farewell how)
{
    if (!is_open())
        return;
    const auto before = std::exchange(state_, state::leaving);
    close_reason_ = reason;
    place_.reset();
    --context_.connection_count;
    context_.connections_by_thread[thread_].erase(this);
    heartbeat_.stop();
    readable_signal_.cancel();
    if (before == state::websocket)
    {
        if (websocket_)
            websocket_->close(code, reason);
        forget();
    }
    else
    {
        // A poll that waits is told in any case; who is told nothing any more leaves nothing behind.
        if (before == state::probing)
            challenger_->close(code, reason);
        const bool polled = polls_.is_polled();
        if (!polled && how == farewell::none)
            polls_.take_packets();
        else
            polls_.push(net::encode_text_frame(last_packet));
        polls_.wake();
        if (polled || how == farewell::none)
            forget();
        else
        {
            farewell_limit_.expires_after(farewell_time);
            farewell_limit_.async_wait([self = shared_from_this()](const boost::system::error_code&)
                                       { self->forget(); });
        }
    }
    user_->on_close(reason);
}

void engine_connection::forget()
{
    state_ = state::closed;
    farewell_limit_.cancel();
    context_.by_sid.remove(sid_);
}

} // namespace consortium::relay
