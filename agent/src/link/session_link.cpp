#include "link/session_link.hpp"
#include "base/diagnostics.hpp"
#include "consortium/common/limits.hpp"
#include "link/relay_client.hpp"
#include <boost/json.hpp>

namespace consortium::agent
{
namespace json = boost::json;
namespace
{

constexpr auto ack_timeout = std::chrono::seconds(30);

/// Taken out of `args`: it may be large.
std::optional<unchecked> first_object(json::array& args)
{
    auto* found = args.empty() ? nullptr : args.front().if_object();
    return found != nullptr ? std::optional(unchecked(std::move(*found))) : std::nullopt;
}

} // namespace

session_link::session_link(asio::any_io_executor executor, link_options options, link_events& events)
    : executor_(std::move(executor)), options_(std::move(options)), events_(&events), closed_(executor_)
{
}

std::shared_ptr<session_link>
session_link::make(asio::any_io_executor executor, link_options options, link_events& events)
{
    return std::shared_ptr<session_link>(new session_link(std::move(executor), std::move(options), events));
}

json::object session_link::handshake() const
{
    json::object auth{{"token", options_.token}, {"clientType", "session-scoped"}, {"sessionId", options_.session_id}};
    auth["since"] = since_ ? json::value{{"log", since_->log}, {"revision", since_->revision}} : json::value(nullptr);
    return auth;
}

asio::awaitable<void> session_link::run(std::shared_ptr<session_link> self)
{
    while (!self->stopped_)
    {
        self->gone_ = false;
        self->joined_from_known_place_ = self->since_.has_value();
        socket_client_options wanted;
        wanted.server_url = self->options_.server_url;
        wanted.auth = self->handshake();
        wanted.net = self->options_.net;
        const std::weak_ptr<session_link> weak = self;
        socket_client::handlers handlers{
            [weak](std::string_view name, json::array& args, socket_client::answer reply)
            {
                if (const auto link = weak.lock())
                    link->on_event(name, args, std::move(reply));
            },
            [weak](error reason)
            {
                if (const auto link = weak.lock())
                {
                    link->close_reason_ = std::move(reason);
                    link->gone_ = true;
                    link->closed_.notify();
                }
            }};
        auto dialled = co_await self->options_.dial(std::move(wanted), std::move(handlers));
        if (self->stopped_)
        {
            if (dialled)
                (*dialled)->close();
            co_return;
        }
        if (!dialled)
        {
            auto why = dialled.error();
            diagnostics::note("not connected:", word(why.code));
            if (is_denial(why) && self->options_.regain_access)
            {
                auto token = co_await self->options_.regain_access(why);
                if (self->stopped_)
                    co_return;
                if (token)
                {
                    self->options_.token = std::move(*token);
                    co_await self->closed_.wait(self->pause_.next());
                    continue;
                }
                why = token.error();
            }
            if (!worth_retrying(why))
                co_return self->events_->on_link_refused(why);
            self->events_->on_offline(why);
            co_await self->closed_.wait(
                std::max(self->pause_.next(), why.retry.value_or(std::chrono::milliseconds(0))));
            continue;
        }
        self->socket_ = std::move(*dialled);
        diagnostics::note("connected, socket", self->socket_->sid());
        for (const auto& method : self->options_.methods)
            self->emit("rpc-register", {{"method", self->options_.session_id + ":" + method}});
        self->events_->on_online();
        while (!self->gone_ && !self->stopped_)
            co_await self->closed_.wait();
        if (self->stopped_)
            co_return;
        diagnostics::note("connection lost:", word(self->close_reason_.code));
        self->socket_.reset();
        self->events_->on_offline(self->close_reason_);
        co_await self->closed_.wait(self->pause_.next());
    }
}

void session_link::stop()
{
    stopped_ = true;
    if (socket_)
        socket_->close();
    socket_.reset();
    closed_.notify();
}

void session_link::dial_anew()
{
    if (socket_)
        socket_->close();
    close_reason_ = error{errc::closed, "joining the relay's log anew", std::nullopt};
    gone_ = true;
    closed_.notify();
}

void session_link::emit(std::string_view name, json::object value)
{
    if (online())
        socket_->emit(name, json::array{std::move(value)});
}

asio::awaitable<relay_answer<unchecked>> session_link::ask(std::string name, json::object value)
{
    if (!online())
        co_return std::unexpected(relay_failure::not_reached({errc::closed, "not connected", {}}));
    const auto socket = socket_;
    auto args = co_await socket->emit_with_ack(std::move(name), json::array{std::move(value)}, ack_timeout);
    if (!args)
        co_return std::unexpected(relay_failure::not_reached(args.error()));
    if (auto answer = first_object(*args))
    {
        const auto outcome = answer->text("result");
        if (outcome == "success" || outcome == "version-mismatch")
            co_return std::move(*answer);
        if (auto refusal = relay_failure::parse_refusal(*answer, "message"); refusal && outcome == "error")
            co_return std::unexpected(std::move(*refusal));
    }
    co_return std::unexpected(
        relay_failure::not_reached({errc::unavailable, "the relay acknowledged in an unknown form", {}}));
}

void session_link::on_event(std::string_view name, json::array& args, socket_client::answer reply)
{
    if (stopped_)
        return;
    const auto value = first_object(args);
    if (!value)
        return;
    if (name == "update")
    {
        // `since` advances from these and `caught-up` alone, and never back.
        if (since_)
            since_->revision = std::max(since_->revision, value->number("seq"));
        if (const auto body = value->object("body"))
            events_->on_update(*body);
    }
    else if (name == "caught-up")
    {
        const auto log = value->uuid("log");
        const auto revision = value->number("revision");
        if (log.empty())
            return;
        if (since_ && since_->log == log)
            since_->revision = std::max(since_->revision, revision);
        else
            since_ = position{log, revision};
        pause_.reset();
        diagnostics::note("caught up to revision", std::to_string(since_->revision));
        events_->on_caught_up(joined_from_known_place_);
        joined_from_known_place_ = true; // `caught-up` repeats; what was missed was said by the first
    }
    else if (name == "resync")
    {
        diagnostics::note("resync:", value->text("reason"));
        since_.reset();
        dial_anew();
    }
    else if (name == "rpc-request")
    {
        if (!reply)
            return;
        auto method = value->text("method", limits::rpc_method_bytes_max);
        const auto prefix = options_.session_id + ":";
        if (method.starts_with(prefix))
            method.erase(0, prefix.size());
        events_->on_rpc(
            method, value->text("params", limits::message_bytes_max),
            [reply = std::move(reply)](std::string text) { reply(json::array{std::move(text)}); });
    }
}

} // namespace consortium::agent
