#pragma once
#include "net/loop.hpp"
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <memory>
#include <string>

namespace consortium
{
using tcp = boost::asio::ip::tcp;

/// One connection of a played server. Reading gives less than was asked for once the peer is gone.
class played_connection
{
public:
    explicit played_connection(tcp::socket socket) : socket_(std::move(socket))
    {
        boost::system::error_code ignored; // what is written byte by byte shall also arrive so
        socket_.set_option(tcp::no_delay(true), ignored);
    }

    asio::awaitable<std::string> read_exactly(std::size_t count)
    {
        std::string out(count, '\0');
        const auto [failed, read] =
            co_await asio::async_read(socket_, asio::buffer(out), asio::as_tuple(asio::use_awaitable));
        out.resize(read);
        co_return out;
    }
    /// Up to the empty line, with it.
    asio::awaitable<std::string> read_head()
    {
        const auto [failed, count] = co_await asio::async_read_until(
            socket_, asio::dynamic_buffer(input_), "\r\n\r\n", asio::as_tuple(asio::use_awaitable));
        auto out = input_.substr(0, count);
        input_.erase(0, count);
        co_return out;
    }
    /// False when the peer is gone.
    asio::awaitable<bool> write(std::string text)
    {
        const auto [failed, count] =
            co_await asio::async_write(socket_, asio::buffer(text), asio::as_tuple(asio::use_awaitable));
        written += count;
        co_return !failed;
    }
    /// Says nothing more and takes what comes until the peer is gone.
    asio::awaitable<void> fall_silent()
    {
        std::string chunk(4096, '\0');
        while (true)
        {
            const auto [failed, count] =
                co_await socket_.async_read_some(asio::buffer(chunk), asio::as_tuple(asio::use_awaitable));
            if (failed)
                co_return;
        }
    }

    std::size_t written = 0;

private:
    tcp::socket socket_;
    std::string input_;
};

/// A server that a test plays: does with each connection what its script says, then closes it.
class played_server
{
public:
    /// `number`: 1 for the first connection.
    using script = std::function<asio::awaitable<void>(played_connection& peer, int number)>;

    /// `unread_bytes_max`: about so much is taken by the system of what the script has not read; 0: as it likes.
    played_server(loop& on, script play, int unread_bytes_max = 0)
        : state_(std::make_shared<state>(
              tcp::acceptor(on.executor(), {asio::ip::make_address("127.0.0.1"), 0}), std::move(play)))
    {
        if (unread_bytes_max > 0)
            state_->acceptor.set_option(asio::socket_base::receive_buffer_size(unread_bytes_max));
        asio::co_spawn(on.executor(), accept(state_), asio::detached);
    }
    ~played_server()
    {
        boost::system::error_code ignored;
        state_->acceptor.close(ignored);
    }

    tcp::endpoint place() const { return state_->acceptor.local_endpoint(); }
    /// "127.0.0.1:12345"
    std::string authority() const { return "127.0.0.1:" + std::to_string(place().port()); }
    int connections() const { return state_->connections; }

private:
    struct state
    {
        tcp::acceptor acceptor;
        script play;
        int connections = 0;
    };

    static asio::awaitable<void> accept(std::shared_ptr<state> self)
    {
        while (true)
        {
            auto [failed, socket] = co_await self->acceptor.async_accept(asio::as_tuple(asio::use_awaitable));
            if (failed)
                co_return;
            asio::co_spawn(
                self->acceptor.get_executor(), serve(self, std::move(socket), ++self->connections), asio::detached);
        }
    }
    static asio::awaitable<void> serve(std::shared_ptr<state> self, tcp::socket socket, int number)
    {
        played_connection peer(std::move(socket));
        co_await self->play(peer, number);
    }

    std::shared_ptr<state> state_;
};

} // namespace consortium
