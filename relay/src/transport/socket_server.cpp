#include "transport/socket_server.hpp"
#include "contain.hpp"
#include "transport/session.hpp"
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <mutex>
#include <unordered_map>

namespace consortium::relay
{
namespace
{
class socket_server_impl final : public socket_server
{
public:
    socket_server_impl(net::http_server& server, socket_handler& rules, socket_server_options options)
        : context_{server, rules, std::move(options), {}, {}}
    {
        context_.by_thread.resize(server.thread_count());
        context_.forget = [this](const std::string& sid)
        {
            const std::lock_guard lock(mutex_);
            polling_.erase(sid);
        };
    }

    bool owns(std::string_view path) const noexcept override
    {
        const std::string_view ours = context_.options.path;
        return path.starts_with(ours) && (path.size() == ours.size() || path.substr(ours.size()) == "/");
    }

    asio::awaitable<net::http_response> handle(net::http_request request, net::connection_info from) override;
    std::optional<net::http_response>
    refuse_upgrade(const net::http_request& request, const net::connection_info& from) override;
    asio::awaitable<void>
    upgraded(net::http_request request, net::connection_info from, std::unique_ptr<net::websocket> connection) override;

    void for_each_here(const std::function<void(socket&)>& task) override;
    void close_all(std::string_view reason) override;
    socket_server_counts counts() const noexcept override
    {
        const std::lock_guard lock(mutex_);
        return {context_.session_count, polling_.size(), context_.socket_count};
    }

private:
    std::shared_ptr<session> find(std::string_view sid) const
    {
        const std::lock_guard lock(mutex_);
        const auto found = polling_.find(std::string(sid));
        return found == polling_.end() ? nullptr : found->second;
    }
    net::http_response open_polling(const net::connection_info& from);

    transport_context context_;
    std::atomic<bool> closing_ = false;
    mutable std::mutex mutex_;
    /// Only what is carried by polling: its requests come on any connection, so on any thread.
    std::unordered_map<std::string, std::shared_ptr<session>> polling_;
};

/// Runs `task` on the session's thread, which is nearly always this one.
template <class T>
asio::awaitable<T> on_thread_of(session& of, std::size_t here, asio::awaitable<T> task)
{
    if (of.thread() == here)
        co_return co_await std::move(task);
    co_return co_await asio::co_spawn(of.executor(), std::move(task), asio::use_awaitable);
}

net::http_response unavailable()
{
    auto out = polling_response(
        503, "application/json",
        R"({"error":"The relay takes no new connections now","code":"unavailable","retry":1000})");
    out.headers.add("Retry-After", "1");
    return out;
}

net::http_response socket_server_impl::open_polling(const net::connection_info& from)
{
    auto made = std::make_shared<session>(context_, from.thread, from.remote_address, /*polling=*/true);
    {
        const std::lock_guard lock(mutex_);
        polling_.emplace(made->sid(), made);
    }
    return made->open_by_polling();
}

asio::awaitable<net::http_response> socket_server_impl::handle(net::http_request request, net::connection_info from)
{
    if (request.method == "OPTIONS")
    {
        auto preflight = polling_response(204, "text/plain", {});
        preflight.headers.add("Access-Control-Allow-Methods", "GET, POST, OPTIONS");
        preflight.headers.add(
            "Access-Control-Allow-Headers", "Authorization, Content-Type, X-Happy-Client, X-Consortium-Client");
        preflight.headers.add("Access-Control-Max-Age", "86400");
        co_return preflight;
    }
    if (request.query_value("EIO") != "4")
        co_return engine_error(5);
    const auto transport = request.query_value("transport");
    if (transport != "polling")
        co_return engine_error(transport == "websocket" ? 3 : 0);
    const auto sid = request.query_value("sid");
    if (!sid)
    {
        if (request.method != "GET")
            co_return engine_error(2);
        if (closing_ || counts().polling >= context_.options.polling_sessions_max)
            co_return unavailable();
        co_return open_polling(from);
    }
    const auto found = find(*sid);
    if (!found)
        co_return engine_error(1);
    if (request.method == "GET")
        co_return co_await on_thread_of(*found, from.thread, session::poll(found));
    if (request.method == "POST")
    {
        if (request.body.size() > context_.options.payload_bytes_max)
            co_return polling_response(413, "text/plain", "");
        co_return co_await on_thread_of(*found, from.thread, session::receive(found, std::move(request.body)));
    }
    co_return engine_error(3);
}

std::optional<net::http_response>
socket_server_impl::refuse_upgrade(const net::http_request& request, const net::connection_info&)
{
    if (request.query_value("EIO") != "4")
        return engine_error(5);
    if (request.query_value("transport") != "websocket")
        return engine_error(request.query_value("transport") == "polling" ? 3 : 0);
    if (const auto sid = request.query_value("sid"); sid && !find(*sid))
        return engine_error(1);
    if (closing_)
        return unavailable();
    return {};
}

asio::awaitable<void> socket_server_impl::upgraded(
    net::http_request request, net::connection_info from, std::unique_ptr<net::websocket> connection)
{
    const auto sid = request.query_value("sid");
    if (!sid)
    {
        auto made = std::make_shared<session>(context_, from.thread, from.remote_address, /*polling=*/false);
        co_await session::run(std::move(made), std::move(connection));
        co_return;
    }
    const auto found = find(*sid);
    if (!found)
    {
        connection->close(net::close_code::policy_violation, "unknown session");
        co_return;
    }
    if (found->thread() != from.thread)
        connection = net::use_from(found->executor(), std::move(connection));
    co_await on_thread_of(*found, from.thread, session::run(found, std::move(connection)));
}

void socket_server_impl::for_each_here(const std::function<void(socket&)>& task)
{
    const auto here = context_.server.current_thread();
    CONSORTIUM_ASSERT(here.has_value());
    std::vector<std::shared_ptr<socket_impl>> clients;
    for (auto* each : context_.by_thread[*here])
        if (each->client())
            clients.push_back(each->client());
    for (const auto& client : clients)
        task(*client);
}

void socket_server_impl::close_all(std::string_view reason)
{
    closing_ = true;
    for (std::size_t thread = 0; thread < context_.server.thread_count(); ++thread)
    {
        context_.server.post(
            thread,
            [this, thread, text = std::string(reason)]
            {
                std::vector<std::shared_ptr<session>> sessions;
                for (auto* each : context_.by_thread[thread])
                    sessions.push_back(each->shared_from_this());
                for (const auto& each : sessions)
                    contain("ending a session", [&] { each->close(text); });
            });
    }
}
} // namespace

std::unique_ptr<socket_server>
socket_server::make(net::http_server& server, socket_handler& rules, socket_server_options options)
{
    return std::make_unique<socket_server_impl>(server, rules, std::move(options));
}

} // namespace consortium::relay
