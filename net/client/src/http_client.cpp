#include "consortium/net/http_client.hpp"
#include "consortium/net/pace.hpp"
#include "dial.hpp"
#include "tls.hpp"
#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <unordered_map>

namespace consortium::net
{
namespace http = beast::http;
namespace
{
using boost::system::error_code;
using clock = std::chrono::steady_clock;

constexpr std::size_t idle_per_origin_max = 4;
/// Below the idle times of usual servers.
constexpr std::chrono::seconds idle_age_max{30};
constexpr std::uint32_t header_bytes_max = 64u << 10;
/// A network that passes less is no progress: the relay's own rule of bodies, and its default.
constexpr std::size_t bytes_per_second_min = 4u << 10;
/// So much of a request may lie in the system, unseen by us, when the wait for the answer begins. It bounds what a
/// distant relay can be sent, too: 64 KiB in each round trip at least.
constexpr int system_buffer_bytes = 64 << 10;
constexpr std::size_t written_bytes_max = 32u << 10;

using outgoing = http::request<http::string_body>;

/// A connection to one origin and what was read of it.
struct connection
{
    explicit connection(dialled made) : end(std::move(made))
    {
        error_code ignored;
        lowest().socket().set_option(asio::socket_base::send_buffer_size(system_buffer_bytes), ignored);
    }

    plain_stream& lowest()
    {
        auto* tls = std::get_if<tls_stream>(&end.stream);
        return tls != nullptr ? tls->next_layer() : std::get<plain_stream>(end.stream);
    }
    /// Without reading, and only while nothing is under way.
    bool peer_is_gone()
    {
        char byte = 0;
        error_code failed;
        auto& socket = lowest().socket();
        socket.non_blocking(true, failed);
        const auto count = socket.receive(asio::buffer(&byte, 1), tcp::socket::message_peek, failed);
        return count == 0 && failed != asio::error::would_block && failed != asio::error::try_again;
    }

    dialled end;
    beast::flat_buffer input{header_bytes_max};
};

struct exchanged
{
    result<client_response> answer;
    bool answered = false; ///< some byte of it came
    bool reusable = false;
};

outgoing make_request(client_request from, const url& to)
{
    outgoing out;
    out.method_string({from.method.data(), from.method.size()});
    out.target({to.target.data(), to.target.size()});
    out.version(11);
    out.set(http::field::host, to.authority());
    for (const auto& field : from.headers)
        out.insert(field_value(field.name), field_value(field.value));
    out.body() = std::move(from.body);
    out.prepare_payload();
    return out;
}

error trouble(const error_code& failed)
{
    if (failed == beast::error::timeout)
        return {errc::timeout, "the server did not answer in time", {}};
    if (failed == http::error::body_limit)
        return {errc::too_large, "the answer is too large", {}};
    const bool broken = failed == http::error::end_of_stream || failed == http::error::partial_message;
    if (!broken && failed.category() == make_error_code(http::error::bad_version).category())
        return {errc::corrupt, "the answer is no HTTP: " + failed.message(), {}};
    return {errc::closed, "the connection broke before the answer was complete: " + failed.message(), {}};
}

client_response take(http::response<http::string_body> from)
{
    client_response out;
    out.status = from.result_int();
    for (const auto& field : from)
        out.headers.add(
            {field.name_string().data(), field.name_string().size()}, {field.value().data(), field.value().size()});
    out.body = std::move(from.body());
    return out;
}

/// As long as it goes forward: a large request takes a slow network long.
template <class Stream>
asio::awaitable<error_code> send_request(Stream& stream, const outgoing& request, std::chrono::milliseconds span)
{
    auto& lowest = beast::get_lowest_layer(stream);
    http::request_serializer<http::string_body> rest(request);
    rest.limit(written_bytes_max);
    pace going(span, bytes_per_second_min);
    while (!rest.is_done())
    {
        lowest.expires_after(going.patience(clock::now()));
        const auto [failed, count] = co_await http::async_write_some(stream, rest, asio::as_tuple(asio::use_awaitable));
        if (failed)
            co_return failed;
        if (!going.moved(count, clock::now()))
            co_return beast::error::timeout;
    }
    co_return error_code{};
}

/// The same for what follows the header of an answer.
template <class Stream>
asio::awaitable<error_code> receive_rest(
    Stream& stream, beast::flat_buffer& input, http::response_parser<http::string_body>& parser,
    std::chrono::milliseconds span)
{
    pace coming(span, bytes_per_second_min);
    while (!parser.is_done())
    {
        beast::get_lowest_layer(stream).expires_after(coming.patience(clock::now()));
        const auto [failed, count] =
            co_await http::async_read_some(stream, input, parser, asio::as_tuple(asio::use_awaitable));
        if (failed)
            co_return failed;
        if (!parser.is_done() && !coming.moved(count, clock::now()))
            co_return beast::error::timeout;
    }
    co_return error_code{};
}

/// Each of its parts under the stream's deadline, which closes it.
template <class Stream>
asio::awaitable<exchanged>
exchange(Stream& stream, beast::flat_buffer& input, const outgoing& request, const client_options& options)
{
    // A server may answer and close before it has taken the whole body: then its answer counts.
    const auto unsent = co_await send_request(stream, request, options.request_timeout);
    if (unsent == beast::error::timeout)
        co_return exchanged{std::unexpected(trouble(unsent))};
    beast::get_lowest_layer(stream).expires_after(options.request_timeout);

    bool answered = false;
    while (true)
    {
        http::response_parser<http::string_body> parser;
        parser.header_limit(header_bytes_max);
        parser.body_limit(options.response_bytes_max);
        parser.skip(request.method() == http::verb::head);
        auto [failed, count] =
            co_await http::async_read_header(stream, input, parser, asio::as_tuple(asio::use_awaitable));
        answered = answered || parser.got_some();
        if (!failed && parser.get().result_int() < 200 && parser.get().result() != http::status::switching_protocols)
            continue; // an interim answer
        if (!failed)
            failed = co_await receive_rest(stream, input, parser, options.request_timeout);
        if (failed)
            co_return exchanged{std::unexpected(trouble(failed)), answered};
        const bool reusable = !unsent && parser.keep_alive() && input.size() == 0;
        co_return exchanged{take(parser.release()), answered, reusable};
    }
}

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
    void drop_idle() override { idle_->clear(); }

private:
    struct idle_connection
    {
        std::unique_ptr<connection> held;
        clock::time_point since;
    };
    using idle_connections = std::unordered_map<std::string, std::vector<idle_connection>>;

    static std::unique_ptr<connection> take_idle(idle_connections& idle, const std::string& origin)
    {
        auto& list = idle[origin];
        while (!list.empty())
        {
            auto last = std::move(list.back());
            list.pop_back();
            if (clock::now() - last.since < idle_age_max && !last.held->peer_is_gone())
                return std::move(last.held);
        }
        return nullptr;
    }

    static asio::awaitable<result<client_response>> carry_out(
        client_request wanted, asio::any_io_executor executor, client_options options,
        std::shared_ptr<asio::ssl::context> tls, std::shared_ptr<idle_connections> idle)
    {
        const auto to = parse_url(wanted.url);
        if (!to)
            co_return std::unexpected(to.error());
        const auto origin = to->origin();
        const auto request = make_request(std::move(wanted), *to);
        const bool repeatable = request.method() != http::verb::post && request.method() != http::verb::patch;
        bool fresh_only = false;
        while (true)
        {
            auto used = fresh_only ? nullptr : take_idle(*idle, origin);
            const bool reused = used != nullptr;
            if (!reused)
            {
                auto made = co_await dial(executor, *to, tls, options.proxies, clock::now() + options.connect_timeout);
                if (!made)
                    co_return std::unexpected(made.error());
                used = std::make_unique<connection>(std::move(*made));
            }
            auto outcome = co_await std::visit(
                [&](auto& stream) { return exchange(stream, used->input, request, options); }, used->end.stream);
            // The server closed the idle connection just as we used it.
            if (!outcome.answer && reused && !outcome.answered && repeatable && outcome.answer.error() == errc::closed)
            {
                fresh_only = true;
                continue;
            }
            auto& list = (*idle)[origin];
            if (outcome.reusable && list.size() < idle_per_origin_max)
                list.push_back({std::move(used), clock::now()});
            // What is gone is gone for its neighbours too.
            if (!outcome.answer && outcome.answer.error() == errc::timeout)
                list.clear();
            co_return std::move(outcome.answer);
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
