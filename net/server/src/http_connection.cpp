#include "http_connection.hpp"
#include "consortium/net/pace.hpp"
#include "http_server_impl.hpp"
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <ctime>

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

} // namespace

http_connection::http_connection(
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

http_connection::~http_connection()
{
    server_.at(thread_).connections.erase(this);
}

void http_connection::stand_ready_to_leave()
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

void http_connection::wind_down()
{
    if (idle_)
        channel_.close();
}

asio::awaitable<bool> http_connection::read_more()
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
asio::awaitable<bool> http_connection::receive(request_reader& reader)
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

asio::awaitable<bool> http_connection::admit(request_reader& reader)
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

asio::awaitable<bool> http_connection::receive_body(request_reader& reader)
{
    const auto self = shared_from_this();
    pace coming(server_.options().body_span, server_.options().body_bytes_per_second_min);
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
        const auto now = pace::clock::now();
        if (!coming.moved(used, now))
            co_return false;
        deadline_.arm(self, coming.patience(now));
        if (!co_await read_more())
            co_return false;
    }
}

asio::awaitable<void> http_connection::refuse(unsigned status, std::string_view detail, bool head)
{
    auto response = server_.handler().refuse(status, detail);
    response.close = true;
    if (co_await respond(std::move(response), head, /*keep_alive=*/false))
        co_await linger();
}

asio::awaitable<void> http_connection::linger()
{
    channel_.shutdown_send();
    deadline_.arm(shared_from_this(), linger_time);
    // What is thrown away is not worth a call for every two kilobytes.
    if (buffer_.size() < stranger_buffer_bytes_max)
        buffer_.resize(stranger_buffer_bytes_max);
    do
        begin_ = end_ = 0;
    while (co_await read_more());
}

asio::awaitable<bool> http_connection::respond(http_response response, bool head, bool keep_alive)
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

asio::awaitable<bool> http_connection::upgrade(request_reader& reader)
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

asio::awaitable<void> http_connection::serve(
    http_handler& handler, http_request request, connection_info from, std::unique_ptr<websocket> opened)
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

asio::awaitable<http_response> http_connection::handle(http_request request)
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

void http_connection::watch_peer()
{
    if (!admission_.unheard)
        return;
    channel_.wait_readable(
        answered_.slot(),
        [weak = weak_from_this()]
        {
            // Else it has sent its next request.
            if (const auto self = weak.lock(); self && self->channel_.peer_has_ended())
                self->tell_unheard();
        });
}

void http_connection::tell_unheard()
{
    if (const auto tell = std::exchange(admission_.unheard, nullptr))
        tell();
}

asio::awaitable<bool> http_connection::answer(request_reader& reader)
{
    // It was answered on its header.
    if (admission_.refusal)
        co_return true;
    if (reader.request().upgrade)
        co_return co_await upgrade(reader);
    const bool wants_more = reader.keep_alive();
    const bool head = reader.request().method == "HEAD";
    watch_peer();
    auto response = co_await handle(reader.take());
    answered_.emit(asio::cancellation_type::terminal);
    const bool keep_alive = wants_more && !response.close && !server_.draining();
    const bool gone = admission_.unheard && channel_.peer_has_ended();
    if (gone || !co_await respond(std::move(response), head, keep_alive))
    {
        tell_unheard();
        co_return false;
    }
    admission_.unheard = nullptr;
    if (!keep_alive)
        co_await linger();
    co_return keep_alive;
}

asio::awaitable<void> http_connection::run()
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

} // namespace consortium::net
