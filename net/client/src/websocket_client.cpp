#include "consortium/net/websocket_client.hpp"
#include "consortium/common/printable.hpp"
#include "dial.hpp"
#include "tls.hpp"
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <deque>
#include <optional>
#include <utility>

namespace consortium::net
{
namespace ws = beast::websocket;
namespace
{
using boost::system::error_code;

/// A refusal shows at most so much of the server's text.
constexpr std::size_t shown_bytes_max = 300;
constexpr std::size_t shown_characters_max = 60;
/// What reading keeps after a large message.
constexpr std::size_t input_bytes_usual_max = 64u << 10;
/// Masked and written at a time.
constexpr std::size_t output_bytes = 64u << 10;
constexpr std::chrono::seconds write_timeout{60}; ///< for one message to be taken
constexpr std::chrono::seconds close_timeout{2};  ///< for the peer's answer to our close frame

error refusal(const ws::response_type& answer)
{
    return {
        errc::unavailable,
        "no WebSocket was opened: HTTP " + std::to_string(answer.result_int()) + " " +
            printable(std::string_view(answer.body()).substr(0, shown_bytes_max), shown_characters_max),
        {}};
}

/// Of the handshake.
error trouble(const error_code& failed, const ws::response_type& answer)
{
    if (failed == ws::error::upgrade_declined)
        return refusal(answer);
    if (failed == beast::error::timeout)
        return {errc::timeout, "the server did not answer in time", {}};
    if (failed == ws::condition::handshake_failed)
        return {errc::corrupt, "the server's WebSocket handshake is wrong: " + failed.message(), {}};
    return {errc::closed, "the connection broke before a WebSocket was opened: " + failed.message(), {}};
}

/// The state of one WebSocket. Kept alive by what is under way; the handle that users own is apart.
template <class Next>
class socket_state : public std::enable_shared_from_this<socket_state<Next>>
{
public:
    using shared = std::shared_ptr<socket_state>;

    socket_state(Next next, std::shared_ptr<asio::ssl::context> tls)
        : tls_(std::move(tls)), stream_(std::move(next)), write_limit_(stream_.get_executor())
    {
    }

    static asio::awaitable<result<void>>
    shake_hands(shared self, url to, http_headers headers, client_options options, time_point give_up_at);
    static asio::awaitable<result<websocket_message>> read(shared self);
    void send(std::string_view payload);
    std::size_t queued_bytes() const noexcept { return queued_; }
    void close(close_code code, std::string_view reason);
    void abort() { fail_with({errc::closed, "aborted here", {}}); }
    bool is_open() const noexcept { return !over_; }
    asio::any_io_executor executor() { return stream_.get_executor(); }
    /// The user's handle is gone: nobody will read any more.
    void release()
    {
        if (!goodbye_)
            abort();
    }

private:
    /// Writes what is queued, then the close frame if there is to be one.
    static asio::awaitable<void> write(shared self);
    void start_writing();
    error describe(const error_code& failed);
    /// The first reason stands.
    void fail_with(error reason);

    std::shared_ptr<asio::ssl::context> tls_;
    ws::stream<Next, /*deflateSupported=*/false> stream_;
    beast::flat_buffer input_;
    std::deque<std::string> output_;
    std::size_t queued_ = 0;
    bool writing_ = false;
    asio::steady_timer write_limit_;
    std::optional<ws::close_reason> goodbye_;
    /// Why there is nothing more to read.
    std::optional<error> over_;
};

template <class Next>
asio::awaitable<result<void>> socket_state<Next>::shake_hands(
    shared self, url to, http_headers headers, client_options options, time_point give_up_at)
{
    auto& stream = self->stream_;
    // From here on the WebSocket's own limits count.
    beast::get_lowest_layer(stream).expires_never();
    stream.set_option(
        ws::stream_base::timeout{give_up_at - std::chrono::steady_clock::now(), options.silence_max, true});
    stream.set_option(ws::stream_base::decorator(
        [&headers](ws::request_type& request)
        {
            for (const auto& field : headers)
                request.set(field_value(field.name), field_value(field.value));
        }));
    stream.read_message_max(options.response_bytes_max);
    stream.auto_fragment(false);
    stream.write_buffer_bytes(output_bytes);
    ws::response_type answer;
    const auto [failed] =
        co_await stream.async_handshake(answer, to.authority(), to.target, asio::as_tuple(asio::use_awaitable));
    if (failed)
        co_return std::unexpected(trouble(failed, answer));
    stream.set_option(ws::stream_base::timeout{close_timeout, options.silence_max, true});
    co_return result<void>();
}

template <class Next>
asio::awaitable<result<websocket_message>> socket_state<Next>::read(shared self)
{
    auto& input = self->input_;
    input.consume(input.size());
    if (input.capacity() > input_bytes_usual_max)
        input.shrink_to_fit();
    if (self->over_)
        co_return std::unexpected(*self->over_);
    const auto [failed, count] = co_await self->stream_.async_read(input, asio::as_tuple(asio::use_awaitable));
    if (failed)
        self->fail_with(self->describe(failed));
    if (self->over_)
        co_return std::unexpected(*self->over_);
    using kind = websocket_message::kind;
    co_return websocket_message{
        self->stream_.got_binary() ? kind::binary : kind::text,
        std::string_view(static_cast<const char*>(input.data().data()), input.size())};
}

template <class Next>
error socket_state<Next>::describe(const error_code& failed)
{
    if (failed == ws::error::closed)
    {
        const auto& said = stream_.reason();
        std::string detail = "the peer closed the WebSocket";
        if (said.code != ws::close_code::none)
            detail += ": " + std::to_string(said.code);
        if (!said.reason.empty())
            detail.append(" ").append(said.reason.data(), said.reason.size());
        return {errc::closed, std::move(detail), {}};
    }
    // Whichever operation comes first is told of the time-out, be it one of the stream's own; to the others the socket
    // is gone.
    if (failed == beast::error::timeout || failed == asio::error::operation_aborted ||
        failed == asio::error::bad_descriptor)
        return {errc::timeout, "the server has fallen silent", {}};
    if (failed == ws::error::message_too_big || failed == ws::error::buffer_overflow)
        return {errc::too_large, "the message is too large", {}};
    if (failed == ws::condition::protocol_violation)
        return {errc::bad_request, "the server broke the protocol: " + failed.message(), {}};
    if (failed == asio::error::eof || failed == asio::ssl::error::stream_truncated)
        return {errc::closed, "the connection was closed without a close frame", {}};
    return {errc::io, failed.message(), {}};
}

template <class Next>
void socket_state<Next>::send(std::string_view payload)
{
    if (over_)
        return;
    queued_ += payload.size();
    output_.emplace_back(payload);
    start_writing();
}

template <class Next>
void socket_state<Next>::start_writing()
{
    if (!std::exchange(writing_, true))
        asio::co_spawn(stream_.get_executor(), write(this->shared_from_this()), asio::detached);
}

template <class Next>
asio::awaitable<void> socket_state<Next>::write(shared self)
{
    while (!self->output_.empty())
    {
        self->write_limit_.expires_after(write_timeout);
        self->write_limit_.async_wait(
            [weak = std::weak_ptr(self)](const error_code& cancelled)
            {
                if (const auto held = weak.lock(); held && !cancelled)
                    held->fail_with({errc::io, "the peer takes no more bytes", {}});
            });
        const auto [failed, count] = co_await self->stream_.async_write(
            asio::buffer(self->output_.front()), asio::as_tuple(asio::use_awaitable));
        self->write_limit_.cancel();
        if (failed)
        {
            self->fail_with(self->describe(failed));
            self->output_.clear();
            self->queued_ = 0;
            co_return;
        }
        self->queued_ -= self->output_.front().size();
        self->output_.pop_front();
    }
    self->writing_ = false;
    if (!self->goodbye_ || !self->stream_.is_open())
        co_return;
    error_code ignored;
    co_await self->stream_.async_close(*self->goodbye_, asio::redirect_error(asio::use_awaitable, ignored));
}

template <class Next>
void socket_state<Next>::close(close_code code, std::string_view reason)
{
    if (over_)
        return;
    // A close frame carries 125 bytes, two of which are the code (RFC 6455 section 5.5).
    const auto shown = reason.substr(0, 123);
    goodbye_ = ws::close_reason(static_cast<ws::close_code>(code), {shown.data(), shown.size()});
    over_ = error{errc::closed, reason.empty() ? "closed here" : std::string(reason), {}};
    start_writing();
}

template <class Next>
void socket_state<Next>::fail_with(error reason)
{
    if (!over_)
        over_ = std::move(reason);
    beast::get_lowest_layer(stream_).close();
}

template <class Next>
class websocket_handle final : public client_websocket
{
public:
    explicit websocket_handle(std::shared_ptr<socket_state<Next>> state) : state_(std::move(state)) {}
    ~websocket_handle() override { state_->release(); }

    asio::awaitable<result<websocket_message>> read() override { return socket_state<Next>::read(state_); }
    void send(std::string_view payload) override { state_->send(payload); }
    std::size_t queued_bytes() const noexcept override { return state_->queued_bytes(); }
    void close(close_code code, std::string_view reason) override { state_->close(code, reason); }
    void abort() override { state_->abort(); }
    bool is_open() const noexcept override { return state_->is_open(); }
    asio::any_io_executor executor() const override { return state_->executor(); }

private:
    std::shared_ptr<socket_state<Next>> state_;
};

template <class Next>
asio::awaitable<result<std::unique_ptr<client_websocket>>> open_over(
    Next next, std::shared_ptr<asio::ssl::context> tls, url to, http_headers headers, client_options options,
    time_point give_up_at)
{
    const auto state = std::make_shared<socket_state<Next>>(std::move(next), std::move(tls));
    const auto opened = co_await socket_state<Next>::shake_hands(
        state, std::move(to), std::move(headers), std::move(options), give_up_at);
    if (!opened)
        co_return std::unexpected(opened.error());
    co_return std::make_unique<websocket_handle<Next>>(state);
}
} // namespace

asio::awaitable<result<std::unique_ptr<client_websocket>>>
connect_websocket(std::string address, http_headers headers, client_options options)
{
    const auto executor = co_await asio::this_coro::executor;
    const auto to = parse_url(address);
    if (!to)
        co_return std::unexpected(to.error());
    std::shared_ptr<asio::ssl::context> tls;
    if (to->tls)
    {
        auto made = make_client_tls(options.extra_ca_file);
        if (!made)
            co_return std::unexpected(made.error());
        tls = std::move(*made);
    }
    const auto give_up_at = std::chrono::steady_clock::now() + options.connect_timeout;
    auto made = co_await dial(executor, *to, std::move(tls), options.proxies, give_up_at);
    if (!made)
        co_return std::unexpected(made.error());
    co_return co_await std::visit(
        [&](auto& stream)
        { return open_over(std::move(stream), made->tls, *to, std::move(headers), std::move(options), give_up_at); },
        made->stream);
}

} // namespace consortium::net
