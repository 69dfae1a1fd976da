#pragma once
#include "consortium/common/error.hpp"
#include "consortium/common/limits.hpp"
#include "consortium/common/places.hpp"
#include "consortium/net/http.hpp"
#include "consortium/net/websocket.hpp"
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace consortium::net
{
namespace asio = boost::asio;

/// What is said to a request of which only the head is known.
struct admission
{
    /// The answer, without reading the body; none: it may go on.
    std::optional<http_response> refusal;
    /// A larger body is refused (413), by its announced size before a byte of it is read.
    std::size_t body_bytes_max = limits::http_body_bytes_max;
    /// Goes with the request, as http_request::admitted, and lives as long.
    std::shared_ptr<void> kept;
    /// Whoever asks has shown who it is: its connection is no stranger's any more.
    bool known = false;
    /// Called when who asked goes before it has taken the answer. Must not throw.
    std::function<void()> unheard;
};

/// What the program does with requests. Called on the connection's thread; several threads at once.
class http_handler
{
public:
    virtual ~http_handler() = default;

    /// Judges a request, one to become a WebSocket too, before a byte of its body is read. May put another address into
    /// `from`, for this request: whom a proxy speaks for.
    virtual admission admit(const http_request& head, connection_info& from) = 0;

    /// Answers one admitted request. The next one of the same connection is read after the answer went out. An
    /// exception is reported through `refuse(500)`.
    virtual asio::awaitable<http_response> handle(http_request request, connection_info from) = 0;

    /// Takes the WebSocket over, which an admitted request has become. The connection counts as open until the object
    /// is destroyed.
    virtual asio::awaitable<void>
    upgraded(http_request request, connection_info from, std::unique_ptr<websocket> connection) = 0;

    /// The answer to what cannot become a request: 400 (malformed), 413 (body), 426, 431 (header), 500 (exception),
    /// 501. `detail` is for people. The connection closes after it (not after a 500).
    virtual http_response refuse(unsigned status, std::string_view detail) = 0;

    /// What the connections of an address are counted by: bounds are those of all with the same text. Empty: they count
    /// among all alone.
    virtual std::string counted_as(const std::string& address) { return address; }
    /// A connection was refused, or an older one had to make room.
    virtual void crowded(place_table::crowd, const std::string& /*address*/) {}
};

struct http_server_options
{
    std::string address = "127.0.0.1"; ///< numeric
    std::uint16_t port = 0;            ///< 0: any free one, see http_server::port()
    std::size_t threads = 1;
    std::string certificate_file; ///< PEM chain; with key_file: TLS
    std::string key_file;         ///< PEM

    std::size_t connections_max = 16'000; ///< what comes above it makes a stranger go, or is closed at once
    std::size_t connections_per_address_max = std::numeric_limits<std::size_t>::max();
    /// Of those that have not shown who they are.
    std::size_t strangers_per_address_max = std::numeric_limits<std::size_t>::max();
    std::size_t strangers_max = std::numeric_limits<std::size_t>::max();
    std::size_t header_bytes_max = limits::http_header_bytes_max;
    std::size_t frame_bytes_max = limits::frame_bytes_max;
    std::size_t stranger_frame_bytes_max = limits::frame_bytes_max; ///< until websocket::set_known()
    /// From the connection, later from the first byte, to the end of the header.
    std::chrono::milliseconds header_timeout{10'000};
    std::chrono::milliseconds idle_timeout{75'000}; ///< between two requests
    /// A body is judged by so much time: each such span must bring as much as the rate asks for.
    std::chrono::milliseconds body_span{10'000};
    std::size_t body_bytes_per_second_min = 4096;
    std::chrono::milliseconds write_timeout{60'000}; ///< without any byte being taken

    /// Hears of what a task of a network thread threw and nobody caught: the task ended, the thread goes on. Must not
    /// throw. Default: a line on standard error.
    std::function<void(std::string_view what)> on_bug;
};

/// Listener and network threads. Each thread has its own io_context; a connection never changes thread.
class http_server
{
public:
    /// Binds and listens; nothing is accepted before start(). Errors: errc::io (address in use, no such address;
    /// one line that says which), errc::bad_request (certificate or key unreadable or not matching).
    static result<std::unique_ptr<http_server>> listen(http_server_options options);

    http_server(const http_server&) = delete;
    http_server& operator=(const http_server&) = delete;
    virtual ~http_server() = default; ///< stops at once, joins the threads

    virtual std::uint16_t port() const noexcept = 0;

    /// Runs the threads. `handler` must outlive the server.
    virtual void start(http_handler& handler) = 0;

    /// Before start() too: what runs on the threads besides connections.
    virtual std::size_t thread_count() const noexcept = 0;
    virtual void post(std::size_t thread, std::move_only_function<void()> task) = 0;
    virtual asio::any_io_executor executor(std::size_t thread) const = 0;
    /// The calling thread's index, when it is one of this server's.
    virtual std::optional<std::size_t> current_thread() const noexcept = 0;

    /// Reads certificate and key again, for the connections accepted from now on. On an error those that were read
    /// before stay. Without TLS nothing happens. Thread-safe.
    virtual result<void> reload_tls() = 0;

    /// Connections open now. Thread-safe.
    virtual std::size_t connection_count() const noexcept = 0;

    /// Stops accepting, ends idle connections, lets requests under way be answered (`Connection: close`), waits until
    /// no connection is open or `limit` has passed, then closes the rest. WebSockets are for the handler to close. The
    /// threads run on. Blocking; not from a network thread. True when nothing had to be cut.
    virtual bool drain(std::chrono::milliseconds limit) = 0;
    /// Stops and joins the threads. Pending coroutines are destroyed. Not from a network thread.
    virtual void stop() = 0;

protected:
    http_server() = default;
};

} // namespace consortium::net
