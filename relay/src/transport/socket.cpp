#include "transport/socket.hpp"
#include "consortium/protocol/socket_io.hpp"
#include "consortium/protocol/v1/answers.hpp"
#include "contain.hpp"
#include "transport/session.hpp"
#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>
#include <utility>

namespace consortium::relay
{

net::shared_frame encode_event(std::string_view name, const boost::json::value& arg)
{
    return net::encode_text_frame(protocol::socket_io::message_event(name, arg));
}

boost::json::object error_ack(const error& reason)
{
    const auto said = protocol::v1::for_client(reason);
    if (said == errc::internal)
        spdlog::error("an event failed: {}", reason.detail);
    boost::json::object out{{"result", "error"}, {"message", said.detail}, {"code", word(said.code)}};
    if (said.retry)
        out["retry"] = said.retry->count();
    else
        out["retry"] = false;
    return out;
}

ack::ack(ack&& other) noexcept : to_(std::move(other.to_)), id_(other.id_), wanted_(std::exchange(other.wanted_, false))
{
}

ack& ack::operator=(ack&& other) noexcept
{
    std::swap(to_, other.to_);
    std::swap(id_, other.id_);
    std::swap(wanted_, other.wanted_);
    return *this;
}

ack::~ack()
{
    if (wanted_)
        (*this)(error{errc::internal, "nothing answered it", {}});
}

void ack::operator()(const boost::json::value& value)
{
    if (!std::exchange(wanted_, false))
        return;
    if (const auto to = to_.lock())
        to->answer(id_, {value});
}

void ack::operator()(const error& reason)
{
    (*this)(boost::json::value(error_ack(reason)));
}

net::shared_frame ack::encode(std::string_view json) const
{
    return net::encode_text_frame(protocol::socket_io::message_ack_of(id_, json));
}

void ack::operator()(net::shared_frame encoded)
{
    if (!std::exchange(wanted_, false))
        return;
    if (const auto to = to_.lock())
        to->answer(std::move(encoded));
}

socket_impl::socket_impl(const std::shared_ptr<session>& on)
    : session_(on),
      context_(on->context()),
      id_(make_sid()),
      thread_(on->thread()),
      remote_address_(on->remote_address()),
      executor_(on->executor())
{
}

socket_impl::~socket_impl() = default;

void socket_impl::emit(net::shared_frame encoded)
{
    if (state_ == state::connecting)
        held_.push_back(std::move(encoded));
    else if (const auto carrier = session_.lock(); carrier && state_ == state::open)
        carrier->send(std::move(encoded));
}

void socket_impl::emit(std::string_view name, const boost::json::value& arg)
{
    if (state_ == state::closed)
        return;
    const auto text = protocol::socket_io::message_event(name, arg);
    if (state_ == state::connecting)
        held_.push_back(net::encode_text_frame(text));
    else if (const auto carrier = session_.lock())
        carrier->send(text);
}

void socket_impl::emit_with_ack(
    std::string_view name, const boost::json::value& arg, std::chrono::milliseconds timeout, answer_callback answered)
{
    // The callback never runs before this function has returned.
    const auto refuse = [&](errc code, std::string detail)
    {
        asio::post(
            executor_, [refused = std::move(answered), failure = fail(code, std::move(detail))]() mutable
            { refused(std::move(failure)); });
    };
    if (state_ == state::closed)
        return refuse(errc::closed, "the socket is closed");
    if (awaited_.size() >= context_.options.acks_pending_max)
        return refuse(errc::overloaded, "too many unanswered events on this socket");
    const auto id = next_ack_++;
    auto limit = std::make_unique<asio::steady_timer>(executor_, timeout);
    limit->async_wait(
        [weak = weak_from_this(), id](const boost::system::error_code& cancelled)
        {
            if (const auto self = weak.lock(); self && !cancelled)
                static_cast<socket_impl&>(*self).settle(id, fail(errc::timeout, "operation has timed out"));
        });
    awaited_.emplace(id, awaited{std::move(answered), std::move(limit)});
    emit(net::encode_text_frame(protocol::socket_io::message_event(name, arg, id)));
}

void socket_impl::settle(std::uint64_t id, result<boost::json::array> with)
{
    auto found = awaited_.extract(id);
    if (found)
        contain("what follows a client's answer", [&] { found.mapped().answered(std::move(with)); });
}

void socket_impl::answered(std::uint64_t id, boost::json::array args)
{
    settle(id, std::move(args));
}

void socket_impl::flush()
{
    if (const auto carrier = session_.lock(); carrier && state_ == state::open)
        carrier->flush();
}

std::size_t socket_impl::queued_bytes() const noexcept
{
    const auto carrier = session_.lock();
    return carrier && state_ == state::open ? carrier->queued_bytes() : 0;
}

void socket_impl::pause_reading()
{
    if (const auto carrier = session_.lock())
        carrier->pause();
}

void socket_impl::resume_reading()
{
    if (const auto carrier = session_.lock())
        carrier->resume();
}

void socket_impl::close_transport(std::string_view reason)
{
    if (const auto carrier = session_.lock(); carrier && state_ != state::closed)
        carrier->close(reason);
}

void socket_impl::disconnect()
{
    const auto carrier = session_.lock();
    if (!carrier || state_ != state::open)
        return;
    carrier->send(protocol::socket_io::message_disconnect());
    carrier->flush();
    carrier->leave_name_space("server namespace disconnect");
}

void socket_impl::answer(std::uint64_t id, boost::json::array args)
{
    if (context_.server.current_thread() != thread_)
    {
        asio::post(
            executor_,
            [weak = weak_from_this(), id, late = std::move(args)]() mutable
            {
                if (const auto self = weak.lock())
                    static_cast<socket_impl&>(*self).answer(id, std::move(late));
            });
        return;
    }
    if (const auto carrier = session_.lock(); carrier && state_ == state::open)
        carrier->send(protocol::socket_io::message_ack(id, args));
}

void socket_impl::answer(net::shared_frame encoded)
{
    if (context_.server.current_thread() != thread_)
    {
        asio::post(
            executor_,
            [weak = weak_from_this(), late = std::move(encoded)]() mutable
            {
                if (const auto self = weak.lock())
                    static_cast<socket_impl&>(*self).answer(std::move(late));
            });
        return;
    }
    if (const auto carrier = session_.lock(); carrier && state_ == state::open)
        carrier->send(std::move(encoded));
}

void socket_impl::opened()
{
    ++context_.socket_count;
    if (state_ == state::closed)
        return;
    state_ = state::open;
    const auto carrier = session_.lock();
    if (!carrier)
        return;
    carrier->send(protocol::socket_io::message_connect({{"sid", id_}}));
    for (auto& frame : std::exchange(held_, {}))
        carrier->send(std::move(frame));
}

void socket_impl::finish_closing(std::string_view reason)
{
    --context_.socket_count;
    while (!awaited_.empty())
        settle(awaited_.begin()->first, fail(errc::closed, "RPC target disconnected"));
    context_.rules.on_disconnect(*this, reason);
}

} // namespace consortium::relay
