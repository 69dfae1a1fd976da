#include "transport/socket_io_peer.hpp"
#include "consortium/protocol/limits.hpp"
#include "consortium/protocol/v1/answers.hpp"
#include "contain.hpp"
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace consortium::relay
{
namespace socket_io = protocol::socket_io;
namespace json = boost::json;

socket_io_peer::socket_io_peer(transport_context& context, engine_connection& carrier)
    : context_(context),
      carrier_(carrier),
      parts_(limits::binary_packet_bytes_max),
      resumed_(carrier.executor(), asio::steady_timer::time_point::max()),
      connect_limit_(carrier.executor())
{
}

void socket_io_peer::on_open()
{
    give_time_to_join();
}

void socket_io_peer::on_close(std::string_view reason)
{
    state_ = state::ended;
    rooms_.clear();
    connect_limit_.cancel();
    resumed_.cancel();
    leave(reason);
}

void socket_io_peer::leave(std::string_view reason)
{
    if (const auto left = std::exchange(client_, nullptr))
        left->leave(reason);
    resumed_.cancel();
    look_at_pauses();
    if (state_ == state::ended)
        return;
    if (state_ == state::inside)
        state_ = state::outside;
    give_time_to_join();
}

void socket_io_peer::look_at_pauses()
{
    const bool paused = client_ && client_->is_paused();
    if (!paused)
        resumed_.cancel();
    carrier_.hold_reading(paused || early_bytes_ > context_.options.early_bytes_max);
}

// --- Packets

void socket_io_peer::on_message(std::string_view text)
{
    take(parts_.take(text), text.size());
}

void socket_io_peer::on_binary(std::string bytes)
{
    const auto size = bytes.size();
    take(parts_.take_attachment(std::move(bytes)), size);
}

void socket_io_peer::take(result<std::optional<whole_packet>> made, std::size_t bytes)
{
    if (!made && made.error() == errc::too_large)
        return carrier_.fail("the packet is too large", net::close_code::too_big);
    // Attachments come to whom something was said yes, or may be soon.
    if (!made || (!*made && state_ == state::outside))
        return malformed();
    if (*made && (*made)->attachments.empty())
        return receive(std::move(**made));
    auto room = carrier_.input_room(bytes);
    if (!room)
        return carrier_.close("too much is being received at once");
    rooms_.push_back(std::move(room));
    if (*made)
        receive(std::move(**made));
}

void socket_io_peer::receive(whole_packet packet)
{
    attachments bytes{std::move(packet.attachments), nullptr};
    if (!bytes.empty())
        bytes.room = std::make_shared<std::vector<std::shared_ptr<void>>>(std::exchange(rooms_, {}));
    if (packet.head.type == socket_io::packet_type::connect)
        return receive_connect(packet.head);
    // Nothing was said yes to there (socket.io: "no socket for namespace").
    if (packet.head.name_space != "/" || state_ == state::outside)
        return malformed();
    if (state_ == state::inside)
        return deliver(packet.head, std::move(bytes));
    early_.push_back({std::string(packet.text), std::move(bytes)});
    early_bytes_ += early_.back().size();
    look_at_pauses();
}

std::size_t socket_io_peer::early_packet::size() const
{
    std::size_t out = sizeof(early_packet) + text.size();
    for (const auto& each : bytes.each)
        out += sizeof(std::string) + each.size();
    return out;
}

void socket_io_peer::send(std::string_view text, const attachments& bytes)
{
    carrier_.send(text);
    for (const auto& each : bytes.each)
        carrier_.send_binary(each);
}

void socket_io_peer::on_messages_given()
{
    if (std::exchange(delivered_, false) && client_)
        client_->listener()->on_events_delivered();
}

void socket_io_peer::deliver(const socket_io::packet& packet, attachments bytes)
{
    switch (packet.type)
    {
    case socket_io::packet_type::event:
    case socket_io::packet_type::binary_event:
        deliver_event(packet, {{}, std::move(bytes)});
        break;
    case socket_io::packet_type::ack:
    case socket_io::packet_type::binary_ack:
        if (auto values = socket_io::parse_args(packet))
            client_->settle(*packet.id, arguments{std::move(*values), std::move(bytes)});
        else
            malformed();
        break;
    case socket_io::packet_type::disconnect:
        leave("client namespace disconnect");
        break;
    case socket_io::packet_type::connect:
    case socket_io::packet_type::connect_error:
        malformed();
        break;
    }
}

void socket_io_peer::deliver_event(const socket_io::packet& packet, arguments args)
{
    auto event = socket_io::parse_event(packet);
    if (!event)
        return malformed();
    delivered_ = true;
    args.values = std::move(event->args);
    // The rules may end the socket from within.
    const auto client = client_;
    auto reply = packet.id ? ack(client->weak(), *packet.id) : ack();
    try
    {
        client->listener()->on_event(event->name, std::move(args), std::move(reply));
    }
    catch (const std::exception& thrown)
    {
        context_.rules.on_bug(thrown.what());
        carrier_.close("internal error", net::close_code::internal_error);
    }
}

// --- Joining

void socket_io_peer::receive_connect(const socket_io::packet& packet)
{
    if (packet.name_space != "/")
    {
        socket_io::packet refusal;
        refusal.type = socket_io::packet_type::connect_error;
        refusal.name_space = packet.name_space;
        refusal.data = R"({"message":"Invalid namespace"})";
        std::string text = "4";
        socket_io::append(text, refusal);
        carrier_.send(text);
        return;
    }
    auto auth = socket_io::parse_object(packet);
    if (!auth || state_ != state::outside)
        return malformed();
    state_ = state::joining;
    asio::co_spawn(carrier_.executor(), join(shared(), std::move(*auth)), asio::detached);
}

asio::awaitable<void> socket_io_peer::join(std::shared_ptr<socket_io_peer> self, json::object auth)
{
    const auto client = std::make_shared<joined_socket>(self);
    std::string bug;
    try
    {
        auto answer = co_await self->context_.rules.on_connect(*client, std::move(auth));
        if (answer)
            co_await welcome(self, client, std::move(*answer));
        else
            self->turn_away(std::move(answer.error()));
    }
    catch (const std::exception& thrown)
    {
        bug = thrown.what();
    }
    if (self->state_ == state::joining)
        self->state_ = self->client_ ? state::inside : state::outside;
    self->early_.clear();
    self->early_bytes_ = 0;
    self->look_at_pauses();
    if (!bug.empty())
    {
        // Not the client's fault: it shall try again.
        self->context_.rules.on_bug(bug);
        self->carrier_.close("internal error", net::close_code::internal_error);
    }
    self->on_messages_given();
    self->carrier_.flush();
}

void socket_io_peer::turn_away(connect_refusal refusal)
{
    const auto said = protocol::v1::for_client(refusal.why);
    if (said == errc::internal)
        context_.rules.on_bug(refusal.why.detail);
    if (said == errc::internal || said.retry)
        return carrier_.close(said.detail);
    auto data = std::move(refusal.also);
    data["code"] = word(said.code);
    data["retry"] = false;
    carrier_.send(socket_io::message_connect_error(said.detail, data));
    // Trying again gives no more time.
    if (state_ != state::ended)
        wait_for_connect();
}

asio::awaitable<void> socket_io_peer::welcome(
    std::shared_ptr<socket_io_peer> self, std::shared_ptr<joined_socket> client,
    std::unique_ptr<socket_listener> listener)
{
    if (self->state_ == state::ended)
        co_return;
    self->connect_limit_.cancel();
    self->carrier_.become_known(listener->owner());
    self->client_ = client;
    client->open(std::move(listener));
    // Sending may have ended the connection.
    if (self->client_ != client)
        co_return;
    client->listener()->on_connected();
    const auto over = [&] { return self->client_ != client; };
    // What arrives while these are delivered queues behind them.
    while (!self->early_.empty() && !over())
    {
        while (!over() && client->is_paused())
            co_await self->resumed_.async_wait(asio::as_tuple(asio::use_awaitable));
        if (over())
            break;
        auto next = std::move(self->early_.front());
        self->early_.pop_front();
        self->early_bytes_ -= next.size();
        self->look_at_pauses();
        if (const auto packet = socket_io::parse(next.text))
            self->deliver(*packet, std::move(next.bytes));
    }
}

void socket_io_peer::give_time_to_join()
{
    connect_until_ = asio::steady_timer::clock_type::now() + context_.options.connect_timeout;
    wait_for_connect();
}

void socket_io_peer::wait_for_connect()
{
    connect_limit_.expires_at(connect_until_);
    connect_limit_.async_wait(
        [weak = std::weak_ptr(shared())](const boost::system::error_code& cancelled)
        {
            const auto self = weak.lock();
            if (self && !cancelled && self->state_ == state::outside)
                self->carrier_.close("no namespace was joined in time");
        });
}

} // namespace consortium::relay
