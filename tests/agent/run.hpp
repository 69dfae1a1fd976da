#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>

namespace consortium::agent::testing
{

/// Drives a coroutine to its end on `io`. Throws when it does not come.
template <class T>
T run(
    boost::asio::io_context& io, boost::asio::awaitable<T> work, std::chrono::seconds limit = std::chrono::seconds(30))
{
    std::optional<T> out;
    std::exception_ptr problem;
    boost::asio::co_spawn(
        io, std::move(work),
        [&](std::exception_ptr thrown, T value)
        {
            problem = thrown;
            out = std::move(value);
        });
    const auto deadline = std::chrono::steady_clock::now() + limit;
    io.restart();
    while (!out && std::chrono::steady_clock::now() < deadline)
    {
        if (io.run_one_for(std::chrono::milliseconds(100)) == 0)
            io.restart();
    }
    if (problem)
        std::rethrow_exception(problem);
    if (!out)
        throw std::runtime_error("the coroutine did not end in time");
    return std::move(*out);
}

/// Runs `io` until `reached` is true. False when it never is.
inline bool run_until(
    boost::asio::io_context& io, const std::function<bool()>& reached,
    std::chrono::milliseconds limit = std::chrono::seconds(30))
{
    const auto deadline = std::chrono::steady_clock::now() + limit;
    io.restart();
    while (!reached())
    {
        if (std::chrono::steady_clock::now() > deadline)
            return false;
        if (io.run_one_for(std::chrono::milliseconds(100)) == 0)
            io.restart();
    }
    return true;
}

} // namespace consortium::agent::testing
