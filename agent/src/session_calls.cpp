// A running session: what the dashboard asks of it (docs/protocol.md 5.2).
#include "consortium/common/base64.hpp"
#include "consortium/protocol/raw_json.hpp"
#include "diagnostics.hpp"
#include "json_access.hpp"
#include "session_runner.hpp"
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
        {"v", folder_.record().states + (state_field_->unsealed() ? 1 : 0)},
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
        co_return take_verdict(call);
    case call_method::abort:
    {
        out_.line("stop", "asked for in the dashboard");
        const auto end = co_await stop_turn();
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
        co_return co_await set_mode(text_at(*object, "mode"));
    case call_method::set_model:
        co_return co_await set_model(text_at(*object, "model"));
    case call_method::held:
    {
        const auto* run = object->if_contains("run");
        if (run == nullptr || !run->is_bool())
            co_return fail(errc::bad_request, "`held` names a prompt and says whether it runs.");
        const auto news = gate_->decide(text_at(*object, "id"), run->get_bool());
        if (!news)
            co_return std::unexpected(news.error());
        report(*news);
        judge_prompts();
        co_return json::object();
    }
    case call_method::take_back:
    {
        const auto taken = gate_->take_back(
            text_at(*object, "id"), text_at(*object, "from"), static_cast<std::uint64_t>(number_at(*object, "n")));
        if (!taken)
            co_return std::unexpected(taken.error());
        report({});
        judge_prompts();
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

/// The two texts decide: what is asked, and what was signed.
result<json::value> session_runner::take_verdict(const accepted_call& call)
{
    const auto verdict = parse_verdict(call.d, protocol::raw_member(call.act->text, "d").value_or(""));
    if (!verdict)
        return std::unexpected(verdict.error());
    const auto* open = state_.find(verdict->id);
    if (open == nullptr || open->hash != verdict->ask)
        return fail(errc::not_found, "This question is not open any more.");
    auto answer = driver_->prepare_answer(open->asked.kind, open->ask, *verdict);
    if (!answer)
        return std::unexpected(answer.error());
    if (is_before_start(open->asked.kind) && early_answer_)
        return fail(errc::not_found, "This question is not open any more.");
    feed_.tell(
        {{"type", "approval"},
         {"ask", open->message.empty() ? json::value(open->ask) : json::value(nullptr)},
         {"id", base64_encode(call.id)},
         {"text", call.act->text},
         {"device", base64_encode(call.act->device)},
         {"signature", base64_encode(call.act->signature)}});
    if (is_before_start(open->asked.kind))
    {
        (void)decide_early(verdict->made == decision::approved, "in the dashboard");
        return json::object();
    }
    driver_->answer(open->asked.request_id, std::move(*answer));
    out_.line(verdict->made == decision::approved ? "allowed" : "denied", open->asked.tool + "  " + verdict->reason);
    state_.close(verdict->id);
    state_changed();
    return json::object();
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
        judge_prompts();
        prompts_changed_.notify();
    }
    json::array ours;
    for (const auto& each : devices_.statements())
        ours.push_back(json::string(base64_encode(each)));
    return json::object{{"statements", std::move(ours)}};
}

/// What is not done is said, and changes nothing that is remembered.
asio::awaitable<result<json::value>> session_runner::set_mode(std::string mode)
{
    auto done = co_await driver_->set_mode(mode);
    if (done)
    {
        on_mode(*done);
        if (state_.mode() != mode)
            done = fail(errc::conflict, "Claude Code went to " + state_.mode() + " instead.");
    }
    if (!done)
    {
        out_.line("refused", "permission mode " + mode + ": " + done.error().detail);
        co_return std::unexpected(done.error());
    }
    mode_to_restore_.clear();
    folder_.record().mode = mode;
    save_choice();
    co_return json::object{{"mode", mode}};
}

asio::awaitable<result<json::value>> session_runner::set_model(std::string model)
{
    const auto done = co_await driver_->set_model(model);
    if (!done)
    {
        out_.line("refused", "model " + model + ": " + done.error().detail);
        co_return std::unexpected(done.error());
    }
    on_model(model);
    model_to_restore_.clear();
    folder_.record().model = model;
    save_choice();
    co_return json::object{{"model", model}};
}

/// A later save of the record, of which there are many, has it too.
void session_runner::save_choice()
{
    if (const auto saved = folder_.save(); !saved)
        out_.line("trouble", "After a crash, mode and model would be those from before: " + saved.error().detail);
}

} // namespace consortium::agent
