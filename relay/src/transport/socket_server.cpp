#include "transport/socket_server.hpp"
#include "contain.hpp"
#include "transport/session.hpp"
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
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
        : context_{server, rules, std::move(options), {}, {}}, places_(context_.options.polling_sessions)
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
    socket_admission admit(const net::http_request& head, const net::connection_info& from) override;
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
    /// A WebSocket that wants to carry a session which polls.
    static asio::awaitable<void>
    probe(std::shared_ptr<session> found, std::size_t here, std::unique_ptr<net::websocket> connection);

    transport_context context_;
    place_table places_; ///< of polling sessions
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
    auto [place, why] = places_.enter(
        context_.options.counted_as(from.remote_address),
        [this, weak = std::weak_ptr(made), executor = made->executor(), sid = made->sid()]
        {
            context_.forget(sid);
            asio::post(
                executor,
                [weak]
                {
                    if (const auto self = weak.lock())
                        self->close("others need the place");
                });
        });
    if (why != place_table::crowd::none)
        context_.options.crowded(why, from.remote_address);
    if (!place)
        return unavailable();
    made->hold(std::move(place));
    {
        const std::lock_guard lock(mutex_);
        polling_.emplace(made->sid(), made);
    }
    return made->open_by_polling();
}

net::http_response preflight()
{
    auto answer = polling_response(204, "text/plain", {});
    answer.headers.add("Access-Control-Allow-Methods", "GET, POST, OPTIONS");
    answer.headers.add(
        "Access-Control-Allow-Headers", "Authorization, Content-Type, X-Happy-Client, X-Consortium-Client");
    answer.headers.add("Access-Control-Max-Age", "86400");
    return answer;
}

socket_admission socket_server_impl::admit(const net::http_request& head, const net::connection_info&)
{
    socket_admission out;
    const auto refuse = [&](net::http_response with)
    {
        out.refusal = std::move(with);
        return out;
    };
    if (head.method == "OPTIONS" && !head.upgrade)
        return refuse(preflight());
    if (head.query_value("EIO") != "4")
        return refuse(engine_error(5));
    const std::string_view wanted = head.upgrade ? "websocket" : "polling";
    const auto transport = head.query_value("transport");
    if (transport != wanted)
        return refuse(engine_error(transport == "websocket" || transport == "polling" ? 3 : 0));
    const auto sid = head.query_value("sid");
    if (closing_ && (!sid || head.upgrade))
        return refuse(unavailable());
    if (!sid && !head.upgrade && head.method != "GET")
        return refuse(engine_error(2));
    if (!sid)
        return out;
    const auto found = find(*sid);
    if (!found)
        return refuse(engine_error(1));
    if (head.method != "GET" && head.method != "POST")
        return refuse(engine_error(3));
    out.owner = found->owner();
    if (head.method == "POST")
        out.body_bytes_max =
            out.owner.is_nil() ? context_.options.stranger_payload_bytes_max : context_.options.payload_bytes_max;
    return out;
}

asio::awaitable<net::http_response> socket_server_impl::handle(net::http_request request, net::connection_info from)
{
    const auto sid = request.query_value("sid");
    if (!sid)
        co_return open_polling(from);
    const auto found = find(*sid);
    if (!found)
        co_return engine_error(1);
    if (request.method == "GET")
        co_return co_await on_thread_of(*found, from.thread, session::poll(found));
    co_return co_await on_thread_of(*found, from.thread, session::receive(found, std::move(request.body)));
}

asio::awaitable<void> socket_server_impl::upgraded(
    net::http_request request, net::connection_info from, std::unique_ptr<net::websocket> connection)
{
    const auto sid = request.query_value("sid");
    if (!sid)
        return session::run(
            std::make_shared<session>(context_, from.thread, std::move(from.remote_address), /*polling=*/false),
            std::move(connection));
    return probe(find(*sid), from.thread, std::move(connection));
}

asio::awaitable<void>
socket_server_impl::probe(std::shared_ptr<session> found, std::size_t here, std::unique_ptr<net::websocket> connection)
{
    if (!found)
    {
        connection->close(net::close_code::policy_violation, "unknown session");
        co_return;
    }
    if (found->thread() != here)
        connection = net::use_from(found->executor(), std::move(connection));
    co_await on_thread_of(*found, here, session::run(found, std::move(connection)));
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
