#include "stream.hpp"
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <netinet/tcp.h>

namespace consortium::net
{

struct stream::tls_stream
{
    tls_stream(tcp::socket socket, std::shared_ptr<asio::ssl::context> from)
        : context(std::move(from)), ssl(std::move(socket), *context)
    {
    }

    std::shared_ptr<asio::ssl::context> context;
    asio::ssl::stream<tcp::socket> ssl;
};

stream::stream(tcp::socket socket) : plain_(std::move(socket)) {}
stream::stream(tcp::socket socket, std::shared_ptr<asio::ssl::context> tls)
    : tls_(std::make_unique<tls_stream>(std::move(socket), std::move(tls)))
{
}
stream::stream(stream&&) noexcept = default;
stream& stream::operator=(stream&&) noexcept = default;
stream::~stream() = default;

tcp::socket& stream::socket()
{
    return tls_ ? tls_->ssl.next_layer() : *plain_;
}

asio::any_io_executor stream::executor()
{
    return socket().get_executor();
}

bool stream::is_tls() const noexcept
{
    return tls_ != nullptr;
}

asio::awaitable<error_code> stream::accept_tls()
{
    error_code failed;
    if (tls_)
        co_await tls_->ssl.async_handshake(
            asio::ssl::stream_base::server, asio::redirect_error(asio::use_awaitable, failed));
    co_return failed;
}

asio::awaitable<std::pair<error_code, std::size_t>> stream::read_some(asio::mutable_buffer into)
{
    if (tls_)
    {
        auto [failed, count] = co_await tls_->ssl.async_read_some(into, asio::as_tuple(asio::use_awaitable));
        if (failed == asio::ssl::error::stream_truncated)
            failed = asio::error::eof;
        co_return std::pair(failed, count);
    }
    const auto [failed, count] = co_await plain_->async_read_some(into, asio::as_tuple(asio::use_awaitable));
    co_return std::pair(failed, count);
}

void stream::write_some(std::span<const asio::const_buffer> from, write_handler done)
{
    if (tls_)
        tls_->ssl.async_write_some(from, std::move(done));
    else
        plain_->async_write_some(from, std::move(done));
}

std::span<asio::const_buffer> drop_written(std::span<asio::const_buffer> from, std::size_t written)
{
    while (!from.empty() && written >= from.front().size())
    {
        written -= from.front().size();
        from = from.subspan(1);
    }
    if (written > 0)
        from.front() += written;
    return from;
}

asio::awaitable<error_code> stream::write_all(std::span<asio::const_buffer> from)
{
    from = drop_written(from, 0);
    while (!from.empty())
    {
        const std::span<const asio::const_buffer> rest = from;
        auto [failed, count] = co_await (
            tls_ ? tls_->ssl.async_write_some(rest, asio::as_tuple(asio::use_awaitable))
                 : plain_->async_write_some(rest, asio::as_tuple(asio::use_awaitable)));
        if (failed)
            co_return failed;
        from = drop_written(from, count);
    }
    co_return error_code{};
}

void stream::wait_readable(asio::cancellation_slot cancelled, std::move_only_function<void()> then)
{
    socket().async_wait(
        tcp::socket::wait_read, asio::bind_cancellation_slot(
                                    cancelled,
                                    [then = std::move(then)](error_code failed) mutable
                                    {
                                        if (!failed)
                                            then();
                                    }));
}

bool stream::peer_has_ended()
{
    // Reading would not tell: what was sent before the end comes first, and with TLS its farewell does.
    tcp_info about{};
    socklen_t size = sizeof(about);
    return ::getsockopt(socket().native_handle(), IPPROTO_TCP, TCP_INFO, &about, &size) != 0 ||
           about.tcpi_state != TCP_ESTABLISHED;
}

void stream::shutdown_send()
{
    error_code ignored;
    socket().shutdown(tcp::socket::shutdown_send, ignored);
}

void stream::close()
{
    error_code ignored;
    socket().close(ignored);
}

} // namespace consortium::net
