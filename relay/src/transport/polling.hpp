#pragma once
#include "consortium/net/frame.hpp"
#include "consortium/net/http.hpp"
#include "consortium/net/websocket_message.hpp"
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace consortium::relay
{

/// The packets that wait for the polls of one client, and the poll that waits for packets. On its connection's thread.
class poll_queue
{
public:
    explicit poll_queue(boost::asio::any_io_executor executor);

    /// A packet, its Engine.IO type included; bytes are one by themselves.
    void push(net::shared_frame packet);
    bool empty() const noexcept { return packets_.empty(); }
    std::size_t bytes() const noexcept { return bytes_; }

    /// A poll waits; only one may.
    bool is_polled() const noexcept { return polled_; }
    /// Waits until wake(), or for so long.
    boost::asio::awaitable<void> until_woken(std::optional<std::chrono::milliseconds> most = {});
    void wake();

    /// The body of an answer with all that waits; a noop where nothing does.
    std::string take_body();
    std::vector<net::shared_frame> take_packets();

private:
    std::vector<net::shared_frame> packets_;
    std::size_t bytes_ = 0;
    boost::asio::steady_timer signal_;
    bool polled_ = false;
};

/// The answers of polling requests carry the headers that browsers of other origins need.
net::http_response polling_response(unsigned status, std::string_view content_type, std::string body);
net::http_response poll_answer(std::string packets);

/// What Engine.IO's own error bodies say.
enum class engine_refusal
{
    unknown_transport,
    unknown_sid,
    bad_handshake_method,
    bad_request,
    forbidden,
    unsupported_version,
};
net::http_response engine_error(engine_refusal why);

} // namespace consortium::relay
