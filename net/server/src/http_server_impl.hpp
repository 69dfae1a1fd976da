#pragma once
#include "http_connection.hpp"
#include "websocket_connection.hpp"
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cstdio>
#include <thread>
#include <unordered_set>
#include <vector>

namespace consortium::net
{

/// Lets us end what is pending while the objects that refer to it still live.
class network_context : public asio::io_context
{
public:
    network_context() : asio::io_context(1) {}
    void destroy_pending() { asio::io_context::shutdown(); }
};

struct network_thread
{
    network_context context;
    asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
    std::thread thread;
    /// Touched on the thread alone.
    std::unordered_set<http_connection*> connections;
    std::unordered_set<websocket_core*> websockets;
};

class server_impl final : public http_server
{
public:
    server_impl(http_server_options options, std::shared_ptr<asio::ssl::context> tls)
        : options_(std::move(options)),
          tls_(std::move(tls)),
          places_(
              {.all = options_.connections_max,
               .each = options_.connections_per_address_max,
               .strangers = options_.strangers_per_address_max,
               .strangers_all = options_.strangers_max})
    {
        if (!options_.on_bug)
            options_.on_bug = [](std::string_view what)
            { std::fprintf(stderr, "a network task failed: %.*s\n", static_cast<int>(what.size()), what.data()); };
        for (std::size_t i = 0; i < std::max<std::size_t>(options_.threads, 1); ++i)
            threads_.push_back(std::make_unique<network_thread>());
    }
    ~server_impl() override { stop(); }

    result<void> open();
    std::uint16_t port() const noexcept override { return port_; }
    void start(http_handler& handler) override;
    std::size_t thread_count() const noexcept override { return threads_.size(); }
    void post(std::size_t thread, std::move_only_function<void()> task) override
    {
        asio::post(threads_[thread]->context, std::move(task));
    }
    asio::any_io_executor executor(std::size_t thread) const override
    {
        return threads_[thread]->context.get_executor();
    }
    std::optional<std::size_t> current_thread() const noexcept override;
    result<void> reload_tls() override;
    std::size_t connection_count() const noexcept override { return places_.count(); }
    bool drain(std::chrono::milliseconds limit) override;
    void stop() override;

    const http_server_options& options() const noexcept { return options_; }
    http_handler& handler() noexcept { return *handler_; }
    bool draining() const noexcept { return draining_; }
    network_thread& at(std::size_t thread) noexcept { return *threads_[thread]; }
    void report(std::exception_ptr bug) noexcept;

private:
    void run(network_context& context);
    asio::awaitable<void> accept();
    void adopt(std::size_t thread, tcp::socket socket, connection_info from, std::unique_ptr<place_table::place> place);

    http_server_options options_;
    std::atomic<std::shared_ptr<asio::ssl::context>> tls_; ///< nullptr: none
    place_table places_;
    std::vector<std::unique_ptr<network_thread>> threads_;
    std::optional<tcp::acceptor> acceptor_;
    std::uint16_t port_ = 0;
    http_handler* handler_ = nullptr;
    std::atomic<bool> draining_ = false;
    bool started_ = false;
    bool stopped_ = false;
};

} // namespace consortium::net
