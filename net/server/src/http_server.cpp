#include "consortium/net/http_server.hpp"
#include "deadline.hpp"
#include "http_reader.hpp"
#include "stream.hpp"
#include "tls.hpp"
#include "websocket_connection.hpp"
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdio>
#include <ctime>
#include <thread>
#include <unordered_set>
#include <vector>

namespace consortium::net
{
namespace
{
/// Most connections only ever need the smaller buffer, and they are many.
constexpr std::size_t buffer_bytes_min = 2u << 10;
constexpr std::size_t buffer_bytes_max = 64u << 10;
/// They are many too, and may mean no good.
constexpr std::size_t stranger_buffer_bytes_max = 16u << 10;
/// The body of a refused request is read away up to this size.
constexpr std::size_t discarded_bytes_max = 64u << 10;
/// After a refusal the rest of the request is read away for so long, lest a reset destroy the answer.
constexpr std::chrono::milliseconds linger_time{2'000};

class server_impl;

/// What of a server the calling thread runs.
struct thread_identity
{
    const server_impl* server = nullptr;
    std::size_t index = 0;
};
thread_local thread_identity current;

/// Lets us end what is pending while the objects that refer to it still live.
class network_context : public asio::io_context
{
public:
    network_context() : asio::io_context(1) {}
    void destroy_pending() { asio::io_context::shutdown(); }
};

class connection;

struct network_thread
{
    network_context context;
    asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
    std::thread thread;
    /// Touched on the thread alone.
    std::unordered_set<connection*> connections;
    std::unordered_set<websocket_core*> websockets;
};

/// Whether a body comes fast enough, whatever came before: each span must bring its part.
class body_pace
{
public:
    using clock = std::chrono::steady_clock;

    body_pace(std::chrono::milliseconds span, std::size_t bytes_per_second_min)
        : span_(span), least_(bytes_per_second_min * static_cast<std::size_t>(span.count()) / 1000)
    {
    }

    /// False: too slow. Call at least once in each span.
    bool received(std::size_t bytes, clock::time_point now)
    {
        if (now >= began_ + span_)
        {
            if (bytes_ < least_)
                return false;
            began_ = now;
            bytes_ = 0;
        }
        bytes_ += bytes;
        return true;
    }
    /// After so long without a byte it will have been too slow.
    std::chrono::milliseconds patience(clock::time_point now) const
    {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(began_ + span_ - now);
        return bytes_ < least_ ? left : left + span_;
    }

private:
    std::chrono::milliseconds span_;
    std::size_t least_;
    clock::time_point began_ = clock::now();
    std::size_t bytes_ = 0;
};

/// One accepted connection until it ends or becomes a WebSocket.
class connection : public std::enable_shared_from_this<connection>
{
public:
    connection(
        server_impl& server, std::size_t thread, stream channel, connection_info from,
        std::unique_ptr<place_table::place> place);
    ~connection();

    asio::awaitable<void> run();
    /// The connection is closed when it has to make room.
    void stand_ready_to_leave();
    /// Nothing more is answered after what is under way.
    void wind_down();
    void cut()
    {
        if (!upgraded_)
            channel_.close();
    }

private:
    asio::awaitable<bool> read_more();
    asio::awaitable<bool> receive(request_reader& reader);
    asio::awaitable<bool> receive_body(request_reader& reader);
    /// Asks the handler about the head. False: it was refused, and the connection is to be closed.
    asio::awaitable<bool> admit(request_reader& reader);
    asio::awaitable<void> refuse(unsigned status, std::string_view detail, bool head);
    asio::awaitable<bool> respond(http_response response, bool head, bool keep_alive);
    asio::awaitable<http_response> handle(http_request request);
    asio::awaitable<bool> answer(request_reader& reader);
    asio::awaitable<bool> upgrade(request_reader& reader);
    static asio::awaitable<void>
    serve(http_handler& handler, http_request request, connection_info from, std::unique_ptr<websocket> opened);
    asio::awaitable<void> linger();

    server_impl& server_;
    std::size_t thread_;
    stream channel_;
    connection_info from_;
    deadline deadline_;
    std::shared_ptr<place_table::place> place_;
    /// Of the request under way.
    connection_info asking_;
    admission admission_;
    std::string buffer_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    bool idle_ = true;
    bool first_ = true;
    bool timed_out_ = false;
    bool upgraded_ = false;
};

class server_impl final : public http_server
{
public:
    server_impl(http_server_options options, std::shared_ptr<asio::ssl::context> tls)
        : options_(std::move(options)),
          tls_(std::move(tls)),
          places_(
              {.all = options_.connections_max,
               .each = options_.connections_per_address_max,
               .strangers = options_.strangers_per_address_max,
               .strangers_all = options_.strangers_max})
    {
        if (!options_.on_bug)
            options_.on_bug = [](std::string_view what)
            { std::fprintf(stderr, "a network task failed: %.*s\n", static_cast<int>(what.size()), what.data()); };
        for (std::size_t i = 0; i < std::max<std::size_t>(options_.threads, 1); ++i)
            threads_.push_back(std::make_unique<network_thread>());
    }
    ~server_impl() override { stop(); }

    result<void> open();
    std::uint16_t port() const noexcept override { return port_; }
    void start(http_handler& handler) override;
    std::size_t thread_count() const noexcept override { return threads_.size(); }
    void post(std::size_t thread, std::move_only_function<void()> task) override
    {
        asio::post(threads_[thread]->context, std::move(task));
    }
    asio::any_io_executor executor(std::size_t thread) const override
    {
        return threads_[thread]->context.get_executor();
    }
    std::optional<std::size_t> current_thread() const noexcept override
    {
        return current.server == this ? std::optional(current.index) : std::nullopt;
    }
    result<void> reload_tls() override;
    std::size_t connection_count() const noexcept override { return places_.count(); }
    bool drain(std::chrono::milliseconds limit) override;
    void stop() override;

    const http_server_options& options() const noexcept { return options_; }
    http_handler& handler() noexcept { return *handler_; }
    bool draining() const noexcept { return draining_; }
    network_thread& at(std::size_t thread) noexcept { return *threads_[thread]; }
    void report(std::exception_ptr bug) noexcept;

private:
    void run(network_context& context);
    asio::awaitable<void> accept();
    void adopt(std::size_t thread, tcp::socket socket, connection_info from, std::unique_ptr<place_table::place> place);

    http_server_options options_;
    std::atomic<std::shared_ptr<asio::ssl::context>> tls_; ///< nullptr: none
    place_table places_;
    std::vector<std::unique_ptr<network_thread>> threads_;
    std::optional<tcp::acceptor> acceptor_;
    std::uint16_t port_ = 0;
    http_handler* handler_ = nullptr;
    std::atomic<bool> draining_ = false;
    bool started_ = false;
    bool stopped_ = false;
};

/// RFC 9110 section 5.6.7.
std::string http_date()
{
    const auto now = std::time(nullptr);
    thread_local std::time_t last = 0;
    thread_local std::string text;
    if (now != last)
    {
        std::tm parts{};
        gmtime_r(&now, &parts);
        std::array<char, 40> out{};
        const auto size = std::strftime(out.data(), out.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
        text.assign(out.data(), size);
        last = now;
    }
    return text;
}

/// A field cannot smuggle in another one.
void append_field(std::string& out, std::string_view name, std::string_view value)
{
    out.append(name).append(": ");
    for (const char c : value)
        out += c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
    out += "\r\n";
}

std::string response_head(const http_response& response, std::size_t body_size, bool keep_alive)
{
    std::string out;
    out.reserve(512);
    out.append("HTTP/1.1 ").append(std::to_string(response.status)).append(" ");
    out.append(reason_phrase(response.status)).append("\r\n");
    for (const auto& field : response.headers)
        append_field(out, field.name, field.value);
    // RFC 9110 section 8.6.
    if (response.status >= 200 && response.status != 204)
        append_field(out, "Content-Length", std::to_string(body_size));
    append_field(out, "Date", http_date());
    append_field(out, "Connection", keep_alive ? "keep-alive" : "close");
    out += "\r\n";
    return out;
}

connection::connection(
    server_impl& server, std::size_t thread, stream channel, connection_info from,
    std::unique_ptr<place_table::place> place)
    : server_(server),
      thread_(thread),
      channel_(std::move(channel)),
      from_(std::move(from)),
      deadline_(
          channel_.executor(),
          [this]
          {
              timed_out_ = true;
              channel_.close();
          }),
      place_(std::move(place))
{
    server_.at(thread_).connections.insert(this);
}

connection::~connection()
{
    server_.at(thread_).connections.erase(this);
}

void connection::stand_ready_to_leave()
{
    place_->on_leave(
        [executor = channel_.executor(), weak = weak_from_this()]
        {
            asio::post(
                executor,
                [weak]
                {
                    if (const auto self = weak.lock())
                        self->cut();
                });
        });
}

void connection::wind_down()
{
    if (idle_)
        channel_.close();
}

asio::awaitable<bool> connection::read_more()
{
    const bool was_filled = end_ == buffer_.size();
    std::copy(
        buffer_.begin() + static_cast<std::ptrdiff_t>(begin_), buffer_.begin() + static_cast<std::ptrdiff_t>(end_),
        buffer_.begin());
    end_ -= begin_;
    begin_ = 0;
    // A peer that fills the buffer has more to say.
    const auto most = place_->is_known() ? buffer_bytes_max : stranger_buffer_bytes_max;
    if (was_filled && buffer_.size() < most)
        buffer_.resize(std::clamp(2 * buffer_.size(), buffer_bytes_min, most));
    // What is left over belongs to a header or a chunk's size, so the buffer is bounded by those.
    if (end_ == buffer_.size())
        buffer_.resize(end_ + buffer_bytes_min);
    const auto [failed, count] =
        co_await channel_.read_some(asio::buffer(buffer_.data() + end_, buffer_.size() - end_));
    end_ += count;
    co_return !failed;
}

/// Reads one request. False: the connection is to be closed (an answer, where one is due, has been sent).
asio::awaitable<bool> connection::receive(request_reader& reader)
{
    const auto& options = server_.options();
    const auto self = shared_from_this();
    idle_ = begin_ == end_;
    if (idle_)
    {
        if (server_.draining())
            co_return false;
        if (buffer_.size() > buffer_bytes_min)
        {
            begin_ = end_ = 0;
            std::string().swap(buffer_);
        }
        // A new connection has the time of a header for all of its first one.
        if (!first_)
            deadline_.arm(self, options.idle_timeout);
        if (!co_await read_more())
            co_return false;
        idle_ = false;
    }
    if (!std::exchange(first_, false))
        deadline_.arm(self, options.header_timeout);
    while (true)
    {
        std::size_t used = 0;
        const auto state = reader.feed(std::string_view(buffer_).substr(begin_, end_ - begin_), used);
        begin_ += used;
        if (state == read_state::header_done)
            break;
        if (state == read_state::failed)
        {
            co_await refuse(reader.status(), reader.detail(), reader.request().method == "HEAD");
            co_return false;
        }
        if (!co_await read_more())
            co_return false;
    }
    co_return co_await admit(reader) && co_await receive_body(reader);
}

asio::awaitable<bool> connection::admit(request_reader& reader)
{
    const auto& head = reader.request();
    asking_ = from_;
    try
    {
        admission_ = server_.handler().admit(head, asking_);
    }
    catch (const std::exception& thrown)
    {
        admission_ = {};
        admission_.refusal = server_.handler().refuse(500, thrown.what());
    }
    if (admission_.known)
        place_->set_known();
    if (!admission_.refusal)
    {
        reader.limit_body(admission_.body_bytes_max);
        if (reader.expects_continue() && begin_ == end_ && head.body_size.value_or(0) <= admission_.body_bytes_max)
        {
            std::array<asio::const_buffer, 1> interim{asio::buffer("HTTP/1.1 100 Continue\r\n\r\n", 25)};
            co_return !co_await channel_.write_all(interim);
        }
        co_return true;
    }
    // A small rest is read away behind the answer, so that the connection can be used again.
    const bool goes_on = !reader.expects_continue() && head.body_size && *head.body_size <= discarded_bytes_max &&
                         reader.keep_alive() && !admission_.refusal->close && !server_.draining();
    reader.discard_body(discarded_bytes_max);
    if (!co_await respond(std::move(*admission_.refusal), head.method == "HEAD", goes_on))
        co_return false;
    if (!goes_on)
        co_await linger();
    co_return goes_on;
}

asio::awaitable<bool> connection::receive_body(request_reader& reader)
{
    const auto self = shared_from_this();
    body_pace pace(server_.options().body_span, server_.options().body_bytes_per_second_min);
    while (true)
    {
        std::size_t used = 0;
        const auto state = reader.feed(std::string_view(buffer_).substr(begin_, end_ - begin_), used);
        begin_ += used;
        if (state == read_state::done)
        {
            deadline_.disarm();
            co_return true;
        }
        if (state == read_state::failed)
        {
            co_await refuse(reader.status(), reader.detail(), reader.request().method == "HEAD");
            co_return false;
        }
        const auto now = body_pace::clock::now();
        if (!pace.received(used, now))
            co_return false;
        deadline_.arm(self, pace.patience(now));
        if (!co_await read_more())
            co_return false;
    }
}

asio::awaitable<void> connection::refuse(unsigned status, std::string_view detail, bool head)
{
    auto response = server_.handler().refuse(status, detail);
    response.close = true;
    if (co_await respond(std::move(response), head, /*keep_alive=*/false))
        co_await linger();
}

asio::awaitable<void> connection::linger()
{
    channel_.shutdown_send();
    deadline_.arm(shared_from_this(), linger_time);
    do
        begin_ = end_ = 0;
    while (co_await read_more());
}

asio::awaitable<bool> connection::respond(http_response response, bool head, bool keep_alive)
{
    const auto body = view(response.body);
    const auto header = response_head(response, body.size(), keep_alive);
    const bool bodiless = head || response.status == 204 || response.status == 304 || response.status < 200;
    std::array<asio::const_buffer, 2> parts{
        asio::buffer(header), bodiless ? asio::const_buffer{} : asio::buffer(body.data(), body.size())};
    std::span<asio::const_buffer> rest = drop_written(parts, 0);
    while (!rest.empty())
    {
        // Each part must be taken in time, not the whole.
        std::array<asio::const_buffer, 2> some{};
        std::size_t size = 0;
        std::size_t count = 0;
        for (const auto& part : rest)
        {
            some[count++] = asio::buffer(part, (256u << 10) - size);
            size += some[count - 1].size();
        }
        deadline_.arm(shared_from_this(), server_.options().write_timeout);
        if (co_await channel_.write_all(std::span(some).first(count)))
            co_return false;
        rest = drop_written(rest, size);
    }
    deadline_.disarm();
    co_return true;
}

asio::awaitable<bool> connection::upgrade(request_reader& reader)
{
    const auto& request = reader.request();
    std::optional<http_response> refusal;
    const auto version = request.header("Sec-WebSocket-Version");
    const auto key = request.header("Sec-WebSocket-Key");
    if (request.method != "GET" || !key || key->size() != 24 || !request.body.empty())
    {
        refusal = server_.handler().refuse(400, "Malformed WebSocket handshake");
    }
    else if (version != "13")
    {
        refusal = server_.handler().refuse(426, "WebSocket version 13 is wanted");
        refusal->headers.set("Sec-WebSocket-Version", "13");
    }
    else if (const auto why = place_->move_to(server_.handler().counted_as(asking_.remote_address));
             why != place_table::crowd::none)
    {
        server_.handler().crowded(why, asking_.remote_address);
        refusal = server_.handler().refuse(429, "too many connections from this address");
    }
    if (refusal)
    {
        const bool keep_alive = reader.keep_alive() && !server_.draining() && !refusal->close;
        co_return co_await respond(std::move(*refusal), /*head=*/false, keep_alive) && keep_alive;
    }

    const std::string head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             "Sec-WebSocket-Accept: " +
                             accept_key(*key) + "\r\n\r\n";
    std::array<asio::const_buffer, 1> parts{asio::buffer(head)};
    deadline_.arm(shared_from_this(), server_.options().write_timeout);
    if (co_await channel_.write_all(parts))
        co_return false;
    deadline_.cancel();

    upgraded_ = true;
    // What came behind the header, and no more room than that.
    std::string early(buffer_, begin_, end_ - begin_);
    std::string().swap(buffer_);
    const auto& options = server_.options();
    websocket_settings settings;
    settings.known_message_bytes_max = options.frame_bytes_max;
    settings.message_bytes_max = admission_.known ? options.frame_bytes_max : options.stranger_frame_bytes_max;
    settings.write_timeout = options.write_timeout;
    auto& websockets = server_.at(thread_).websockets;
    auto core = std::make_shared<websocket_core>(std::move(channel_), std::move(early), settings);
    core->hold(std::move(place_));
    websockets.insert(core.get());
    // Leaves the list on this thread when the connection ends.
    core->on_end([key_of = core.get(), list = &websockets] { list->erase(key_of); });
    auto request_taken = reader.take();
    request_taken.admitted = std::move(admission_.kept);
    // On its own: what an HTTP connection needs is not kept for a WebSocket's life.
    asio::co_spawn(
        core->executor(), serve(server_.handler(), std::move(request_taken), std::move(asking_), make_websocket(core)),
        [server = &server_](std::exception_ptr bug) { server->report(std::move(bug)); });
    co_return false;
}

asio::awaitable<void>
connection::serve(http_handler& handler, http_request request, connection_info from, std::unique_ptr<websocket> opened)
{
    try
    {
        // In two statements: the request is not kept while the WebSocket lives.
        auto serving = handler.upgraded(std::move(request), std::move(from), std::move(opened));
        co_await std::move(serving);
    }
    catch (const std::exception& thrown)
    {
        handler.refuse(500, thrown.what());
    }
}

asio::awaitable<http_response> connection::handle(http_request request)
{
    request.admitted = std::move(admission_.kept);
    std::optional<std::string> thrown_text;
    // Whoever waits for an answer is not asked to make room.
    place_->set_busy(true);
    try
    {
        auto response = co_await server_.handler().handle(std::move(request), asking_);
        place_->set_busy(false);
        co_return response;
    }
    catch (const std::exception& thrown)
    {
        thrown_text = thrown.what();
    }
    place_->set_busy(false);
    co_return server_.handler().refuse(500, *thrown_text);
}

asio::awaitable<bool> connection::answer(request_reader& reader)
{
    // It was answered on its header.
    if (admission_.refusal)
        co_return true;
    if (reader.request().upgrade)
        co_return co_await upgrade(reader);
    const bool wants_more = reader.keep_alive();
    const bool head = reader.request().method == "HEAD";
    auto response = co_await handle(reader.take());
    const bool keep_alive = wants_more && !response.close && !server_.draining();
    if (!co_await respond(std::move(response), head, keep_alive))
        co_return false;
    if (!keep_alive)
        co_await linger();
    co_return keep_alive;
}

asio::awaitable<void> connection::run()
{
    const auto self = shared_from_this();
    deadline_.arm(self, server_.options().header_timeout);
    if (const auto failed = co_await channel_.accept_tls())
        co_return;
    while (true)
    {
        request_reader reader(server_.options().header_bytes_max);
        if (!co_await receive(reader))
            break;
        if (!co_await answer(reader))
            break;
    }
    deadline_.cancel();
    if (!upgraded_)
        channel_.close();
}

result<void> server_impl::open()
{
    error_code failed;
    const auto address = asio::ip::make_address(options_.address, failed);
    const auto place = options_.address + ":" + std::to_string(options_.port);
    if (failed)
        return fail(errc::bad_request, "cannot listen on " + place + ": not a numeric address");
    acceptor_.emplace(threads_.front()->context);
    const tcp::endpoint endpoint(address, options_.port);
    acceptor_->open(endpoint.protocol(), failed);
    if (!failed)
        acceptor_->set_option(tcp::acceptor::reuse_address(true), failed);
    if (!failed)
        acceptor_->bind(endpoint, failed);
    if (!failed)
        acceptor_->listen(4096, failed);
    if (failed)
    {
        const bool taken = failed == asio::error::address_in_use;
        return fail(
            errc::io, "cannot listen on " + place + ": " + failed.message() +
                          (taken ? " (does another program run there?)" : ""));
    }
    port_ = acceptor_->local_endpoint(failed).port();
    return {};
}

void server_impl::start(http_handler& handler)
{
    CONSORTIUM_ASSERT(!started_);
    started_ = true;
    handler_ = &handler;
    asio::co_spawn(threads_.front()->context, accept(), asio::detached);
    for (std::size_t i = 0; i < threads_.size(); ++i)
    {
        threads_[i]->thread = std::thread(
            [this, i]
            {
                current = {this, i};
                run(threads_[i]->context);
                current = {};
            });
    }
}

/// Until stop(). An exception leaves run() behind the task that threw it: the next one follows.
void server_impl::run(network_context& context)
{
    for (;;)
        try
        {
            context.run();
            return;
        }
        catch (...)
        {
            report(std::current_exception());
        }
}

/// Nothing that a task throws may end the process.
void server_impl::report(std::exception_ptr bug) noexcept
{
    try
    {
        if (bug)
            std::rethrow_exception(std::move(bug));
    }
    catch (const std::exception& thrown)
    {
        options_.on_bug(thrown.what());
    }
    catch (...)
    {
        options_.on_bug("an exception of no known type");
    }
}

namespace
{
/// What ends a listener; everything else that accept() says is about one connection, or passes.
bool listens_no_more(const error_code& failed)
{
    return failed == asio::error::operation_aborted || failed == asio::error::bad_descriptor;
}

/// Of the connection that was just made; it may be gone by now.
bool is_of_one_connection(const error_code& failed)
{
    return failed == asio::error::connection_aborted || failed == asio::error::connection_reset ||
           failed == asio::error::interrupted || failed == boost::system::errc::protocol_error;
}

std::string address_of(const tcp::endpoint& peer)
{
    const auto& address = peer.address();
    if (address.is_v6() && address.to_v6().is_v4_mapped())
        return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
    return address.to_string();
}
} // namespace

asio::awaitable<void> server_impl::accept()
{
    asio::steady_timer pause(threads_.front()->context);
    for (std::size_t next = 0; acceptor_->is_open();)
    {
        auto [failed, socket] = co_await acceptor_->async_accept(
            threads_[next]->context.get_executor(), asio::as_tuple(asio::use_awaitable));
        if (listens_no_more(failed))
            break;
        error_code gone;
        const auto peer = failed ? tcp::endpoint() : socket.remote_endpoint(gone);
        if (is_of_one_connection(failed) || gone)
            continue;
        if (failed)
        {
            // Out of file descriptors or memory, most likely: others must end first.
            pause.expires_after(std::chrono::milliseconds(100));
            co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
            continue;
        }
        connection_info from;
        from.remote_address = address_of(peer);
        from.remote_port = peer.port();
        from.tls = tls_.load() != nullptr;
        from.thread = next;
        auto [place, why] = places_.enter(handler_->counted_as(from.remote_address), {});
        if (why != place_table::crowd::none)
            handler_->crowded(why, from.remote_address);
        if (!place)
            continue;
        next = (next + 1) % threads_.size();
        post(
            from.thread, [this, moved = std::move(socket), from, held = std::move(place)]() mutable
            { adopt(from.thread, std::move(moved), std::move(from), std::move(held)); });
    }
}

void server_impl::adopt(
    std::size_t thread, tcp::socket socket, connection_info from, std::unique_ptr<place_table::place> place)
{
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    socket.set_option(asio::socket_base::keep_alive(true), ignored);
    const auto tls = tls_.load();
    auto channel = tls ? stream(std::move(socket), tls) : stream(std::move(socket));
    auto made = std::make_shared<connection>(*this, thread, std::move(channel), std::move(from), std::move(place));
    made->stand_ready_to_leave();
    asio::co_spawn(
        threads_[thread]->context, [made]() { return made->run(); },
        [this, made](std::exception_ptr bug) { report(std::move(bug)); });
}

result<void> server_impl::reload_tls()
{
    if (!tls_.load())
        return {};
    auto made = make_server_tls(options_.certificate_file, options_.key_file);
    if (!made)
        return std::unexpected(made.error());
    tls_ = std::move(*made);
    return {};
}

bool server_impl::drain(std::chrono::milliseconds limit)
{
    CONSORTIUM_ASSERT(!current_thread());
    if (!started_ || stopped_)
        return true;
    draining_ = true;
    post(
        0,
        [this]
        {
            error_code ignored;
            acceptor_->close(ignored);
        });
    for (auto& thread : threads_)
        asio::post(
            thread->context,
            [each = thread.get()]
            {
                for (auto* open : std::vector(each->connections.begin(), each->connections.end()))
                    open->wind_down();
            });
    if (places_.wait_for_none(limit))
        return true;
    for (auto& thread : threads_)
        asio::post(
            thread->context,
            [each = thread.get()]
            {
                for (auto* open : std::vector(each->connections.begin(), each->connections.end()))
                    open->cut();
                for (auto* open : std::vector(each->websockets.begin(), each->websockets.end()))
                    open->abort();
            });
    places_.wait_for_none(std::chrono::milliseconds(500));
    return false;
}

void server_impl::stop()
{
    CONSORTIUM_ASSERT(!current_thread());
    if (std::exchange(stopped_, true))
        return;
    for (auto& thread : threads_)
        thread->context.stop();
    for (auto& thread : threads_)
        if (thread->thread.joinable())
            thread->thread.join();
    acceptor_.reset();
    for (auto& thread : threads_)
        thread->context.destroy_pending();
}
} // namespace

result<std::unique_ptr<http_server>> http_server::listen(http_server_options options)
{
    std::shared_ptr<asio::ssl::context> tls;
    if (!options.certificate_file.empty() || !options.key_file.empty())
    {
        if (options.certificate_file.empty() || options.key_file.empty())
            return fail(errc::bad_request, "TLS needs both a certificate file and a key file");
        auto made = make_server_tls(options.certificate_file, options.key_file);
        if (!made)
            return std::unexpected(made.error());
        tls = std::move(*made);
    }
    auto server = std::make_unique<server_impl>(std::move(options), std::move(tls));
    if (auto opened = server->open(); !opened)
        return std::unexpected(opened.error());
    return server;
}

} // namespace consortium::net
