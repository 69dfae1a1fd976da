// A running session: what the dashboard asks of it (docs/protocol.md 5.2).
#include "base/diagnostics.hpp"
#include "base/json_access.hpp"
#include "consortium/common/base64.hpp"
#include "session/session_runner.hpp"
#include <boost/json.hpp>

namespace consortium::agent
{

void session_runner::on_rpc(
    const std::string& method, const std::string& params, std::function<void(std::string)> reply)
{
    const auto known = call_method_of(method);
    if (!known || !calls_)
        return reply({});
    if (*known == call_method::begin)
        spawn(begin(params, std::move(reply)));
    else
        spawn(serve(*known, params, std::move(reply)));
}

/// Changes nothing, so nobody has to prove anything but that he has the session's key.
asio::awaitable<void> session_runner::begin(std::string params, std::function<void(std::string)> reply)
{
    const auto call = calls_->open_begin(params);
    if (!call)
        co_return reply({});
    if (!chain_read_ || call->devices != devices_.digest())
        (void)co_await read_chain();
    const auto& said = folder_.said();
    const json::object answer{
        {"challenge", calls_->new_challenge()},
        {"now", clock_.now()},
        {"devices", devices_.digest()},
        // The state that has all that happened so far: sealed already, or about to be.
        {"v", fields_.state_count()},
        {"last", said.empty() ? json::value(nullptr) : json::value(base64_encode(said.back()))},
        {"unsent", feed_.waiting()}};
    const auto sealed = calls_->seal(call_method::begin, call->id, answer);
    reply(sealed ? *sealed : std::string());
}

asio::awaitable<void>
session_runner::serve(call_method method, std::string params, std::function<void(std::string)> reply)
{
    const auto call = calls_->open(method, params);
    if (!call)
    {
        diagnostics::note("call not taken:", call.error().detail);
        co_return reply({}); // under no seal: anybody can bring this about
    }
    const auto outcome = co_await carry_out(*call);
    diagnostics::note("call " + std::string(word(method)), outcome ? "done" : word(outcome.error().code));
    const json::value answer =
        outcome ? *outcome
                : json::value{{"error", outcome.error().detail}, {"code", std::string(word(outcome.error().code))}};
    const auto sealed = calls_->seal(method, call->id, answer);
    reply(sealed ? *sealed : std::string());
    if (method == call_method::kill_session && outcome)
        end("Ended from the dashboard.", ending::dashboard);
}

asio::awaitable<result<json::value>> session_runner::carry_out(const accepted_call& call)
{
    if (call.method == call_method::devices)
        co_return learn_devices(call.d);
    if (!only_stops(call))
    {
        if (!chain_read_ || !devices_.find(call.act->device))
            (void)co_await read_chain();
        if (!chain_read_)
            co_return fail(errc::unavailable, "The agent could not read which devices belong to the account.");
        // Reading may have taken long: whoever called counts on it that nothing happens later.
        if (!calls_->in_time(call))
            co_return fail(errc::expired, "This came too late.");
    }
    if (!may_act(call, devices_.find(call.act->device)))
        co_return fail(errc::forbidden, "The agent does not take this from that device.");
    co_return co_await act(call);
}

asio::awaitable<result<json::value>> session_runner::act(const accepted_call& call)
{
    const auto* object = call.d.if_object();
    if (object == nullptr)
        co_return fail(errc::bad_request, "A call's `d` is an object.");
    switch (call.method)
    {
    case call_method::permission:
        co_return approvals_.take(call, *driver_);
    case call_method::abort:
    {
        out_.line("stop", "asked for in the dashboard");
        const auto end = co_await prompts_->stop_turn();
        if (!end)
            co_return std::unexpected(end.error());
        co_return json::object{{"end", *end ? json::value(base64_encode(**end)) : json::value(nullptr)}};
    }
    case call_method::stop_task:
    {
        const auto stopped = co_await driver_->stop_task(text_at(*object, "id"));
        if (!stopped)
            co_return std::unexpected(stopped.error());
        co_return json::object();
    }
    case call_method::set_mode:
    {
        const auto mode = text_at(*object, "mode");
        if (const auto done = co_await prompts_->set_mode(mode); !done)
            co_return std::unexpected(done.error());
        co_return json::object{{"mode", mode}};
    }
    case call_method::set_model:
    {
        const auto model = text_at(*object, "model");
        if (const auto done = co_await prompts_->set_model(model); !done)
            co_return std::unexpected(done.error());
        co_return json::object{{"model", model}};
    }
    case call_method::held:
    {
        const auto* run = object->if_contains("run");
        if (run == nullptr || !run->is_bool())
            co_return fail(errc::bad_request, "`held` names a prompt and says whether it runs.");
        if (const auto done = prompts_->decide(text_at(*object, "id"), run->get_bool()); !done)
            co_return std::unexpected(done.error());
        co_return json::object();
    }
    case call_method::take_back:
    {
        const auto taken = prompts_->take_back(
            text_at(*object, "id"), text_at(*object, "from"), static_cast<std::uint64_t>(number_at(*object, "n")));
        if (!taken)
            co_return std::unexpected(taken.error());
        co_return json::object();
    }
    case call_method::kill_session:
        co_return json::object();
    case call_method::begin:
    case call_method::devices:
        break; // not acts
    }
    co_return fail(errc::internal, "This call is no act.");
}

/// What another device of the account hands over; it proves itself.
result<json::value> session_runner::learn_devices(const json::value& d)
{
    const auto* object = d.if_object();
    const auto* list = object != nullptr ? array_at(*object, "statements") : nullptr;
    if (list == nullptr)
        return fail(errc::bad_request, "`devices` brings statements.");
    std::vector<bytes> statements;
    for (const auto& each : *list)
    {
        auto raw = each.is_string() ? base64_decode(std::string_view(each.get_string()))
                                    : result<bytes>(fail(errc::bad_request, ""));
        if (!raw)
            return fail(errc::bad_request, "A statement is base64.");
        statements.push_back(std::move(*raw));
    }
    const auto learned = devices_.learn(statements);
    if (!learned)
        return std::unexpected(learned.error());
    if (*learned)
    {
        constexpr auto words = "The relay had held back which devices belong to the account; another device told us.";
        out_.line("ALARM", words);
        feed_.tell_words(words);
        prompts_->judge();
        prompts_->wake();
    }
    json::array ours;
    for (const auto& each : devices_.statements())
        ours.push_back(json::string(base64_encode(each)));
    return json::object{{"statements", std::move(ours)}};
}

} // namespace consortium::agent
