#include "transport/joined_socket.hpp"
#include "consortium/protocol/socket_io.hpp"
#include "contain.hpp"
#include "transport/socket_io_peer.hpp"
#include <boost/asio/post.hpp>
#include <utility>

namespace consortium::relay
{
namespace socket_io = protocol::socket_io;

joined_socket::joined_socket(const std::shared_ptr<socket_io_peer>& on)
    : peer_(on),
      context_(on->context()),
      id_(make_sid()),
      thread_(on->carrier().thread()),
      remote_address_(on->carrier().remote_address()),
      executor_(on->carrier().executor())
{
}

void joined_socket::emit(net::shared_frame encoded)
{
    if (const auto to = peer())
        to->carrier().send(std::move(encoded));
}

void joined_socket::emit(std::string_view name, const boost::json::value& arg)
{
    if (const auto to = peer())
        to->carrier().send(socket_io::message_event(name, arg));
}

void joined_socket::emit_with_ack(
    std::string_view name, arguments args, std::chrono::milliseconds timeout, answer_callback answered)
{
    // The callback never runs before this function has returned.
    const auto refuse = [&](errc code, std::string detail)
    {
        asio::post(
            executor_, [refused = std::move(answered), failure = fail(code, std::move(detail))]() mutable
            { refused(std::move(failure)); });
    };
    if (state_ != state::open)
        return refuse(errc::closed, "the socket is closed");
    if (awaited_.size() >= context_.options.acks_pending_max)
        return refuse(errc::overloaded, "too many unanswered events on this socket");
    const auto id = next_ack_++;
    auto limit = std::make_unique<asio::steady_timer>(executor_, timeout);
    limit->async_wait(
        [weak = weak_from_this(), id](const boost::system::error_code& cancelled)
        {
            if (const auto self = weak.lock(); self && !cancelled)
                static_cast<joined_socket&>(*self).settle(id, fail(errc::timeout, "operation has timed out"));
        });
    awaited_.emplace(id, awaited{std::move(answered), std::move(limit)});
    if (const auto to = peer())
        to->send(socket_io::message_event_args(name, args.values, id, args.bytes.each.size()), args.bytes);
}

void joined_socket::settle(std::uint64_t id, result<arguments> with)
{
    auto found = awaited_.extract(id);
    if (found)
        contain("what follows a client's answer", [&] { found.mapped().answered(std::move(with)); });
}

void joined_socket::flush()
{
    if (const auto to = peer())
        to->carrier().flush();
}

std::size_t joined_socket::queued_bytes() const noexcept
{
    const auto to = peer();
    return to ? to->carrier().queued_bytes() : 0;
}

void joined_socket::pause_reading()
{
    ++pauses_;
    if (const auto to = peer())
        to->look_at_pauses();
}

void joined_socket::resume_reading()
{
    CONSORTIUM_ASSERT(pauses_ > 0);
    --pauses_;
    if (const auto to = peer())
        to->look_at_pauses();
}

void joined_socket::close_transport(std::string_view reason)
{
    if (const auto to = peer())
        to->carrier().close(reason);
}

void joined_socket::disconnect()
{
    const auto to = peer();
    if (!to)
        return;
    to->carrier().send(socket_io::message_disconnect());
    to->carrier().flush();
    to->leave("server namespace disconnect");
}

template <class Task>
void joined_socket::on_own_thread(Task task)
{
    if (context_.server.current_thread() == thread_)
        return task(*this);
    asio::post(
        executor_,
        [weak = weak_from_this(), task = std::move(task)]() mutable
        {
            if (const auto self = weak.lock())
                task(static_cast<joined_socket&>(*self));
        });
}

void joined_socket::answer(std::uint64_t id, arguments with)
{
    on_own_thread(
        [id, with = std::move(with)](joined_socket& self)
        {
            if (const auto to = self.peer())
                to->send(socket_io::message_ack(id, with.values, with.bytes.each.size()), with.bytes);
        });
}

void joined_socket::answer(net::shared_frame encoded)
{
    on_own_thread([encoded = std::move(encoded)](joined_socket& self) mutable { self.emit(std::move(encoded)); });
}

void joined_socket::open(std::unique_ptr<socket_listener> listener)
{
    listener_ = std::move(listener);
    state_ = state::open;
    ++context_.socket_count;
    context_.sockets_by_thread[thread_].insert(this);
    if (const auto to = peer())
        to->carrier().send(socket_io::message_connect({{"sid", id_}}));
}

void joined_socket::leave(std::string_view reason)
{
    if (std::exchange(state_, state::left) != state::open)
        return;
    context_.sockets_by_thread[thread_].erase(this);
    asio::post(
        executor_, [self = std::static_pointer_cast<joined_socket>(shared_from_this()), text = std::string(reason)]
        { contain("what follows the end of a client", [&] { self->finish(text); }); });
}

void joined_socket::finish(std::string_view reason)
{
    --context_.socket_count;
    while (!awaited_.empty())
        settle(awaited_.begin()->first, fail(errc::closed, "RPC target disconnected"));
    listener_->on_disconnect(reason);
}

} // namespace consortium::relay
