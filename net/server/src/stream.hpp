#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace consortium::net
{
namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using boost::system::error_code;

using write_handler = std::move_only_function<void(error_code, std::size_t)>;

/// A TCP connection, with TLS or without.
class stream
{
public:
    explicit stream(tcp::socket socket);
    stream(tcp::socket socket, std::shared_ptr<asio::ssl::context> tls);
    stream(stream&&) noexcept;
    stream& operator=(stream&&) noexcept;
    ~stream();

    asio::any_io_executor executor();
    bool is_tls() const noexcept;

    /// Nothing to do without TLS.
    asio::awaitable<error_code> accept_tls();

    /// At least one byte, or an error; the peer's orderly end is asio::error::eof.
    asio::awaitable<std::pair<error_code, std::size_t>> read_some(asio::mutable_buffer into);
    /// Some of `from`, which must live until `done` is called.
    void write_some(std::span<const asio::const_buffer> from, write_handler done);
    asio::awaitable<error_code> write_all(std::span<asio::const_buffer> from);

    /// Calls `then` when there is something to read, or nothing ever again; not after `cancelled` was emitted.
    void wait_readable(asio::cancellation_slot cancelled, std::move_only_function<void()> then);
    /// The peer has ended its side. It may have said more before that has not been read.
    bool peer_has_ended();

    void shutdown_send();
    void close();
    tcp::socket& socket();

private:
    struct tls_stream;
    std::optional<tcp::socket> plain_;
    std::unique_ptr<tls_stream> tls_;
};

/// Splits what `written` bytes leave over.
std::span<asio::const_buffer> drop_written(std::span<asio::const_buffer> from, std::size_t written);

} // namespace consortium::net
