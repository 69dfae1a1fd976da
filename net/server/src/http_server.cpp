#include "consortium/net/http_server.hpp"
#include "http_server_impl.hpp"
#include "tls.hpp"
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace consortium::net
{
namespace
{

/// What of a server the calling thread runs.
struct thread_identity
{
    const server_impl* server = nullptr;
    std::size_t index = 0;
};
thread_local thread_identity current;

} // namespace

std::optional<std::size_t> server_impl::current_thread() const noexcept
{
    return current.server == this ? std::optional(current.index) : std::nullopt;
}

result<void> server_impl::open()
{
    error_code failed;
    const auto address = asio::ip::make_address(options_.address, failed);
    const auto place = options_.address + ":" + std::to_string(options_.port);
    if (failed)
        return fail(errc::bad_request, "cannot listen on " + place + ": not a numeric address");
    acceptor_.emplace(threads_.front()->context);
    const tcp::endpoint endpoint(address, options_.port);
    acceptor_->open(endpoint.protocol(), failed);
    if (!failed)
        acceptor_->set_option(tcp::acceptor::reuse_address(true), failed);
    if (!failed)
        acceptor_->bind(endpoint, failed);
    if (!failed)
        acceptor_->listen(4096, failed);
    if (failed)
    {
        const bool taken = failed == asio::error::address_in_use;
        return fail(
            errc::io, "cannot listen on " + place + ": " + failed.message() +
                          (taken ? " (does another program run there?)" : ""));
    }
    port_ = acceptor_->local_endpoint(failed).port();
    return {};
}

void server_impl::start(http_handler& handler)
{
    CONSORTIUM_ASSERT(!started_);
    started_ = true;
    handler_ = &handler;
    asio::co_spawn(threads_.front()->context, accept(), asio::detached);
    for (std::size_t i = 0; i < threads_.size(); ++i)
    {
        threads_[i]->thread = std::thread(
            [this, i]
            {
                current = {this, i};
                run(threads_[i]->context);
                current = {};
            });
    }
}

/// Until stop(). An exception leaves run() behind the task that threw it: the next one follows.
void server_impl::run(network_context& context)
{
    for (;;)
        try
        {
            context.run();
            return;
        }
        catch (...)
        {
            report(std::current_exception());
        }
}

/// Nothing that a task throws may end the process.
void server_impl::report(std::exception_ptr bug) noexcept
{
    try
    {
        if (bug)
            std::rethrow_exception(std::move(bug));
    }
    catch (const std::exception& thrown)
    {
        options_.on_bug(thrown.what());
    }
    catch (...)
    {
        options_.on_bug("an exception of no known type");
    }
}

namespace
{
/// What ends a listener; everything else that accept() says is about one connection, or passes.
bool listens_no_more(const error_code& failed)
{
    return failed == asio::error::operation_aborted || failed == asio::error::bad_descriptor;
}

/// Of the connection that was just made; it may be gone by now.
bool is_of_one_connection(const error_code& failed)
{
    return failed == asio::error::connection_aborted || failed == asio::error::connection_reset ||
           failed == asio::error::interrupted || failed == boost::system::errc::protocol_error;
}

std::string address_of(const tcp::endpoint& peer)
{
    const auto& address = peer.address();
    if (address.is_v6() && address.to_v6().is_v4_mapped())
        return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
    return address.to_string();
}
} // namespace

asio::awaitable<void> server_impl::accept()
{
    asio::steady_timer pause(threads_.front()->context);
    for (std::size_t next = 0; acceptor_->is_open();)
    {
        auto [failed, socket] = co_await acceptor_->async_accept(
            threads_[next]->context.get_executor(), asio::as_tuple(asio::use_awaitable));
        if (listens_no_more(failed))
            break;
        error_code gone;
        const auto peer = failed ? tcp::endpoint() : socket.remote_endpoint(gone);
        if (is_of_one_connection(failed) || gone)
            continue;
        if (failed)
        {
            // Out of file descriptors or memory, most likely: others must end first.
            pause.expires_after(std::chrono::milliseconds(100));
            co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
            continue;
        }
        connection_info from;
        from.remote_address = address_of(peer);
        from.remote_port = peer.port();
        from.tls = tls_.load() != nullptr;
        from.thread = next;
        auto [place, why] = places_.enter(handler_->counted_as(from.remote_address), {});
        if (why != place_table::crowd::none)
            handler_->crowded(why, from.remote_address);
        if (!place)
            continue;
        next = (next + 1) % threads_.size();
        post(
            from.thread, [this, moved = std::move(socket), from, held = std::move(place)]() mutable
            { adopt(from.thread, std::move(moved), std::move(from), std::move(held)); });
    }
}

void server_impl::adopt(
    std::size_t thread, tcp::socket socket, connection_info from, std::unique_ptr<place_table::place> place)
{
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    socket.set_option(asio::socket_base::keep_alive(true), ignored);
    const auto tls = tls_.load();
    auto channel = tls ? stream(std::move(socket), tls) : stream(std::move(socket));
    auto made = std::make_shared<http_connection>(*this, thread, std::move(channel), std::move(from), std::move(place));
    made->stand_ready_to_leave();
    asio::co_spawn(
        threads_[thread]->context, [made]() { return made->run(); },
        [this, made](std::exception_ptr bug) { report(std::move(bug)); });
}

result<void> server_impl::reload_tls()
{
    if (!tls_.load())
        return {};
    auto made = make_server_tls(options_.certificate_file, options_.key_file);
    if (!made)
        return std::unexpected(made.error());
    tls_ = std::move(*made);
    return {};
}

bool server_impl::drain(std::chrono::milliseconds limit)
{
    CONSORTIUM_ASSERT(!current_thread());
    if (!started_ || stopped_)
        return true;
    draining_ = true;
    post(
        0,
        [this]
        {
            error_code ignored;
            acceptor_->close(ignored);
        });
    for (auto& thread : threads_)
        asio::post(
            thread->context,
            [each = thread.get()]
            {
                for (auto* open : std::vector(each->connections.begin(), each->connections.end()))
                    open->wind_down();
            });
    if (places_.wait_for_none(limit))
        return true;
    for (auto& thread : threads_)
        asio::post(
            thread->context,
            [each = thread.get()]
            {
                for (auto* open : std::vector(each->connections.begin(), each->connections.end()))
                    open->cut();
                for (auto* open : std::vector(each->websockets.begin(), each->websockets.end()))
                    open->abort();
            });
    places_.wait_for_none(std::chrono::milliseconds(500));
    return false;
}

void server_impl::stop()
{
    CONSORTIUM_ASSERT(!current_thread());
    if (std::exchange(stopped_, true))
        return;
    for (auto& thread : threads_)
        thread->context.stop();
    for (auto& thread : threads_)
        if (thread->thread.joinable())
            thread->thread.join();
    acceptor_.reset();
    for (auto& thread : threads_)
        thread->context.destroy_pending();
}

result<std::unique_ptr<http_server>> http_server::listen(http_server_options options)
{
    std::shared_ptr<asio::ssl::context> tls;
    if (!options.certificate_file.empty() || !options.key_file.empty())
    {
        if (options.certificate_file.empty() || options.key_file.empty())
            return fail(errc::bad_request, "TLS needs both a certificate file and a key file");
        auto made = make_server_tls(options.certificate_file, options.key_file);
        if (!made)
            return std::unexpected(made.error());
        tls = std::move(*made);
    }
    auto server = std::make_unique<server_impl>(std::move(options), std::move(tls));
    if (auto opened = server->open(); !opened)
        return std::unexpected(opened.error());
    return server;
}

} // namespace consortium::net
