#include "rpc_service.hpp"
#include "consortium/protocol/socket_io.hpp"
#include "contain.hpp"
#include <algorithm>
#include <boost/asio/steady_timer.hpp>

namespace consortium::relay
{
namespace
{

const error nobody_serves{errc::not_found, "RPC method not available", std::chrono::seconds(1)};
const error target_gone{errc::closed, "RPC target disconnected", std::chrono::seconds(1)};
const error same_socket{errc::bad_request, "Cannot call RPC on the same socket", {}};
const error timed_out{errc::timeout, "operation has timed out", {}};
const error no_text{errc::bad_request, "Internal error", {}};
const error too_many{errc::overloaded, "Too many calls wait for this target", std::chrono::seconds(1)};

std::string hope_key(account_id account, std::string_view method)
{
    std::string out(text(account.view()));
    out += method;
    return out;
}

/// One value as arguments.
arguments only(boost::json::object value)
{
    return {.values = {std::move(value)}};
}

/// What a target may answer: a text, or one value that holds all its bytes.
bool is_answer(const arguments& said)
{
    if (said.values.empty())
        return false;
    const auto& first = said.values.front();
    return said.bytes.empty() ? first.is_string()
                              : protocol::socket_io::count_placeholders(first) == said.bytes.each.size();
}

} // namespace

boost::json::object rpc_service::refusal(std::string_view text, const error& why)
{
    boost::json::object out{{"ok", false}, {"error", text}, {"code", word(why.code)}};
    if (why.retry)
        out["retry"] = why.retry->count();
    else
        out["retry"] = false;
    return out;
}

boost::json::object rpc_service::not_available()
{
    return refusal(nobody_serves.detail, nobody_serves);
}

rpc_service::rpc_service(hub& commits, net::http_server& server, const clock_source& wall, settings times)
    : commits_(commits),
      server_(server),
      wall_(wall),
      times_(times),
      registry_({.methods_per_socket_max = limits::rpc_methods_per_socket_max, .remembered = times.timeout})
{
}

result<void> rpc_service::add(account_id account, const std::string& method, member& who, socket& server)
{
    std::vector<shared_pending> hopeful;
    {
        const std::lock_guard lock(guard_);
        if (auto added = registry_.add(account, method, who.id()); !added)
            return added;
        endpoints_.try_emplace(who.id(), endpoint{server.thread(), server.weak(), who.weak_from_this()});
        const auto [first, last] = hoping_.equal_range(hope_key(account, method));
        for (auto at = first; at != last; ++at)
            if (auto given = at->second.lock())
                hopeful.push_back(std::move(given));
        hoping_.erase(first, last);
    }
    for (const auto& given : hopeful)
        commits_.post(given->thread, [this, given] { dispatch(given); });
    return {};
}

void rpc_service::remove(account_id account, const std::string& method, connection_id id)
{
    const std::lock_guard lock(guard_);
    registry_.remove(account, method, id);
}

void rpc_service::drop(connection_id id)
{
    const std::lock_guard lock(guard_);
    registry_.drop(id, wall_.now());
    endpoints_.erase(id);
}

void rpc_service::finish(pending& given, arguments answer)
{
    if (given.finished.exchange(true))
        return;
    given.wanted.in_flight->fetch_sub(1);
    given.wanted.reply(std::move(answer));
}

void rpc_service::begin(call wanted)
{
    if (wanted.in_flight->load() >= limits::rpc_calls_per_socket_max)
    {
        const error why{errc::rate_limited, "Too many calls in flight", std::chrono::seconds(1)};
        return wanted.reply(boost::json::value(refusal(why.detail, why)));
    }
    wanted.in_flight->fetch_add(1);
    auto given = std::make_shared<pending>();
    given->wanted = std::move(wanted);
    given->ends_at = clock::now() + times_.timeout;
    given->thread = *server_.current_thread();
    limit(given);
    dispatch(given);
}

/// Whatever keeps the answer, a target that is still catching up for one: the caller hears by then.
void rpc_service::limit(const shared_pending& given)
{
    auto timer = std::make_shared<boost::asio::steady_timer>(server_.executor(given->thread), given->ends_at);
    timer->async_wait(
        [timer, weak = std::weak_ptr(given)](const boost::system::error_code&)
        {
            if (const auto late = weak.lock())
                contain("ending a late call", [&] { finish(*late, only(refusal(timed_out.detail, timed_out))); });
        });
}

void rpc_service::dispatch(const shared_pending& given)
{
    if (given->finished)
        return;
    std::optional<endpoint> target;
    bool hope = false;
    {
        const std::lock_guard lock(guard_);
        const auto found = registry_.find(given->wanted.account, given->wanted.method);
        if (found == given->wanted.caller)
            return finish(*given, only(refusal(same_socket.detail, same_socket)));
        if (found)
            target = endpoints_.at(*found);
        // Right after a start of the relay everybody is still on the way back.
        hope = registry_.was_lost_lately(given->wanted.account, given->wanted.method, wall_.now()) ||
               clock::now() - started_ < times_.grace;
    }
    if (target)
        return forward(given, *target);
    const auto rest = given->ends_at - clock::now();
    if (!hope || rest <= times_.timeout - times_.grace)
        return finish(*given, only(not_available()));
    wait_for_target(given);
}

void rpc_service::wait_for_target(const shared_pending& given)
{
    {
        const std::lock_guard lock(guard_);
        hoping_.emplace(hope_key(given->wanted.account, given->wanted.method), given);
    }
    // The timer holds the call; when it ends, the hope does.
    auto timer = std::make_shared<boost::asio::steady_timer>(server_.executor(given->thread));
    timer->expires_at(given->ends_at - times_.timeout + times_.grace);
    timer->async_wait([this, timer, given](const boost::system::error_code&)
                      { contain("ending a call without a target", [&] { give_up_hope(given); }); });
}

void rpc_service::give_up_hope(const shared_pending& given)
{
    {
        const std::lock_guard lock(guard_);
        const auto [first, last] = hoping_.equal_range(hope_key(given->wanted.account, given->wanted.method));
        const auto found = std::find_if(first, last, [&](const auto& one) { return one.second.lock() == given; });
        if (found == last)
            return; // registered meanwhile: it was dispatched
        hoping_.erase(found);
    }
    finish(*given, only(not_available()));
}

void rpc_service::forward(const shared_pending& given, const endpoint& target)
{
    commits_.post(
        target.thread,
        [this, given, to = target.to, whose = target.who]
        {
            const auto who = whose.lock();
            const auto server = to.lock();
            if (!who || !server || !server->is_open())
                return finish(*given, only(refusal(target_gone.detail, target_gone)));
            // What the caller said before has to be there before the call is.
            commits_.when_live(
                *who,
                [given, to]
                {
                    if (const auto live = to.lock(); live && live->is_open())
                        emit(given, *live);
                    else
                        finish(*given, only(refusal(target_gone.detail, target_gone)));
                });
        });
}

void rpc_service::emit(const shared_pending& given, socket& server)
{
    if (given->finished)
        return;
    // A target that takes nothing is sent nothing more.
    if (server.queued_bytes() > limits::rpc_queue_bytes_max)
        return finish(*given, only(refusal(too_many.detail, too_many)));
    const auto rest = std::max(
        std::chrono::duration_cast<std::chrono::milliseconds>(given->ends_at - clock::now()),
        std::chrono::milliseconds(1));
    arguments said{
        {boost::json::object{{"method", given->wanted.method}, {"params", std::move(given->wanted.params)}}},
        std::move(given->wanted.bytes)};
    server.emit_with_ack(
        "rpc-request", std::move(said), rest,
        [given](result<arguments> answer)
        {
            if (answer && is_answer(*answer))
            {
                arguments out{
                    {boost::json::object{{"ok", true}, {"result", std::move(answer->values.front())}}},
                    std::move(answer->bytes)};
                return finish(*given, std::move(out));
            }
            const auto& why = answer                               ? no_text
                              : answer.error() == errc::timeout    ? timed_out
                              : answer.error() == errc::overloaded ? too_many
                                                                   : target_gone;
            finish(*given, only(refusal(why.detail, why)));
        });
    server.flush();
}

} // namespace consortium::relay
