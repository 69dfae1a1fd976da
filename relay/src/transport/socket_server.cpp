#include "transport/socket_server.hpp"
#include "contain.hpp"
#include "transport/socket_io_peer.hpp"
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace consortium::relay
{
namespace
{
class socket_server_impl final : public socket_server
{
public:
    socket_server_impl(net::http_server& server, socket_handler& rules, socket_server_options options)
        : context_(server, rules, std::move(options)), places_(context_.options.polling_sessions)
    {
    }

    ~socket_server_impl() override
    {
        // What still polls gives up its place and leaves its thread's list: these go later.
        context_.by_sid.clear();
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

    void for_each_here(const std::function<void(socket_listener&)>& task) override;
    void close_all(std::string_view reason) override;
    socket_server_counts counts() const noexcept override
    {
        return {context_.connection_count, context_.by_sid.polling_count(), context_.socket_count};
    }

private:
    using carrier = engine_connection::carrier;

    std::shared_ptr<engine_connection> make_client(const net::connection_info& from, carrier first);
    net::http_response open_polling(const net::connection_info& from);
    /// A WebSocket for a connection that is there already.
    static asio::awaitable<void>
    join(std::shared_ptr<engine_connection> found, std::size_t here, std::unique_ptr<net::websocket> connection);

    transport_context context_;
    place_table places_; ///< of polling clients
    std::atomic<bool> closing_ = false;
};

/// Runs `task` on the connection's thread, which is nearly always this one.
template <class T>
asio::awaitable<T> on_thread_of(engine_connection& of, std::size_t here, asio::awaitable<T> task)
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

std::shared_ptr<engine_connection> socket_server_impl::make_client(const net::connection_info& from, carrier first)
{
    auto made = std::make_shared<engine_connection>(context_, from.thread, from.remote_address, first);
    made->serve(std::make_unique<socket_io_peer>(context_, *made));
    return made;
}

net::http_response socket_server_impl::open_polling(const net::connection_info& from)
{
    const auto made = make_client(from, carrier::polling);
    auto [place, why] = places_.enter(
        context_.options.counted_as(from.remote_address),
        [this, weak = std::weak_ptr(made), executor = made->executor(), sid = made->sid()]
        {
            context_.by_sid.remove(sid);
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
    context_.by_sid.add(made->sid(), made);
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
        return refuse(engine_error(engine_refusal::unsupported_version));
    const std::string_view wanted = head.upgrade ? "websocket" : "polling";
    const auto transport = head.query_value("transport");
    if (transport != wanted)
        return refuse(engine_error(
            transport == "websocket" || transport == "polling" ? engine_refusal::bad_request
                                                               : engine_refusal::unknown_transport));
    const auto sid = head.query_value("sid");
    if (closing_ && (!sid || head.upgrade))
        return refuse(unavailable());
    if (!sid && !head.upgrade && head.method != "GET")
        return refuse(engine_error(engine_refusal::bad_handshake_method));
    if (!sid)
        return out;
    const auto found = context_.by_sid.find(*sid);
    if (!found)
        return refuse(engine_error(engine_refusal::unknown_sid));
    if (head.method != "GET" && head.method != "POST")
        return refuse(engine_error(engine_refusal::bad_request));
    // A second WebSocket is taken, and closed: that is how its client hears of it.
    if (!head.upgrade && found->carried_by == carrier::websocket)
        return refuse(engine_error(engine_refusal::bad_request));
    out.owner = found->connection->owner();
    if (head.method == "GET" && !head.upgrade)
        out.unheard = [connection = std::weak_ptr(found->connection)] { engine_connection::poll_was_lost(connection); };
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
    const auto found = context_.by_sid.find(*sid);
    if (!found)
        co_return engine_error(engine_refusal::unknown_sid);
    auto& client = *found->connection;
    if (request.method == "GET")
        co_return co_await on_thread_of(client, from.thread, engine_connection::poll(found->connection));
    co_return co_await on_thread_of(
        client, from.thread, engine_connection::receive(found->connection, std::move(request.body)));
}

asio::awaitable<void> socket_server_impl::upgraded(
    net::http_request request, net::connection_info from, std::unique_ptr<net::websocket> connection)
{
    const auto sid = request.query_value("sid");
    if (!sid)
        return engine_connection::run(make_client(from, carrier::websocket), std::move(connection));
    auto found = context_.by_sid.find(*sid);
    return join(found ? std::move(found->connection) : nullptr, from.thread, std::move(connection));
}

asio::awaitable<void> socket_server_impl::join(
    std::shared_ptr<engine_connection> found, std::size_t here, std::unique_ptr<net::websocket> connection)
{
    if (!found)
    {
        connection->close(net::close_code::policy_violation, "unknown session");
        co_return;
    }
    if (found->thread() != here)
        connection = net::use_from(found->executor(), std::move(connection));
    co_await on_thread_of(*found, here, engine_connection::run(found, std::move(connection)));
}

void socket_server_impl::for_each_here(const std::function<void(socket_listener&)>& task)
{
    const auto here = context_.server.current_thread();
    CONSORTIUM_ASSERT(here.has_value());
    std::vector<std::shared_ptr<socket>> clients;
    for (auto* each : context_.sockets_by_thread[*here])
        clients.push_back(each->shared_from_this());
    for (const auto& client : clients)
        task(*static_cast<joined_socket&>(*client).listener());
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
                std::vector<std::shared_ptr<engine_connection>> open;
                for (auto* each : context_.connections_by_thread[thread])
                    open.push_back(each->shared_from_this());
                for (const auto& each : open)
                    contain("ending a connection", [&] { each->close(text); });
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
