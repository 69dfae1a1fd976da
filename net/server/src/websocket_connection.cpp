#include "websocket_connection.hpp"
#include "consortium/common/bytes.hpp"
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>

namespace consortium::net
{
namespace
{
/// Most connections only ever get heartbeats, and they are many.
constexpr std::size_t buffer_bytes_min = 1u << 10;
constexpr std::size_t buffer_bytes_usual_max = 64u << 10;
/// A buffer grows by no more at once: what is new is filled with zeros, and others of this thread wait for that.
constexpr std::size_t growth_bytes_max = 256u << 10;
/// What nobody is told any more is read away in pieces of this size.
constexpr std::size_t discarded_bytes = 16u << 10;
/// A frame up to this size is copied behind its predecessors, a larger one is written from where it is.
constexpr std::size_t copy_bytes_max = 512;
constexpr std::size_t segment_bytes_max = 32u << 10;
/// What one gathered write takes: as many buffers as Asio passes to the system at once.
constexpr std::size_t gather_count_max = 64;
constexpr std::size_t gather_bytes_max = 1u << 20;
/// Messages handed out by one read(), so that one connection cannot keep its thread to itself.
constexpr std::size_t read_messages_max = 256;
} // namespace

websocket_core::websocket_core(stream connection, std::string input, websocket_settings settings)
    : stream_(std::move(connection)),
      settings_(settings),
      decoder_(/*expect_mask=*/true, settings.message_bytes_max),
      write_deadline_(stream_.executor(), [this] { fail_with({errc::io, "the peer takes no more bytes", {}}); }),
      close_deadline_(stream_.executor(), [this] { finish(); }),
      buffer_(std::move(input)),
      end_(buffer_.size())
{
}

void websocket_core::hold(std::shared_ptr<place_table::place> place)
{
    place_ = std::move(place);
    place_->on_leave(
        [executor = executor(), weak = weak_from_this()]
        {
            asio::post(
                executor,
                [weak]
                {
                    if (const auto self = weak.lock())
                        self->abort();
                });
        });
}

websocket_core::~websocket_core()
{
    drop_segments(queue_.size());
}

void websocket_core::set_known(known_peer who)
{
    if (peer_.output)
        peer_.output->remove(own_bytes_);
    peer_ = std::move(who);
    if (peer_.output)
        peer_.output->add(own_bytes_);
    decoder_.set_message_bytes_max(settings_.known_message_bytes_max);
    if (place_)
        place_->set_known();
}

asio::awaitable<result<std::span<const websocket_message>>> websocket_core::read(std::shared_ptr<websocket_core> self)
{
    while (true)
    {
        if (self->decode())
            co_return std::span<const websocket_message>(self->messages_);
        if (self->over_)
        {
            self->settle();
            co_return std::unexpected(*self->over_);
        }
        self->make_room();
        if (self->decoder_.violation())
            continue;
        self->reading_ = true;
        const auto [failed, count] = co_await self->stream_.read_some(
            asio::buffer(self->buffer_.data() + self->end_, self->buffer_.size() - self->end_));
        self->reading_ = false;
        self->end_ += count;
        if (failed)
        {
            const bool orderly = failed == asio::error::eof || self->close_sent_;
            self->fail_with(
                {orderly ? errc::closed : errc::io,
                 orderly ? "the connection was closed without a close frame" : failed.message(),
                 {}});
        }
    }
}

void websocket_core::make_room()
{
    if (begin_ == end_)
    {
        begin_ = end_ = 0;
        if (buffer_.size() > buffer_bytes_usual_max)
            std::string().swap(buffer_);
    }
    const std::size_t wanted = std::max(decoder_.wanted(), buffer_bytes_min);
    if (begin_ > 0 && (buffer_.size() - begin_ < wanted || end_ == buffer_.size()))
    {
        std::copy(
            buffer_.begin() + static_cast<std::ptrdiff_t>(begin_), buffer_.begin() + static_cast<std::ptrdiff_t>(end_),
            buffer_.begin());
        end_ -= begin_;
        begin_ = 0;
    }
    // Grows as bytes come in, not at once to what a frame's header claims; that much is only reserved, which costs no
    // memory before it is filled, and spares the copies.
    const auto usual_max = std::min(buffer_bytes_usual_max, decoder_.message_bytes_max() + frame_header_bytes_max);
    auto size = buffer_.size();
    if (end_ == size)
        size = std::max(buffer_bytes_min, std::min({size * 2, size + growth_bytes_max, std::max(wanted, usual_max)}));
    if (!has_input_room(size))
        return decoder_.give_up(close_code::try_again_later, "too much is being received at once");
    if (size > buffer_bytes_usual_max && wanted > buffer_.capacity())
        buffer_.reserve(wanted);
    buffer_.resize(size);
}

bool websocket_core::has_input_room(std::size_t buffer_bytes)
{
    const auto held = buffer_bytes + decoder_.held_bytes();
    if (held <= buffer_bytes_usual_max)
    {
        input_rooms_.clear();
        input_room_bytes_ = 0;
    }
    if (held <= buffer_bytes_usual_max || held <= input_room_bytes_ || !peer_.input_room)
        return true;
    auto room = peer_.input_room(held - input_room_bytes_);
    if (!room)
        return false;
    input_rooms_.push_back(std::move(room));
    input_room_bytes_ = held;
    return true;
}

bool websocket_core::decode()
{
    messages_.clear();
    bool answered = false;
    while (!peer_closed_ && messages_.size() < read_messages_max)
    {
        std::size_t used = 0;
        const auto event = decoder_.next(std::span(buffer_.data() + begin_, end_ - begin_), used);
        begin_ += used;
        if (!event)
            break;
        if (event->what == frame_event::kind::text || event->what == frame_event::kind::binary)
        {
            using kind = websocket_message::kind;
            if (!over_)
                messages_.push_back(
                    {event->what == frame_event::kind::text ? kind::text : kind::binary, event->payload});
            // A message put together from fragments lies in the decoder and does not outlive the next call.
            const auto* data = event->payload.data();
            if (data < buffer_.data() || data >= buffer_.data() + buffer_.size())
                break;
        }
        else if (event->what == frame_event::kind::ping && !close_sent_)
        {
            pong_ = std::string(event->payload);
            answered = true;
        }
        else if (event->what == frame_event::kind::close)
        {
            peer_closed(event->payload);
        }
    }
    if (answered)
        flush();
    if (decoder_.violation() && !over_ && messages_.empty())
    {
        const auto& violation = *decoder_.violation();
        const auto code = violation.code == close_code::too_big           ? errc::too_large
                          : violation.code == close_code::try_again_later ? errc::overloaded
                                                                          : errc::bad_request;
        close(violation.code, violation.reason);
        over_ = error{code, std::string(violation.reason), {}};
    }
    return !messages_.empty();
}

void websocket_core::peer_closed(std::string_view payload)
{
    peer_closed_ = true;
    if (!close_sent_)
    {
        // The same code goes back (RFC 6455 section 5.5.1).
        queue_frame(opcode::close, payload.substr(0, 2));
        close_sent_ = true;
        open_ = false;
    }
    if (!over_)
    {
        std::string detail = "the peer closed the WebSocket";
        if (payload.size() >= 2)
        {
            detail += ": " + std::to_string(load_big_endian<std::uint16_t>(view(payload)));
            if (payload.size() > 2)
                detail.append(" ").append(payload.substr(2));
        }
        over_ = error{errc::closed, std::move(detail), {}};
    }
    close_deadline_.arm(weak_from_this(), settings_.close_timeout);
    flush();
    settle();
}

void websocket_core::send(std::string_view payload)
{
    if (!close_sent_ && !finished_)
        queue_frame(opcode::text, payload);
}

void websocket_core::send(shared_frame frame)
{
    if (close_sent_ || finished_)
        return;
    // TLS writes a segment at a time: small frames go together, one that fills a segment needs no copy.
    const auto copied = stream_.is_tls() ? segment_bytes_max : copy_bytes_max;
    if (frame->bytes().size() <= copied)
    {
        const bool binary = frame->what() == websocket_message::kind::binary;
        queue_frame(binary ? opcode::binary : opcode::text, frame->payload());
        return;
    }
    if (peer_.output)
        frame->count(peer_.output);
    queued_ += frame->bytes().size();
    queue_.push_back({{}, std::move(frame)});
}

void websocket_core::send_binary(std::string_view payload)
{
    if (!close_sent_ && !finished_)
        queue_frame(opcode::binary, payload);
}

void websocket_core::queue_frame(opcode kind, std::string_view payload)
{
    std::string header;
    append_frame_header(header, kind, payload.size(), {});
    queue_bytes(header, payload);
}

void websocket_core::queue_bytes(std::string_view header, std::string_view payload)
{
    const auto size = header.size() + payload.size();
    queued_ += size;
    own_bytes_ += size;
    if (peer_.output)
        peer_.output->add(size);
    // What is being written must not move.
    const bool append_to_last =
        queue_.size() > in_flight_ && !queue_.back().shared && queue_.back().own.size() + size <= segment_bytes_max;
    if (!append_to_last)
    {
        queue_.emplace_back();
        queue_.back().own.reserve(size);
    }
    queue_.back().own.append(header).append(payload);
}

void websocket_core::flush()
{
    if (finished_)
        return;
    if (in_flight_ > 0)
    {
        flush_wanted_ = true;
        return;
    }
    queue_pong();
    if (!queue_.empty())
        start_write();
}

void websocket_core::queue_pong()
{
    if (const auto payload = std::exchange(pong_, std::nullopt); payload && !close_sent_)
        queue_frame(opcode::pong, *payload);
}

void websocket_core::start_write()
{
    flush_wanted_ = false;
    gathered_.clear();
    std::size_t size = 0;
    for (const auto& each : queue_)
    {
        if (gathered_.size() == gather_count_max || size >= gather_bytes_max)
        {
            flush_wanted_ = true;
            break;
        }
        gathered_.emplace_back(each.bytes().data(), each.bytes().size());
        size += each.bytes().size();
    }
    in_flight_ = gathered_.size();
    unwritten_ = gathered_;
    continue_write();
}

void websocket_core::continue_write()
{
    write_deadline_.arm(weak_from_this(), settings_.write_timeout);
    stream_.write_some(
        unwritten_, [self = shared_from_this()](boost::system::error_code failed, std::size_t count)
        { self->written(failed, count); });
}

void websocket_core::written(boost::system::error_code failed, std::size_t count)
{
    if (finished_)
        return;
    if (failed)
    {
        fail_with({errc::io, failed.message(), {}});
        return;
    }
    queued_ -= count;
    unwritten_ = drop_written(unwritten_, count);
    if (!unwritten_.empty())
    {
        continue_write();
        return;
    }
    drop_segments(in_flight_);
    in_flight_ = 0;
    write_deadline_.disarm();
    if (flush_wanted_)
        queue_pong();
    if (flush_wanted_ && !queue_.empty())
        start_write();
    else
        settle();
}

void websocket_core::drop_segments(std::size_t count)
{
    const auto end = std::next(queue_.begin(), static_cast<std::ptrdiff_t>(count));
    std::size_t own = 0;
    for (auto each = queue_.begin(); each != end; ++each)
        own += each->own.size();
    queue_.erase(queue_.begin(), end);
    own_bytes_ -= own;
    if (peer_.output)
        peer_.output->remove(own);
}

void websocket_core::close(close_code code, std::string_view reason)
{
    if (close_sent_ || finished_)
        return;
    queue_frame(opcode::close, close_payload(code, reason));
    close_sent_ = true;
    open_ = false;
    if (!over_)
        over_ = error{errc::closed, "closed here", {}};
    // Unsent output gets more time than the peer's answer will.
    close_deadline_.arm(weak_from_this(), 5 * settings_.close_timeout);
    flush();
}

void websocket_core::settle()
{
    if (!close_sent_ || finished_ || !queue_.empty())
        return;
    if (peer_closed_)
    {
        finish();
        return;
    }
    // The peer gets the time to answer our close frame; what it still sends is thrown away, since closing with unread
    // input would reset the connection and could destroy that frame on its way.
    if (!std::exchange(close_deadline_armed_, true))
        close_deadline_.arm(weak_from_this(), settings_.close_timeout);
    if (!reading_)
        asio::co_spawn(stream_.executor(), drain(shared_from_this()), asio::detached);
}

asio::awaitable<void> websocket_core::drain(std::shared_ptr<websocket_core> self)
{
    if (std::exchange(self->reading_, true))
        co_return;
    while (!self->finished_)
    {
        self->decode();
        if (self->decoder_.violation())
            self->begin_ = self->end_;
        if (self->finished_)
            break;
        self->make_room();
        if (self->decoder_.violation() && self->buffer_.size() < discarded_bytes)
            self->buffer_.resize(discarded_bytes);
        const auto [failed, count] = co_await self->stream_.read_some(
            asio::buffer(self->buffer_.data() + self->end_, self->buffer_.size() - self->end_));
        self->end_ += count;
        if (failed)
            break;
    }
    self->finish();
}

void websocket_core::fail_with(error reason)
{
    if (!over_)
        over_ = std::move(reason);
    finish();
}

void websocket_core::finish()
{
    if (std::exchange(finished_, true))
        return;
    open_ = false;
    if (!over_)
        over_ = error{errc::closed, "closed here", {}};
    write_deadline_.cancel();
    close_deadline_.cancel();
    if (close_sent_ && !stream_.is_tls())
        stream_.shutdown_send();
    stream_.close();
    // A write under way points into the queue: it goes with the core.
    if (in_flight_ == 0)
        drop_segments(queue_.size());
    queued_ = 0;
    place_.reset();
    if (ended_)
        std::exchange(ended_, nullptr)();
}

void websocket_core::abort()
{
    fail_with({errc::closed, "aborted here", {}});
}

void websocket_core::release()
{
    if (!close_sent_)
        abort();
}

namespace
{
class websocket_handle final : public websocket
{
public:
    explicit websocket_handle(std::shared_ptr<websocket_core> core) : core_(std::move(core)) {}
    ~websocket_handle() override { core_->release(); }

    asio::awaitable<result<std::span<const websocket_message>>> read() override { return websocket_core::read(core_); }
    void send(std::string_view payload) override { core_->send(payload); }
    void send(shared_frame frame) override { core_->send(std::move(frame)); }
    void send_binary(std::string_view payload) override { core_->send_binary(payload); }
    void flush() override { core_->flush(); }
    std::size_t queued_bytes() const noexcept override { return core_->queued_bytes(); }
    void close(close_code code, std::string_view reason) override { core_->close(code, reason); }
    void abort() override { core_->abort(); }
    bool is_open() const noexcept override { return core_->is_open(); }
    void set_known(known_peer who) override { core_->set_known(std::move(who)); }
    asio::any_io_executor executor() const override { return core_->executor(); }

private:
    std::shared_ptr<websocket_core> core_;
};
} // namespace

std::unique_ptr<websocket> make_websocket(std::shared_ptr<websocket_core> core)
{
    return std::make_unique<websocket_handle>(std::move(core));
}

} // namespace consortium::net
