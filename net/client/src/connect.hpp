#pragma once
#include "consortium/common/error.hpp"
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <string>
#include <vector>

/// From a name to a TCP connection (Happy Eyeballs, RFC 8305). `executor` runs on one thread.
namespace consortium::net
{
namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using time_point = std::chrono::steady_clock::time_point;

/// RFC 8305 section 5: the next address is tried when the one before has had so long.
inline constexpr std::chrono::milliseconds attempt_delay{250};
/// A name with more addresses is tried at these.
inline constexpr std::size_t addresses_max = 16;

/// The system is asked for both families at once and sorts them (RFC 6724). Errors: errc::io, errc::timeout: given up
/// even if the system's resolver does not let itself be stopped.
asio::awaitable<result<std::vector<tcp::endpoint>>>
look_up(asio::any_io_executor executor, std::string host, std::uint16_t port, time_point give_up_at);

/// The families in turn, beginning with the first one's; within a family as they came (RFC 8305 section 4).
std::vector<tcp::endpoint> interleave(const std::vector<tcp::endpoint>& places);

/// The first of `places` that lets itself be connected; the other attempts are ended. A place that is silent holds the
/// next one up for attempt_delay, one that refuses for no time. Errors: errc::io (the last refusal), errc::timeout.
asio::awaitable<result<tcp::socket>>
connect_first(asio::any_io_executor executor, std::vector<tcp::endpoint> places, time_point give_up_at);

/// look_up(), interleave(), connect_first().
asio::awaitable<result<tcp::socket>>
connect_to(asio::any_io_executor executor, std::string host, std::uint16_t port, time_point give_up_at);

} // namespace consortium::net
