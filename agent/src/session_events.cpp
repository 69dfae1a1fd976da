// What happens in a running session: what Claude, the relay and the dashboard say.
#include "consortium/common/base64.hpp"
#include "consortium/common/ids.hpp"
#include "consortium/e2ee/keys.hpp"
#include "consortium/e2ee/secretbox.hpp"
#include "diagnostics.hpp"
#include "json_access.hpp"
#include "session_runner.hpp"
#include "trim_line.hpp"
#include <boost/json.hpp>

namespace consortium::agent
{
namespace
{

/// How Claude Code says that it has no valid credentials.
bool is_login_problem(const json::object& result_line)
{
    if (!flag_at(result_line, "is_error"))
        return false;
    const auto status = number_at(result_line, "api_error_status");
    const auto words = text_at(result_line, "result");
    return status == 401 || words.find("/login") != std::string::npos ||
           words.find("Invalid API key") != std::string::npos ||
           words.find("authentication_error") != std::string::npos;
}

constexpr auto not_logged_in =
    "Claude Code is not logged in on this machine. Run `claude` there, log in with /login, then send the prompt again.";

/// The part of a tool's input that says most about it.
std::string tool_subject(const json::object& input)
{
    for (const auto* name : {"command", "file_path", "path", "pattern", "url", "query", "description", "prompt"})
    {
        if (auto value = text_at(input, name); !value.empty())
            return value;
    }
    return json::serialize(input);
}

} // namespace

void session_runner::say(json::value d)
{
    if (gone_)
        return;
    if (const auto kept = outbox_->push(std::move(d), clock_.now()); !kept)
    {
        out_.line("lost", kept.error().detail);
        if (kept.error() == errc::too_large)
            end("Too much waits for the relay. Run `consortium` again when it can be reached.");
    }
}

/// An event of the agent's own.
void session_runner::tell(json::object data)
{
    say(json::object{
        {"role", "agent"},
        {"content",
         json::object{{"type", "event"}, {"id", to_string(message_id{make_uuid_v4()})}, {"data", std::move(data)}}},
        {"meta", json::object{{"sentFrom", "cli"}}}});
}

// ---------------------------------------------------------------------------------------------------------- Claude

void session_runner::on_line(json::object line, const std::string& block)
{
    show_line(line);
    const bool login_problem = text_at(line, "type") == "result" && is_login_problem(line);
    json::object meta{{"sentFrom", "cli"}};
    if (!block.empty())
        meta["block"] = block;
    trim_line(line);
    say(json::object{
        {"role", "agent"},
        {"content", json::object{{"type", "output"}, {"data", std::move(line)}}},
        {"meta", std::move(meta)}});
    if (login_problem)
    {
        out_.line("claude", not_logged_in);
        tell({{"type", "message"}, {"message", not_logged_in}});
    }
}

void session_runner::show_line(const json::object& line)
{
    const auto type = text_at(line, "type");
    if (type == "result")
    {
        const bool stopped = text_at(line, "terminal_reason").starts_with("aborted");
        if (stopped)
            out_.line("stopped", "");
        else if (flag_at(line, "is_error"))
            out_.line("failed", text_at(line, "result"));
        else
            out_.line("done", text_at(line, "result"));
        return;
    }
    if (type != "assistant" || !text_at(line, "parent_tool_use_id").empty())
        return;
    const auto* message = object_at(line, "message");
    const auto* content = message != nullptr ? array_at(*message, "content") : nullptr;
    if (content == nullptr)
        return;
    for (const auto& each : *content)
    {
        const auto* part = each.if_object();
        if (part == nullptr || text_at(*part, "type") != "tool_use")
            continue;
        const auto* input = object_at(*part, "input");
        out_.line("tool", text_at(*part, "name") + "  " + (input != nullptr ? tool_subject(*input) : ""));
    }
}

void session_runner::on_partial()
{
    partial_changed_.notify();
}

void session_runner::on_question(claude::permission_request asked)
{
    out_.line("waiting", asked.tool + "  " + tool_subject(asked.input) + "  (answer in the dashboard)");
    state_.ask(std::move(asked), clock_.now());
    if (state_field_)
        state_field_->changed();
}

void session_runner::on_question_void(const std::string& request_id)
{
    const auto id = state_.id_of_request(request_id);
    if (!id)
        return;
    state_.cancel(*id, "Claude no longer waits for this answer.", clock_.now());
    if (state_field_)
        state_field_->changed();
}

void session_runner::on_busy(bool busy)
{
    send_alive(); // every flip counts, however short
    if (busy)
        return;
    tell({{"type", "ready"}});
    queued_.clear(); // a Claude that does not say what becomes of a prompt has at least come to its end
    prompts_changed_.notify();
}

void session_runner::on_prompt_state(const std::string& uuid, const std::string& state)
{
    diagnostics::note("prompt " + uuid, state);
    if (state != "queued" && uuid == queued_)
    {
        queued_.clear();
        prompts_changed_.notify();
    }
    // Not when it is started: Claude writes a prompt down later. What it has written down it does not run again.
    if (gate_ && (state == "completed" || state == "cancelled"))
        gate_->done(uuid);
}

void session_runner::on_session_id(const std::string& id)
{
    auto& record = folder_.record();
    if (record.claude_id == id)
        return;
    record.claude_id = id;
    if (const auto saved = folder_.save(); !saved)
        out_.line("trouble", saved.error().detail);
    metadata_["claudeSessionId"] = id;
    if (metadata_field_)
        metadata_field_->changed();
}

void session_runner::on_mode(const std::string& mode)
{
    if (state_.mode() == mode)
        return;
    state_.set_mode(mode);
    if (state_field_)
        state_field_->changed();
    tell({{"type", "permission-mode-changed"}, {"mode", mode}});
}

void session_runner::on_model(const std::string& model)
{
    if (state_.model() == model)
        return;
    state_.set_model(model);
    if (state_field_)
        state_field_->changed();
}

void session_runner::on_title(const std::string& title)
{
    metadata_["summary"] = json::object{{"text", title}, {"updatedAt", clock_.now()}};
    if (metadata_field_)
        metadata_field_->changed();
}

// ----------------------------------------------------------------------------------------------------------- fields

result<std::string> session_runner::seal_state(std::int64_t after)
{
    auto plain = state_.to_json();
    plain["after"] = after;
    const auto sealed = e2ee::bundle_seal(
        folder_.record().data_key, {who_.account_id, folder_.record().session_id, "agentState"}, random_array<16>(),
        view(json::serialize(plain)));
    if (!sealed)
        return std::unexpected(sealed.error());
    return base64_encode(*sealed);
}

result<std::string> session_runner::seal_metadata(std::int64_t after)
{
    auto plain = metadata_;
    plain["after"] = after;
    const auto key = e2ee::session_metadata_key(folder_.record().data_key);
    return base64_encode(e2ee::metadata_seal(key, view(json::serialize(plain))));
}

/// Somebody else wrote the metadata: a name given in the dashboard, fields of a newer version. Ours stay ours.
void session_runner::merge_metadata(const std::string& sealed)
{
    const auto& data_key = folder_.record().data_key;
    const auto data = base64_decode(sealed);
    const auto plain = data ? e2ee::metadata_open(e2ee::session_metadata_key(data_key), data_key, *data)
                            : result<bytes>(fail(errc::corrupt, ""));
    if (!plain)
        return;
    boost::system::error_code problem;
    const auto value = json::parse(json::string_view(text(*plain).data(), plain->size()), problem);
    const auto* theirs = problem ? nullptr : value.if_object();
    if (theirs == nullptr)
        return;
    for (const auto& [name, each] : *theirs)
    {
        if (!metadata_.contains(name) || name == "name")
            metadata_[name] = each;
    }
    if (text_at(*theirs, "lifecycleState") == "archiveRequested")
        end("Ended from the dashboard.");
}

// ------------------------------------------------------------------------------------------------------- connection

void session_runner::on_online()
{
    out_.line("connected", relay_.server_url());
    online_ = true;
    alive_.notify();
    outbox_->nudge();
    state_field_->nudge();
    metadata_field_->nudge();
}

void session_runner::on_offline(const error& reason)
{
    if (online_)
        out_.line("offline", "The relay is not reached (" + reason.detail + "). What is said waits here.");
    online_ = false;
}

void session_runner::on_caught_up(bool from_known_place)
{
    if (!from_known_place && !fetching_)
    {
        fetching_ = true;
        spawn(fetch_messages());
    }
}

/// Reads the stored messages after the last one looked at; what comes live meanwhile waits.
asio::awaitable<void> session_runner::fetch_messages()
{
    const auto path = "/v3/sessions/" + folder_.record().session_id + "/messages?limit=100&after_seq=";
    backoff delay;
    while (!ended_)
    {
        const auto page = co_await relay_.get(path + std::to_string(gate_->last_seq()));
        if (!page)
        {
            if (!worth_retrying(page.error()))
            {
                on_link_refused(page.error());
                break;
            }
            co_await pause_for(delay.next());
            continue;
        }
        delay.reset();
        const auto before = gate_->last_seq();
        if (const auto* messages = array_at(*page, "messages"))
        {
            for (const auto& each : *messages)
            {
                if (const auto* message = each.if_object())
                    look_at_message(*message);
            }
        }
        if (!flag_at(*page, "hasMore") || gate_->last_seq() == before)
            break;
    }
    fetching_ = false;
    while (!held_messages_.empty())
    {
        const auto message = std::move(held_messages_.front());
        held_messages_.pop_front();
        look_at_message(message);
    }
}

void session_runner::on_update(const json::object& body)
{
    const auto type = text_at(body, "t");
    const auto& sid = folder_.record().session_id;
    if (type == "new-message" && text_at(body, "sid") == sid)
    {
        const auto* message = object_at(body, "message");
        if (message == nullptr)
            return;
        if (fetching_)
            held_messages_.push_back(*message);
        else
            look_at_message(*message);
    }
    else if (type == "delete-session" && text_at(body, "sid") == sid)
        session_gone("The session was deleted in the dashboard.");
    else if (type == "update-session" && text_at(body, "id") == sid)
    {
        if (const auto* metadata = object_at(body, "metadata"))
            metadata_field_->seen(number_at(*metadata, "version"), text_at(*metadata, "value"));
        if (const auto* state = object_at(body, "agentState"))
            state_field_->seen(number_at(*state, "version"), text_at(*state, "value"));
    }
}

void session_runner::look_at_message(const json::object& message)
{
    const auto* content = object_at(message, "content");
    if (content == nullptr || ended_)
        return;
    auto outcome = gate_->look_at(text_at(*content, "c"), number_at(message, "seq"));
    if (outcome.broken)
        tell(
            {{"type", "history-broken"},
             {"from", outcome.broken->from},
             {"expected", outcome.broken->expected},
             {"got", outcome.broken->got}});
    if (outcome.refused)
    {
        diagnostics::note("prompt refused:", outcome.refused->reason);
        out_.line("refused", "A prompt was not run: " + outcome.refused->reason);
        tell({{"type", "prompt-refused"}, {"id", outcome.refused->id}, {"reason", outcome.refused->reason}});
    }
    for (auto& each : outcome.accepted)
        prompts_.push_back(std::move(each));
    if (!prompts_.empty())
        prompts_changed_.notify();
}

void session_runner::on_link_refused(const error& reason)
{
    if (reason == errc::not_found && !folder_.record().session_id.empty())
        return session_gone("The session was deleted in the dashboard.");
    if (reason == errc::unauthorized || reason == errc::revoked || reason == errc::forbidden)
        return lost_access(reason);
    status_ = 1;
    end("The relay refuses: " + reason.detail);
}

void session_runner::session_gone(const std::string& why)
{
    if (gone_)
        return;
    gone_ = true;
    if (const auto destroyed = folder_.destroy(); !destroyed)
        out_.line("trouble", destroyed.error().detail);
    else
        out_.line("deleted", "Its keys and what was kept of it are gone from this machine.");
    end(why);
}

void session_runner::lost_access(const error& reason)
{
    gone_ = true;
    status_ = 1;
    end("This machine has no access to the account any more (" + reason.detail +
        "). `consortium auth login` pairs it again.");
}

// -------------------------------------------------------------------------------------------------------------- RPC

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
        const auto stopped = co_await claude_->interrupt();
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
