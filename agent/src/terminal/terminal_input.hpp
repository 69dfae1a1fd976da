#pragma once
#include "consortium/common/error.hpp"
#include "terminal/screen.hpp"
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace consortium::agent
{
namespace asio = boost::asio;

/// Lines that the person types, one question at a time. What was typed at a terminal before a question stood there is
/// no answer to it, and is forgotten; what a program writes into a pipe waits for its question.
class terminal_input
{
public:
    explicit terminal_input(const asio::any_io_executor& executor);

    /// Prints a question, to be answered by line().
    void ask(const own_text& question);
    /// errc::closed at the end of input, errc::cancelled after cancel().
    asio::awaitable<result<std::string>> line();
    /// Prints the question. An empty answer is `otherwise`.
    asio::awaitable<result<bool>> yes(own_text question, bool otherwise);
    /// As that, of one row, while other things go on: what the screen prints meanwhile stands above it.
    asio::awaitable<result<bool>> yes(screen& out, own_text question, bool otherwise);
    /// Ends a waiting line().
    void cancel();

private:
    asio::awaitable<result<bool>> yes_or_no(std::function<void()> ask, bool otherwise);
    void forget_typed();

    asio::posix::stream_descriptor input_;
    std::string buffer_;
};

} // namespace consortium::agent
