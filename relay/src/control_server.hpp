#pragma once
#include "consortium/common/error.hpp"
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/json.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <thread>

namespace consortium::relay
{

/// Does what was asked for and returns the answer's fields. One at a time, on a thread where it may block.
using control_command = std::function<result<boost::json::object>(const boost::json::object& asked)>;
using control_commands = std::map<std::string, control_command, std::less<>>;

/// DIR/control.sock: commands of consortium-admin to a running relay, one JSON object a line each way
/// (docs/administration.md). Only processes of the relay's own user, or root, are heard; what they say is never logged.
class control_server
{
public:
    struct settings
    {
        std::filesystem::path socket;
        std::size_t clients_max = 8;
        std::size_t line_bytes_max = 64 << 10;
        /// A client that is silent, or does not take its answer, for so long is let go.
        std::chrono::milliseconds patience{10'000};
    };

    /// Replaces a socket that a relay before left there: whoever calls holds the directory. errc::too_large for a path
    /// that no socket can have; errc::io.
    static result<std::unique_ptr<control_server>> listen(const settings& wanted, control_commands commands);
    control_server(const control_server&) = delete;
    control_server& operator=(const control_server&) = delete;
    /// stop()
    ~control_server();

    /// Completes the commands under way, answers them, and removes the socket. Idempotent.
    void stop();

private:
    using protocol = boost::asio::local::stream_protocol;
    struct client
    {
        protocol::socket socket;
        bool busy = false;
    };

    control_server(const settings& wanted, control_commands commands);
    boost::asio::awaitable<void> accept();
    boost::asio::awaitable<void> serve(client& with);
    boost::asio::awaitable<std::string> answer(std::string line);

    const settings settings_;
    const control_commands commands_;
    boost::asio::io_context io_{1};
    boost::asio::thread_pool worker_{1};
    protocol::acceptor acceptor_;
    std::list<client> clients_;
    bool stopping_ = false;
    std::thread thread_;
};

} // namespace consortium::relay
