#include "transport/polling.hpp"
#include "consortium/protocol/engine_io.hpp"
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

namespace consortium::relay
{
namespace engine_io = protocol::engine_io;
namespace asio = boost::asio;

poll_queue::poll_queue(asio::any_io_executor executor)
    : signal_(std::move(executor), asio::steady_timer::time_point::max())
{
}

void poll_queue::push(net::shared_frame packet)
{
    bytes_ += packet->payload().size();
    packets_.push_back(std::move(packet));
}

asio::awaitable<void> poll_queue::until_woken(std::optional<std::chrono::milliseconds> most)
{
    signal_.expires_at(most ? asio::steady_timer::clock_type::now() + *most : asio::steady_timer::time_point::max());
    polled_ = true;
    co_await signal_.async_wait(asio::as_tuple(asio::use_awaitable));
    polled_ = false;
}

void poll_queue::wake()
{
    signal_.cancel();
}

std::string poll_queue::take_body()
{
    std::string body;
    body.reserve(bytes_ + packets_.size());
    for (const auto& each : take_packets())
        if (each->what() == net::websocket_message::kind::binary)
            engine_io::append_to_payload(body, engine_io::write_binary(each->payload()));
        else
            engine_io::append_to_payload(body, each->payload());
    if (body.empty())
        body = engine_io::write({engine_io::packet_type::noop, {}});
    return body;
}

std::vector<net::shared_frame> poll_queue::take_packets()
{
    bytes_ = 0;
    return std::exchange(packets_, {});
}

net::http_response polling_response(unsigned status, std::string_view content_type, std::string body)
{
    auto out = net::http_response::with(status, content_type, std::move(body));
    out.headers.add("Access-Control-Allow-Origin", "*");
    out.headers.add("Access-Control-Allow-Credentials", "true");
    out.headers.add("Cache-Control", "no-store");
    return out;
}

net::http_response poll_answer(std::string packets)
{
    return polling_response(200, "text/plain; charset=UTF-8", std::move(packets));
}

net::http_response engine_error(engine_refusal why)
{
    // engine.io, Server.errorMessages.
    static constexpr std::array<std::string_view, 6> texts{
        "Transport unknown", "Session ID unknown", "Bad handshake method",
        "Bad request",       "Forbidden",          "Unsupported protocol version"};
    const auto code = static_cast<std::size_t>(why);
    const boost::json::object body{{"code", code}, {"message", texts.at(code)}};
    return polling_response(
        why == engine_refusal::forbidden ? 403 : 400, "application/json", boost::json::serialize(body));
}

} // namespace consortium::relay
