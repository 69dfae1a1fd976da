#include "consortium/net/websocket_client.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/limits.hpp"
#include "consortium/common/printable.hpp"
#include "consortium/common/secret.hpp"
#include "dial.hpp"
#include "tls.hpp"
#include "websocket_connection.hpp"
#include <boost/asio/this_coro.hpp>

namespace consortium::net
{
namespace
{
/// A refusal shows at most so much of the server's text.
constexpr std::size_t shown_bytes_max = 300;
constexpr std::size_t shown_characters_max = 60;

error refusal(const client_response& answer)
{
    return {
        errc::unavailable,
        "no WebSocket was opened: HTTP " + std::to_string(answer.status) + " " +
            printable(std::string_view(answer.body).substr(0, shown_bytes_max), shown_characters_max),
        {}};
}
} // namespace

asio::awaitable<result<std::unique_ptr<websocket>>>
connect_websocket(std::string address, http_headers headers, client_options options)
{
    const auto executor = co_await asio::this_coro::executor;
    const auto to = parse_url(address);
    if (!to)
        co_return std::unexpected(to.error());
    std::shared_ptr<asio::ssl::context> tls;
    if (to->tls)
    {
        auto made = make_client_tls(options.extra_ca_file);
        if (!made)
            co_return std::unexpected(made.error());
        tls = std::move(*made);
    }
    const auto give_up_at = std::chrono::steady_clock::now() + options.connect_timeout;
    auto dialled = co_await dial(executor, *to, std::move(tls), options.connect_timeout);
    if (!dialled)
        co_return std::unexpected(dialled.error());
    const auto connection = std::move(*dialled);

    const auto key = base64_encode(random_array<16>());
    headers.set("Connection", "Upgrade");
    headers.set("Upgrade", "websocket");
    headers.set("Sec-WebSocket-Version", "13");
    headers.set("Sec-WebSocket-Key", key);
    connection->arm(
        std::chrono::duration_cast<std::chrono::milliseconds>(give_up_at - std::chrono::steady_clock::now()));
    response_reader reader(/*head_request=*/false, 1u << 20);
    bool answered = false;
    const auto head = request_head("GET", *to, headers, 0);
    auto response = co_await connection->exchange(head, {}, reader, answered);
    connection->limit.cancel();
    if (!response)
        co_return std::unexpected(response.error());
    if (response->status != 101)
        co_return std::unexpected(refusal(*response));
    const auto accepted = response->headers.find("Sec-WebSocket-Accept");
    if (!accepted || *accepted != accept_key(key))
        co_return fail(errc::corrupt, "the server's WebSocket handshake is wrong");

    websocket_settings settings;
    settings.role = websocket_role::client;
    settings.message_bytes_max = options.response_bytes_max;
    co_return make_websocket(
        std::make_shared<websocket_core>(std::move(connection->channel), std::move(connection->input), settings));
}

} // namespace consortium::net
