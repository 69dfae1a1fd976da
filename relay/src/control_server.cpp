#include "control_server.hpp"
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <pthread.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace consortium::relay
{
namespace
{

namespace asio = boost::asio;
namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr std::size_t path_bytes_max = sizeof(sockaddr_un::sun_path) - 1;

std::string refusal(const error& why)
{
    return boost::json::serialize(boost::json::object{{"ok", false}, {"error", why.detail}, {"code", word(why.code)}}) +
           "\n";
}

bool may_command(int socket)
{
    ucred peer{};
    socklen_t size = sizeof peer;
    return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == ::geteuid() || peer.uid == 0);
}

/// What a relay that ended without a word left behind. Nothing else is ever removed.
result<void> remove_stale(const fs::path& socket)
{
    std::error_code failed;
    const auto found = fs::symlink_status(socket, failed);
    if (found.type() == fs::file_type::not_found)
        return {};
    if (found.type() != fs::file_type::socket)
        return fail(errc::io, socket.string() + " is in the way: it is not a socket");
    if (!fs::remove(socket, failed))
        return fail(errc::io, "cannot remove " + socket.string() + ": " + failed.message());
    return {};
}

asio::awaitable<result<boost::json::object>> execute(const control_command& command, boost::json::object asked)
try
{
    co_return command(asked);
}
catch (const std::exception& bug)
{
    co_return fail(errc::internal, bug.what());
}

} // namespace

control_server::control_server(const settings& wanted, control_commands commands)
    : settings_(wanted), commands_(std::move(commands)), acceptor_(io_)
{
}

control_server::~control_server()
{
    stop();
}

result<std::unique_ptr<control_server>> control_server::listen(const settings& wanted, control_commands commands)
{
    if (wanted.socket.native().size() > path_bytes_max)
        return fail(
            errc::too_large, "the path " + wanted.socket.string() + " is longer than a socket's may be (" +
                                 std::to_string(path_bytes_max) + " bytes)");
    if (auto free = remove_stale(wanted.socket); !free)
        return std::unexpected(free.error());

    std::unique_ptr<control_server> out(new control_server(wanted, std::move(commands)));
    boost::system::error_code failed;
    auto& acceptor = out->acceptor_;
    acceptor.open(protocol(), failed);
    // Linux takes the mode of the descriptor for the file that bind() makes: it is never wider, not for a moment, and
    // unlike with umask() other threads are not concerned.
    if (!failed && ::fchmod(acceptor.native_handle(), 0600) != 0)
        failed = {errno, boost::system::system_category()};
    if (!failed)
        acceptor.bind(protocol::endpoint(wanted.socket.native()), failed);
    if (!failed)
        acceptor.listen(static_cast<int>(wanted.clients_max), failed);
    if (failed)
        return fail(errc::io, "cannot listen on " + wanted.socket.string() + ": " + failed.message());

    asio::co_spawn(out->io_, out->accept(), asio::detached);
    out->thread_ = std::thread([server = out.get()] { server->io_.run(); });
    ::pthread_setname_np(out->thread_.native_handle(), "control");
    return out;
}

void control_server::stop()
{
    if (!thread_.joinable())
        return;
    asio::post(
        io_,
        [this]
        {
            stopping_ = true;
            boost::system::error_code ignored;
            acceptor_.close(ignored);
            for (auto& one : clients_)
                if (!one.busy)
                    one.socket.close(ignored);
        });
    thread_.join();
    worker_.join();
    std::error_code ignored;
    fs::remove(settings_.socket, ignored);
}

asio::awaitable<void> control_server::accept()
{
    asio::steady_timer pause(io_);
    for (;;)
    {
        boost::system::error_code failed;
        auto socket = co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, failed));
        if (stopping_)
            co_return;
        if (failed) // no descriptors left, most likely
        {
            pause.expires_after(100ms);
            co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, failed));
            if (stopping_)
                co_return;
            continue;
        }
        if (!may_command(socket.native_handle()) || clients_.size() >= settings_.clients_max)
            continue; // closed
        const auto place = clients_.emplace(clients_.end(), client{.socket = std::move(socket)});
        asio::co_spawn(
            io_, serve(*place),
            [this, place](const std::exception_ptr& bug)
            {
                if (bug)
                    spdlog::error("a control connection failed");
                clients_.erase(place);
            });
    }
}

asio::awaitable<void> control_server::serve(client& with)
{
    using namespace asio::experimental::awaitable_operators;
    constexpr auto token = asio::as_tuple(asio::use_awaitable);
    asio::steady_timer limit(io_);
    std::string received;
    while (!stopping_)
    {
        limit.expires_after(settings_.patience);
        const auto read = co_await (
            asio::async_read_until(
                with.socket, asio::dynamic_buffer(received, settings_.line_bytes_max), '\n', token) ||
            limit.async_wait(token));
        if (read.index() == 1)
            co_return;
        const auto [failed, size] = std::get<0>(read);
        const bool too_long = failed == asio::error::not_found;
        if (failed && !too_long)
            co_return;

        with.busy = true;
        const auto said = too_long ? refusal({errc::too_large, "the line is too long", {}})
                                   : co_await answer(received.substr(0, size));
        received.erase(0, size);
        limit.expires_after(settings_.patience);
        const auto written =
            co_await (asio::async_write(with.socket, asio::buffer(said), token) || limit.async_wait(token));
        with.busy = false;
        if (too_long || written.index() == 1 || std::get<0>(std::get<0>(written)))
            co_return;
    }
}

asio::awaitable<std::string> control_server::answer(std::string line)
{
    boost::system::error_code bad;
    auto parsed = boost::json::parse(line, bad);
    const auto* asked = bad ? nullptr : parsed.if_object();
    const auto* name = asked == nullptr ? nullptr : asked->if_contains("command");
    if (name == nullptr || !name->is_string())
        co_return refusal({errc::bad_request, "that is no command", {}});
    const auto found = commands_.find(std::string_view(name->get_string()));
    if (found == commands_.end())
        co_return refusal({errc::bad_request, "this relay does not know the command", {}});

    auto done =
        co_await asio::co_spawn(worker_, execute(found->second, std::move(parsed.get_object())), asio::use_awaitable);
    if (!done)
        co_return refusal(done.error());
    boost::json::object out{{"ok", true}};
    out.insert(done->begin(), done->end());
    co_return boost::json::serialize(out) + "\n";
}

} // namespace consortium::relay
