#pragma once
#include "consortium/net/http_server.hpp"
#include "deadline.hpp"
#include "http_reader.hpp"
#include "stream.hpp"
#include <boost/asio/cancellation_signal.hpp>

namespace consortium::net
{

class server_impl;

/// One accepted connection until it ends or becomes a WebSocket.
class http_connection : public std::enable_shared_from_this<http_connection>
{
public:
    http_connection(
        server_impl& server, std::size_t thread, stream channel, connection_info from,
        std::unique_ptr<place_table::place> place);
    ~http_connection();

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
    /// While a request is answered nothing is read: who has gone meanwhile is noticed by this.
    void watch_peer();
    void tell_unheard();
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
    asio::cancellation_signal answered_;
    std::string buffer_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    bool idle_ = true;
    bool first_ = true;
    bool timed_out_ = false;
    bool upgraded_ = false;
};

} // namespace consortium::net
