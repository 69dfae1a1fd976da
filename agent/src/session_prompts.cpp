// A running session: what comes from a person and goes to Claude.
#include "agent_limits.hpp"
#include "claude/conversation.hpp"
#include "claude/transcript.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/ids.hpp"
#include "diagnostics.hpp"
#include "json_access.hpp"
#include "session_runner.hpp"
#include <boost/json.hpp>
#include <utility>

namespace consortium::agent
{

/// Tells the person what became of prompts.
void session_runner::report(const gate_news& news)
{
    say_refused(news);
    for (const auto& each : news.held)
    {
        diagnostics::note("prompt held:", word(each.why));
        out_.line("held", "A prompt waits for a decision in the dashboard: " + std::string(word(each.why)));
        feed_.tell(
            {{"type", "prompt-held"}, {"id", each.id}, {"from", each.from}, {"n", each.n}, {"why", word(each.why)}});
    }
    state_changed();
    prompts_changed_.notify();
}

/// A relay can have anything refused: what is told of that can fill neither the disk nor the history.
void session_runner::say_refused(const gate_news& news)
{
    for (const auto& each : news.refused)
    {
        // What has no readable id may be another one of the kind.
        if (!refusals_told_.may(each.id.empty() ? std::string() : each.reason + " " + each.id, spans_.now().at))
            continue;
        say_untold();
        if (const auto& broken = news.broken)
            feed_.tell(
                {{"type", "history-broken"},
                 {"from", broken->from},
                 {"expected", broken->expected},
                 {"got", broken->got}});
        diagnostics::note("prompt refused:", each.reason);
        out_.line("refused", "A prompt was not run: " + each.reason);
        feed_.tell({{"type", "prompt-refused"}, {"id", each.id}, {"reason", each.reason}});
    }
    if (refusals_told_.untold() == 1)
        out_.line("refused", "More prompts were not run than are told one by one.");
}

/// In one message, as soon as one may be told.
void session_runner::say_untold()
{
    const auto count = refusals_told_.take_untold();
    if (count == 0)
        return;
    const auto words = std::to_string(count) +
                       " more prompts were not run: the relay brought many at once that were no "
                       "good prompts of a browser of yours.";
    out_.line("refused", words);
    feed_.tell_words(words);
}

/// What came is judged as soon as it is known who belongs to the account.
void session_runner::judge_prompts()
{
    if (!chain_read_)
        return;
    const auto held = folder_.prompts().held.size();
    const auto news = gate_->judge();
    if (!news.held.empty() || !news.refused.empty())
        report(news);
    else if (folder_.prompts().held.size() != held)
        state_changed(); // one was let go: the chain names its device by now
}

// -------------------------------------------------------------------------------------------------------- the chain

asio::awaitable<result<void>> session_runner::read_chain()
{
    const auto connection = connection_;
    const auto read = co_await devices_.read_chain();
    if (!read)
    {
        diagnostics::note("chain of devices not read:", word(read.error().code));
        co_return read;
    }
    if (connection == connection_)
        chain_read_ = true;
    judge_prompts();
    prompts_changed_.notify();
    co_return read;
}

/// Who is not known is looked for before he is judged; if that fails a person decides.
asio::awaitable<void> session_runner::read_chain_then_judge()
{
    if (!co_await read_chain())
        judge_prompts();
}

/// At each connection, before anything is judged.
asio::awaitable<void> session_runner::read_chain_anew()
{
    const auto connection = ++connection_;
    chain_read_ = false;
    backoff pause;
    while (!ended_ && connection == connection_ && !co_await read_chain())
        co_await pause_for(pause.next());
}

// ------------------------------------------------------------------------------------------------------------ turns

/// What ran before has ended with the process that ran it.
void session_runner::tell_resumed(bool had_ended)
{
    json::object data{{"type", "resumed"}, {"after", had_ended ? "end" : "crash"}};
    if (forgotten_)
    {
        data["forgotten"] = true;
        out_.line("forgotten", "Claude Code has no record of this conversation any more: it begins anew.");
    }
    feed_.tell(std::move(data));
}

/// What Claude's own record has of the conversation and this session does not: what was said before the session began,
/// or, beside Consortium, since it ended. For people: Claude knows it anyway.
void session_runner::tell_earlier(unix_millis ended_at)
{
    auto& record = folder_.record();
    const bool meanwhile = record.earlier.empty();
    if (meanwhile && ended_at == 0)
        return;
    const auto transcript =
        claude::find_transcript(options_.environment, meanwhile ? record.claude_id : record.earlier);
    auto talk = transcript ? claude::read_earlier(*transcript, meanwhile ? ended_at : 0)
                           : result<claude::earlier_talk>(fail(errc::not_found, "there is no such file"));
    if (!talk && !meanwhile)
        out_.line("trouble", "What was said before in this conversation cannot be shown: " + talk.error().detail);
    const auto lines = talk ? std::move(talk->lines) : std::vector<json::object>();
    std::vector<json::array> parts;
    std::size_t size = limits::earlier_message_bytes_max;
    for (const auto& line : lines)
    {
        const auto bytes = json::serialize(line).size();
        if (size + bytes > limits::earlier_message_bytes_max)
        {
            parts.emplace_back();
            size = 0;
        }
        parts.back().push_back(line);
        size += bytes;
    }
    for (std::size_t i = 0; i < parts.size(); ++i)
        feed_.tell(
            {{"type", "earlier"},
             {"part", i + 1},
             {"parts", parts.size()},
             {"left", talk->left_out},
             {"meanwhile", meanwhile},
             {"lines", std::move(parts[i])}});
    if (record.earlier.empty())
        return;
    record.earlier.clear();
    save_record();
}

/// What was typed behind the command's name: by whoever sits at this machine, who needs no signature.
void session_runner::give_first_prompt()
{
    if (options_.first_prompt.empty())
        return;
    const auto uuid = to_string(message_id{make_uuid_v4()});
    out_.line("prompt", options_.first_prompt);
    gate_->given().give(uuid);
    feed_.tell({{"type", "prompt-typed"}, {"text", options_.first_prompt}});
    driver_->prompt(uuid, options_.first_prompt);
}

/// Mode and model of a prompt take effect before it.
asio::awaitable<void> session_runner::take_prompts()
{
    backoff pause;
    while (!ended_ && !gone_)
    {
        if (gone_)
        {
            co_await prompts_changed_.wait();
            continue;
        }
        judge_prompts(); // a device may have been revoked since a prompt of it was accepted
        const auto next = chain_read_ && gate_->given().takes_another() ? gate_->first_to_run() : std::nullopt;
        if (!next)
        {
            co_await prompts_changed_.wait();
            continue;
        }
        if (!co_await prepare_for(*next))
        {
            co_await prompts_changed_.wait(pause.next());
            continue;
        }
        pause.reset();
        if (ended_ || gone_)
            break;
        if (!gate_->hand_over(next->uuid))
            continue;
        out_.row("prompt", next->text);
        driver_->prompt(next->uuid, next->text);
        feed_.tell({{"type", "prompt-taken"}, {"id", next->id}});
        if (!next->unheeded_mode.empty() && next->unheeded_mode != state_.mode())
        {
            const auto words = "This prompt asked for permission mode " + next->unheeded_mode +
                               ". It was let run late, which changes no mode: it runs in " + state_.mode() + ".";
            out_.line("mode", words);
            feed_.tell_words(words);
        }
    }
}

/// Brings Claude into the mode and to the model that the prompt is to run with: those that it names, or those that an
/// interrupted session was in. False: Claude is not there. Then the prompt waits, until a person takes it back or stops
/// it: in another mode it might do what nobody allowed.
asio::awaitable<bool> session_runner::prepare_for(const prompt& next)
{
    const auto mode = next.mode.empty() ? mode_to_restore_ : next.mode;
    if (!mode.empty() && mode != state_.mode())
    {
        if (const auto done = co_await set_mode(mode); !done)
        {
            say_not_prepared(next, "permission mode " + mode, done.error());
            co_return false;
        }
    }
    const auto model = next.model.empty() ? model_to_restore_ : next.model;
    if (!model.empty() && model != state_.model())
    {
        if (const auto done = co_await set_model(model); !done)
        {
            say_not_prepared(next, "model " + model, done.error());
            co_return false;
        }
    }
    co_return true;
}

/// Once for each prompt.
void session_runner::say_not_prepared(const prompt& next, const std::string& what, const error& why)
{
    if (std::exchange(unprepared_, next.id) == next.id)
        return;
    const auto words = "A prompt waits: Claude Code does not go to " + what + " (" + why.detail +
                       "). It is tried again; to let go of the prompt, stop or take it back.";
    out_.line("waits", words);
    feed_.tell_words(words);
}

/// Stop means stop: what waits behind the running turn does not run after it either. The end of the turn is on disk
/// before Claude hears of it. The bundle that says so, or the last that did.
asio::awaitable<result<std::optional<e2ee::bundle_id>>> session_runner::stop_turn()
{
    const bool running = driver_->busy() || gate_->given().has_some();
    const auto waiting = gate_->given().waiting();
    auto stopped = gate_->stop(running);
    if (!stopped)
        co_return std::unexpected(stopped.error());
    report(stopped->news);
    if (!running)
        co_return stopped->end;
    const auto too_late = co_await driver_->stop_turn(waiting);
    if (too_late)
    {
        for (const auto& uuid : *too_late)
            gate_->was_begun(uuid);
        state_changed();
    }
    gate_->given().turn_ended();
    if (!driver_->busy())
        say_unsaid_end(); // it had not begun, or has ended already
    if (!too_late)
        co_return std::unexpected(too_late.error());
    co_return stopped->end;
}

void session_runner::say_end()
{
    const auto id = gate_->end_turn();
    feed_.say(conversation_feed::event({{"type", "ready"}}), id);
    gate_->end_said();
}

/// The end of a turn that is known but was not said: before a crash, or of one that was stopped before it began.
void session_runner::say_unsaid_end()
{
    const auto& end = gate_->last_end();
    if (!end || end->said)
        return;
    if (feed_.holds(end->id))
        gate_->end_said();
    else
        say_end();
}

void session_runner::on_busy(bool busy)
{
    send_alive(); // every flip counts, however short
    if (busy)
        return;
    prove_next_ = true;
    say_end();
    gate_->given().turn_ended();
    prompts_changed_.notify();
}

void session_runner::on_prompt(const std::string& uuid, prompt_step step)
{
    diagnostics::note("prompt " + uuid, word(step));
    gate_->given().heard(uuid, step);
    prompts_changed_.notify();
    // Not when it is started or answered: Claude writes a prompt down later. What it has written down it does not run
    // again.
    if (step == prompt_step::done || step == prompt_step::dropped)
        gate_->done(uuid);
}

// ---------------------------------------------------------------------------------------------------------- the log

/// Message numbers and versions belong to the relay's log. Under another one, a restored backup or another relay at
/// this address, all is read again, and what is at present is said anew: readers have seen the old end and state.
bool session_runner::follow_log(const std::string& log)
{
    if (!gate_->reads_log(log))
        return false;
    say_anew("The relay's log is another than before.");
    return true;
}

/// The same where the log kept its id and was set back to a copy of itself.
void session_runner::read_log_anew(std::string_view why)
{
    gate_->reads_anew();
    say_anew(why);
}

void session_runner::say_anew(std::string_view why)
{
    out_.line("log", why);
    state_field_->start_over();
    metadata_field_->start_over();
    // One that waits here still will reach whichever log is there.
    const auto& end = gate_->last_end();
    if (end && !driver_->busy() && !feed_.holds(end->id))
        say_end();
}

} // namespace consortium::agent
