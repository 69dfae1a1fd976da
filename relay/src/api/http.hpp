#pragma once
#include "consortium/net/http_server.hpp"
#include "consortium/protocol/v1/answers.hpp"
#include "services.hpp"
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

/// What the handlers of HTTP requests have in common.
namespace consortium::relay::api
{
namespace v1 = protocol::v1;

/// A request on its way to its handler.
struct call
{
    services& shared;
    net::http_request request;
    net::connection_info from;
    /// Whose token it came with.
    projections::principal who;
    /// Decoded `:name` segments of the route, in order.
    std::vector<std::string> segments;
};
using handler = asio::awaitable<net::http_response> (*)(call);

enum class access
{
    anyone,
    token,
    token_of_revoked, ///< the token of a device that was revoked will do
    maybe_token,      ///< without one `who` is nobody: its account is nil
};
/// Which of the bounds of bodies.
using body = std::size_t body_bounds::*;
/// What requests that come without a token, or cost more than others, are counted by.
enum class rate
{
    none,
    guests,
    pollers, ///< asking how a pairing goes, which agents do every second
};
/// One endpoint: all that admits a request to it, and what answers it.
struct route
{
    std::string_view method;
    /// "/v1/sessions/:id/messages"
    std::string_view pattern;
    access needs;
    body may_have;
    handler run;
    /// access::maybe_token: only without one.
    rate counted = rate::none;
};

/// The families of the contract.
std::span<const route> auth_routes();
std::span<const route> invitation_routes();
std::span<const route> pairing_routes();
std::span<const route> device_routes();
std::span<const route> session_routes();
std::span<const route> message_routes();
std::span<const route> machine_routes();
std::span<const route> account_routes();
std::span<const route> log_routes();
/// All of them: what the router serves.
std::vector<route> all_routes();

/// Status by error code; the body of section "errors" of docs/protocol.md.
net::http_response refuse(const error& why);
/// The same with a text of the contract in place of the detail.
net::http_response refuse(const error& why, std::string_view text, std::string_view also = {});
net::http_response refuse(unsigned status, const error& why, std::string_view text, std::string_view also = {});
/// The same, with further members of the answer.
net::http_response refuse_with(const error& why, const std::function<void(v1::json_writer&)>& members);
/// With the account's chain of devices, which the caller's statement does not fit.
net::http_response refuse_with_chain(services& shared, const error& why, account_id account);
/// Of a session; errc::not_found with `text`, and with the word of who had it deleted.
net::http_response
refuse_session(const call& given, session_id session, const error& why, std::string_view text = "Session not found");
/// For the log; whoever asked hears only that it failed.
net::http_response refuse_bug(const std::exception& bug);
net::http_response ok(std::string json);
/// Any page may read the answer, errors too.
net::http_response open_to_others(net::http_response answer);
inline net::http_response success()
{
    return ok(R"({"success":true})");
}

/// Reads `Body` with its reader from the request's JSON.
template <class Body>
result<Body> read_body(const call& given, result<Body> (*reader)(const boost::json::object&))
{
    const auto object = v1::parse_object_text(given.request.body);
    if (!object)
        return std::unexpected(object.error());
    return reader(*object);
}

/// An exception ends this request alone.
template <class Answer>
net::http_response guarded(Answer& answer)
{
    try
    {
        return answer();
    }
    catch (const std::exception& bug)
    {
        return refuse_bug(bug);
    }
}

/// To a client whose account leaves too much untaken. For the refusal log too.
net::http_response refuse_untaken(const services& shared, const std::string& address);

/// Runs `answer` on a reader thread and goes on where it was.
template <class Answer>
asio::awaitable<net::http_response> on_reader(services& shared, Answer answer)
{
    auto initiation = [&shared](auto handler, Answer given)
    {
        auto back = asio::get_associated_executor(handler);
        asio::post(
            shared.readers,
            [back, handler = std::move(handler), given = std::move(given)]() mutable
            {
                auto made = guarded(given);
                asio::post(
                    back, [handler = std::move(handler), made = std::move(made)]() mutable
                    { std::move(handler)(std::move(made)); });
            });
    };
    co_return co_await asio::async_initiate<decltype(asio::use_awaitable), void(net::http_response)>(
        std::move(initiation), asio::use_awaitable, std::move(answer));
}

/// Reads for a request on a reader thread, unless too much of what was read for its account meanwhile is not taken.
inline asio::awaitable<net::http_response> on_reader(call given, net::http_response (*read)(const call&))
{
    auto& shared = given.shared;
    co_return co_await on_reader(
        shared,
        [given = std::move(given), read]
        {
            if (given.shared.output.full(given.who.account))
                return refuse_untaken(given.shared, given.from.remote_address);
            return read(given);
        });
}

template <class Task>
asio::awaitable<std::invoke_result_t<Task&>> run_task(Task task)
{
    co_return task();
}

/// Reads `Body` from the request's JSON; a large one on a reader thread, since others wait for this one.
template <class Body>
asio::awaitable<result<Body>> take_body(call& given, result<Body> (*reader)(const boost::json::object&))
{
    constexpr std::size_t here_bytes_max = 64u << 10;
    if (given.request.body.size() <= here_bytes_max)
        co_return read_body(given, reader);
    co_return co_await asio::co_spawn(
        given.shared.readers, run_task([&given, reader] { return read_body(given, reader); }), asio::use_awaitable);
}

/// Adds the log and the revision that an answer reflects.
void stamp(net::http_response& answer, const services& shared, revision at);
/// The members `"log":..,"revision":..` of a list.
void write_stamp(v1::json_writer& out, const services& shared, revision at);
/// An object of these members, with the log and the revision that it reflects.
net::http_response stamped(
    const call& given, const log::snapshot& at, const std::function<void(v1::json_writer&)>& members,
    std::size_t bytes_expected = 0);

/// A whole number in a query; errc::bad_request unless it is one and at least `least`, at most `most`.
result<std::uint64_t> query_number(
    const net::http_request& request, std::string_view name, std::uint64_t otherwise, std::uint64_t least,
    std::uint64_t most);

/// An id of the path. What has not the form of one is nobody's: nil, which nothing has.
template <class Id>
Id id_of(std::string_view text)
{
    return parse_uuid<Id>(text).value_or(Id{});
}

} // namespace consortium::relay::api
