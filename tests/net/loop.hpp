#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <gtest/gtest.h>
#include <optional>

namespace consortium
{
namespace asio = boost::asio;

/// A test's own thread of asynchronous things.
class loop
{
public:
    asio::any_io_executor executor() { return context_.get_executor(); }

    /// Drives a coroutine to its end and returns what it returned.
    template <class T>
    T run(asio::awaitable<T> task)
    {
        std::optional<T> out;
        std::exception_ptr thrown;
        asio::co_spawn(
            context_, std::move(task),
            [&](std::exception_ptr failed, T value)
            {
                thrown = failed;
                if (!failed)
                    out.emplace(std::move(value));
                context_.stop();
            });
        drive();
        if (thrown)
            std::rethrow_exception(thrown);
        return std::move(*out);
    }
    void run(asio::awaitable<void> task)
    {
        std::exception_ptr thrown;
        asio::co_spawn(
            context_, std::move(task),
            [&](std::exception_ptr failed)
            {
                thrown = failed;
                context_.stop();
            });
        drive();
        if (thrown)
            std::rethrow_exception(thrown);
    }
    /// Drives everything until `done` holds.
    template <class Predicate>
    void run_until(Predicate done)
    {
        const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!done())
        {
            if (std::chrono::steady_clock::now() > limit)
                throw std::runtime_error("waited in vain");
            context_.restart();
            context_.run_one_for(std::chrono::milliseconds(20));
        }
    }

private:
    void drive()
    {
        context_.restart();
        context_.run_for(std::chrono::seconds(30));
        if (!context_.stopped())
            throw std::runtime_error("the coroutine does not end");
    }

    asio::io_context context_{1};
};

} // namespace consortium
