#include "consortium/net/http_client.hpp"
#include "dial.hpp"
#include "tls.hpp"
#include <algorithm>
#include <unordered_map>

namespace consortium::net
{
namespace
{
constexpr std::size_t idle_per_origin_max = 4;
/// Below the idle times of usual servers.
constexpr std::chrono::seconds idle_age_max{30};

class http_client_impl final : public http_client
{
public:
    http_client_impl(asio::any_io_executor executor, client_options options, std::shared_ptr<asio::ssl::context> tls)
        : executor_(std::move(executor)),
          options_(std::move(options)),
          tls_(std::move(tls)),
          idle_(std::make_shared<idle_connections>())
    {
    }

    asio::awaitable<result<client_response>> send(client_request request) override
    {
        // Nothing of `this` is used after the first wait: the client may be gone by then.
        return carry_out(std::move(request), executor_, options_, tls_, idle_);
    }

private:
    struct idle_connection
    {
        std::shared_ptr<client_connection> connection;
        std::chrono::steady_clock::time_point since;
    };
    using idle_connections = std::unordered_map<std::string, std::vector<idle_connection>>;

    static std::shared_ptr<client_connection> take_idle(idle_connections& idle, const std::string& origin)
    {
        auto& list = idle[origin];
        while (!list.empty())
        {
            auto last = std::move(list.back());
            list.pop_back();
            const bool fresh = std::chrono::steady_clock::now() - last.since < idle_age_max;
            if (fresh && !last.connection->channel.peer_is_gone())
                return last.connection;
        }
        return nullptr;
    }

    static asio::awaitable<result<client_response>> carry_out(
        client_request request, asio::any_io_executor executor, client_options options,
        std::shared_ptr<asio::ssl::context> tls, std::shared_ptr<idle_connections> idle)
    {
        const auto to = parse_url(request.url);
        if (!to)
            co_return std::unexpected(to.error());
        const auto origin = to->origin();
        const auto head = request_head(request.method, *to, request.headers, request.body.size());
        const bool repeatable = request.method != "POST" && request.method != "PATCH";
        bool fresh_only = false;
        while (true)
        {
            auto connection = fresh_only ? nullptr : take_idle(*idle, origin);
            const bool reused = connection != nullptr;
            if (!reused)
            {
                auto dialled = co_await dial(executor, *to, tls, options.connect_timeout);
                if (!dialled)
                    co_return std::unexpected(dialled.error());
                connection = std::move(*dialled);
            }
            connection->arm(options.request_timeout);
            response_reader reader(request.method == "HEAD", options.response_bytes_max);
            bool answered = false;
            auto response = co_await connection->exchange(head, request.body, reader, answered);
            connection->limit.cancel();
            if (response)
            {
                auto& list = (*idle)[origin];
                if (reader.keep_alive() && connection->input.empty() && list.size() < idle_per_origin_max)
                    list.push_back({std::move(connection), std::chrono::steady_clock::now()});
                co_return response;
            }
            // The server closed the idle connection just as we used it.
            if (reused && !answered && repeatable && response.error() == errc::closed)
            {
                fresh_only = true;
                continue;
            }
            co_return response;
        }
    }

    asio::any_io_executor executor_;
    client_options options_;
    std::shared_ptr<asio::ssl::context> tls_;
    std::shared_ptr<idle_connections> idle_;
};
} // namespace

result<std::unique_ptr<http_client>> http_client::make(asio::any_io_executor executor, client_options options)
{
    auto tls = make_client_tls(options.extra_ca_file);
    if (!tls)
        return std::unexpected(tls.error());
    return std::make_unique<http_client_impl>(std::move(executor), std::move(options), std::move(*tls));
}

} // namespace consortium::net
