#pragma once
#include "consortium/common/error.hpp"
#include "consortium/common/ids.hpp"
#include "consortium/net/frame.hpp"
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// What the relay's rules see of the transport: connected Socket.IO sockets of the namespace `/`, whatever carries
/// them.
namespace consortium::relay
{
namespace asio = boost::asio;

class socket;

/// Bytes that a client sent, and the room that was taken for them: kept as long as they are.
struct attachments
{
    std::vector<std::string> each;
    std::shared_ptr<void> room;

    bool empty() const noexcept { return each.empty(); }
};

/// Of an event or an acknowledgement. Where bytes belong, `values` have a placeholder, one for each attachment.
struct arguments
{
    boost::json::array values;
    attachments bytes = {};
};

/// `42["name",arg]` encoded once, for any number of sockets.
net::shared_frame encode_event(std::string_view name, const boost::json::value& arg);

/// The body of every error answer: `{result:"error", message, code, retry}`.
boost::json::object error_ack(const error& reason);

/// The right to answer one event, once. An ack that was asked for and is dropped unanswered answers an errc::internal,
/// so that no client waits for ever. Move only. May be used and dropped on any thread; on a closed socket nothing
/// happens.
class ack
{
public:
    ack() = default; ///< nobody asked
    ack(std::weak_ptr<socket> to, std::uint64_t id) : to_(std::move(to)), id_(id), wanted_(true) {}
    ack(ack&& other) noexcept;
    ack& operator=(ack&& other) noexcept;
    ~ack();

    /// Whether the client asked for an answer that was not given yet.
    bool wanted() const noexcept { return wanted_; }
    /// Answers with one value: `43<id>[value]`. The second call does nothing. Goes out with the socket's next flush.
    void operator()(const boost::json::value& value);
    /// Answers with several, and with bytes.
    void operator()(arguments with);
    /// Answers error_ack(reason).
    void operator()(const error& reason);
    /// The same with a value given as JSON text. What is large is encoded where it was made, off the socket's thread.
    net::shared_frame encode(std::string_view json) const;
    void operator()(net::shared_frame encoded);

private:
    std::weak_ptr<socket> to_;
    std::uint64_t id_ = 0;
    bool wanted_ = false;
};

/// One connected client. Everything but the const identity is used on the socket's own thread only.
///
/// Output is queued, and written by flush(); flush once after all that belongs together. What is queued while the
/// transport delivers events is flushed after the last event that arrived with them. Something queued and never flushed
/// goes out at the end of the thread's current turn.
class socket : public std::enable_shared_from_this<socket>
{
public:
    using answer_callback = std::move_only_function<void(result<arguments>)>;

    socket(const socket&) = delete;
    socket& operator=(const socket&) = delete;
    virtual ~socket() = default;

    /// The Socket.IO sid. Thread-safe, like the three after it.
    virtual const std::string& id() const noexcept = 0;
    virtual std::size_t thread() const noexcept = 0;
    virtual const std::string& remote_address() const noexcept = 0;
    virtual asio::any_io_executor executor() const = 0;
    std::weak_ptr<socket> weak() { return weak_from_this(); }

    /// From on_connected() until the connection is gone or given up; else all output is ignored.
    virtual bool is_open() const noexcept = 0;

    /// Queues an event.
    virtual void emit(net::shared_frame encoded) = 0;
    virtual void emit(std::string_view name, const boost::json::value& arg) = 0;
    /// Queues an event that the client shall acknowledge. `answered` is called exactly once on this thread: with the
    /// ack's arguments, or errc::timeout, or errc::closed, or errc::overloaded at once when too many wait.
    virtual void emit_with_ack(
        std::string_view name, arguments args, std::chrono::milliseconds timeout, answer_callback answered) = 0;
    virtual void flush() = 0;
    /// Bytes queued and not yet taken by the operating system (or, when polling, by the client).
    virtual std::size_t queued_bytes() const noexcept = 0;

    /// Backpressure: no more events are delivered, TCP holds the client back, heartbeat deadlines stand still. Counted:
    /// reading goes on when every pause was resumed.
    virtual void pause_reading() = 0;
    virtual void resume_reading() = 0;

    /// Drops the connection without a Socket.IO goodbye: clients dial again by themselves. For shutdown, overload and
    /// internal errors. Queued output is still tried.
    virtual void close_transport(std::string_view reason) = 0;
    /// Sends `41`: clients do not dial again. For what is final (a revoked device).
    virtual void disconnect() = 0;

protected:
    socket() = default;
    friend class ack;
    /// From any thread.
    virtual void answer(std::uint64_t id, arguments with) = 0;
    virtual void answer(net::shared_frame encoded) = 0;
};

/// What the rules made of a client that they let in: it gets the socket's events, on the socket's thread. It lives as
/// long as the socket, and goes unheard if the connection breaks before on_connected().
class socket_listener
{
public:
    virtual ~socket_listener() = default;

    virtual account_id owner() const = 0;
    /// After `40{sid}` was queued and before the first event is delivered.
    virtual void on_connected() = 0;
    /// One event, strictly in the order of arrival. Must not block; what takes time is spawned, and holds the socket
    /// weakly.
    virtual void on_event(std::string_view name, arguments args, ack reply) = 0;
    /// All events that arrived together have been delivered: the place to submit what they gathered.
    virtual void on_events_delivered() = 0;
    /// Once, if on_connected() was called, in a turn of its own.
    virtual void on_disconnect(std::string_view reason) = 0;
};

/// Why a client is not let in.
struct connect_refusal
{
    /// What may pass (it says when to try again, or is nobody's fault but ours) closes the transport, so that the
    /// client dials again. Anything else is final: `44{"message": detail, "data": {code, retry:false}}`.
    error why;
    boost::json::object also; ///< said beside code and retry
};
using connect_answer = std::expected<std::unique_ptr<socket_listener>, connect_refusal>;

/// Implemented by the rules. Called on the socket's thread.
class socket_handler
{
public:
    virtual ~socket_handler() = default;

    /// A client asks to connect; `auth` is the object it sent (empty when none). `client` outlives the listener. Events
    /// that arrive meanwhile wait.
    virtual asio::awaitable<connect_answer> on_connect(socket& client, boost::json::object auth) = 0;
    /// Something of the rules threw; that connection ends. For the log.
    virtual void on_bug(std::string_view what) = 0;
};

} // namespace consortium::relay
