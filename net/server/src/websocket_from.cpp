#include "consortium/net/websocket.hpp"
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <variant>
#include <vector>

namespace consortium::net
{
namespace
{
struct own_message
{
    websocket_message::kind what;
    std::string payload;
};
using outgoing = std::variant<own_message, shared_frame>;

std::size_t size_of(const outgoing& message)
{
    if (const auto* own = std::get_if<own_message>(&message))
        return own->payload.size();
    return std::get<shared_frame>(message)->bytes().size();
}

void send(websocket& to, const outgoing& message)
{
    const auto* own = std::get_if<own_message>(&message);
    if (own == nullptr)
        to.send(std::get<shared_frame>(message));
    else if (own->what == websocket_message::kind::text)
        to.send(own->payload);
    else
        to.send_binary(own->payload);
}

/// Lives until the last posted call has run.
struct shared_state
{
    std::unique_ptr<websocket> connection;
    std::atomic<std::size_t> posted = 0; ///< bytes on their way to the connection's queue
};

asio::awaitable<result<std::span<const websocket_message>>> read_there(std::shared_ptr<shared_state> state)
{
    if (!state->connection)
        co_return fail(errc::closed, "closed here");
    co_return co_await state->connection->read();
}

class remote_websocket final : public websocket
{
public:
    remote_websocket(asio::any_io_executor home, std::unique_ptr<websocket> connection)
        : home_(std::move(home)), there_(connection->executor()), state_(std::make_shared<shared_state>())
    {
        state_->connection = std::move(connection);
    }
    ~remote_websocket() override
    {
        asio::post(there_, [state = std::move(state_)] { state->connection.reset(); });
    }

    asio::awaitable<result<std::span<const websocket_message>>> read() override
    {
        // The connection rests between two reads, so the views can be used here.
        return read_from_here(there_, state_);
    }
    void send(std::string_view payload) override
    {
        keep(own_message{websocket_message::kind::text, std::string(payload)});
    }
    void send_binary(std::string_view payload) override
    {
        keep(own_message{websocket_message::kind::binary, std::string(payload)});
    }
    void send(shared_frame frame) override { keep(std::move(frame)); }
    void flush() override
    {
        if (waiting_.empty())
            return;
        state_->posted += waiting_bytes_;
        asio::post(
            there_,
            [state = state_, batch = std::exchange(waiting_, {}), size = std::exchange(waiting_bytes_, 0)]
            {
                state->posted -= size;
                if (!state->connection)
                    return;
                for (const auto& message : batch)
                    net::send(*state->connection, message);
                state->connection->flush();
            });
    }
    std::size_t queued_bytes() const noexcept override
    {
        return waiting_bytes_ + state_->posted + state_->connection->queued_bytes();
    }
    void close(close_code code, std::string_view reason) override
    {
        flush();
        open_ = false;
        asio::post(
            there_,
            [state = state_, code, reason = std::string(reason)]
            {
                if (state->connection)
                    state->connection->close(code, reason);
            });
    }
    void abort() override
    {
        open_ = false;
        asio::post(
            there_,
            [state = state_]
            {
                if (state->connection)
                    state->connection->abort();
            });
    }
    bool is_open() const noexcept override { return open_ && state_->connection->is_open(); }
    void set_known(known_peer who) override
    {
        asio::post(
            there_,
            [state = state_, who = std::move(who)]() mutable
            {
                if (state->connection)
                    state->connection->set_known(std::move(who));
            });
    }
    asio::any_io_executor executor() const override { return home_; }

private:
    static asio::awaitable<result<std::span<const websocket_message>>>
    read_from_here(asio::any_io_executor there, std::shared_ptr<shared_state> state)
    {
        co_return co_await asio::co_spawn(there, read_there(std::move(state)), asio::use_awaitable);
    }

    void keep(outgoing message)
    {
        if (!open_)
            return;
        waiting_bytes_ += size_of(message);
        waiting_.push_back(std::move(message));
    }

    asio::any_io_executor home_;
    asio::any_io_executor there_;
    std::shared_ptr<shared_state> state_;
    std::vector<outgoing> waiting_;
    std::size_t waiting_bytes_ = 0;
    bool open_ = true;
};
} // namespace

std::unique_ptr<websocket> use_from(asio::any_io_executor home, std::unique_ptr<websocket> connection)
{
    return std::make_unique<remote_websocket>(std::move(home), std::move(connection));
}

} // namespace consortium::net
