// A running session: what the dashboard asks of it.
#include "diagnostics.hpp"
#include "json_access.hpp"
#include "session_runner.hpp"
#include <boost/json.hpp>

namespace consortium::agent
{

void session_runner::on_rpc(
    const std::string& method, const std::string& params, std::function<void(std::string)> reply)
{
    spawn(serve(method, params, std::move(reply)));
}

asio::awaitable<void>
session_runner::serve(std::string method, std::string params, std::function<void(std::string)> reply)
{
    auto id = rpc_guard::claimed_id(params);
    const auto call = guard_->open(method, params);
    result<json::value> outcome = json::value();
    if (!call)
        outcome = std::unexpected(call.error());
    else
    {
        id = call->id;
        outcome = co_await act(method, call->d);
    }
    diagnostics::note("call " + method, outcome ? "done" : word(outcome.error().code));
    const json::value answer = outcome ? *outcome : json::value{{"error", outcome.error().detail}};
    const auto sealed = guard_->seal(method, id, answer);
    reply(sealed ? *sealed : std::string());
    if (method == "killSession" && outcome)
        end("Ended from the dashboard.");
}

asio::awaitable<result<json::value>> session_runner::act(const std::string& method, const json::value& d)
{
    const auto* object = d.if_object();
    if (method == "permission")
    {
        const auto verdict = claude::parse_permission_verdict(d);
        if (!verdict)
            co_return std::unexpected(verdict.error());
        const auto* asked = state_.find(verdict->id);
        if (asked == nullptr)
            co_return fail(errc::not_found, "This question is not open any more.");
        claude_->answer(asked->request_id, claude::permission_answer(*asked, *verdict));
        out_.line(claude::allows(verdict->made) ? "allowed" : "denied", asked->tool + "  " + verdict->reason);
        state_.answer(verdict->id, *verdict, clock_.now());
        state_field_->changed();
        co_return json::object();
    }
    if (method == "abort")
    {
        out_.line("stop", "asked for in the dashboard");
        const auto stopped = co_await stop_turn();
        if (!stopped)
            co_return std::unexpected(stopped.error());
        co_return json::object();
    }
    if (method == "set-mode" && object != nullptr)
        co_return co_await set_mode(text_at(*object, "mode"));
    if (method == "set-model" && object != nullptr)
        co_return co_await set_model(text_at(*object, "model"));
    if (method == "killSession")
        co_return json::object{{"success", true}, {"message", "The session is ending."}};
    co_return fail(errc::bad_request, "Method not found");
}

asio::awaitable<result<json::value>> session_runner::set_mode(std::string mode)
{
    const auto done = co_await claude_->control("set_permission_mode", {{"mode", mode}});
    if (!done)
    {
        out_.line("refused", "permission mode " + mode + ": " + done.error().detail);
        co_return std::unexpected(done.error());
    }
    const auto now = text_at(*done, "mode");
    on_mode(now.empty() ? mode : now);
    folder_.record().mode = state_.mode();
    (void)folder_.save();
    co_return json::object{{"mode", state_.mode()}};
}

asio::awaitable<result<json::value>> session_runner::set_model(std::string model)
{
    const auto done = co_await claude_->control("set_model", {{"model", model}});
    if (!done)
    {
        out_.line("refused", "model " + model + ": " + done.error().detail);
        co_return std::unexpected(done.error());
    }
    on_model(model);
    folder_.record().model = model;
    (void)folder_.save();
    co_return json::object{{"model", model}};
}

} // namespace consortium::agent
