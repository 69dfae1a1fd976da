#include "session/prompt_queue.hpp"
#include "base/diagnostics.hpp"
#include "consortium/common/ids.hpp"
#include <boost/json.hpp>
#include <utility>

namespace consortium::agent
{
namespace json = boost::json;

prompt_queue::prompt_queue(
    const asio::any_io_executor& executor, session_folder& folder, account_id account, const device_directory& devices,
    conversation_feed& feed, agent_state& state, screen& out, const clock_source& clock, const boot_clock& spans)
    : folder_(folder),
      feed_(feed),
      state_(state),
      out_(out),
      spans_(spans),
      gate_(folder, account, devices, clock, spans),
      changed_(executor)
{
}

// --------------------------------------------------------------------------------------------------------- coming in

void prompt_queue::look_at(const stored_message& message)
{
    const auto news = gate_.look_at(message.content, message.seq);
    if (news.broken || !news.refused.empty())
        report(news);
    if (gate_.met_stranger())
        on_stranger();
    else
        judge();
    wake();
}

/// What came is judged as soon as it is known who belongs to the account.
void prompt_queue::judge()
{
    if (!knows_account())
        return;
    const auto held = folder_.prompts().held.size();
    const auto news = gate_.judge();
    if (!news.held.empty() || !news.refused.empty())
        report(news);
    else if (folder_.prompts().held.size() != held)
        on_change(); // one was let go: the chain names its device by now
}

/// Tells the person what became of prompts.
void prompt_queue::report(const gate_news& news)
{
    say_refused(news);
    for (const auto& each : news.held)
    {
        diagnostics::note("prompt held:", word(each.why));
        out_.line("held", "A prompt waits for a decision in the dashboard: " + std::string(word(each.why)));
        feed_.tell(
            {{"type", "prompt-held"}, {"id", each.id}, {"from", each.from}, {"n", each.n}, {"why", word(each.why)}});
    }
    on_change();
    wake();
}

/// A relay can have anything refused: what is told of that can fill neither the disk nor the history.
void prompt_queue::say_refused(const gate_news& news)
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
void prompt_queue::say_untold()
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

result<void> prompt_queue::decide(const std::string& id, bool run)
{
    const auto news = gate_.decide(id, run);
    if (!news)
        return std::unexpected(news.error());
    report(*news);
    judge();
    return {};
}

result<void> prompt_queue::take_back(const std::string& id, const std::string& from, std::uint64_t n)
{
    if (const auto taken = gate_.take_back(id, from, n); !taken)
        return taken;
    report({});
    judge();
    return {};
}

// -------------------------------------------------------------------------------------------------------- going out

asio::awaitable<void> prompt_queue::run()
{
    backoff pause;
    while (!stopped_)
    {
        judge(); // a device may have been revoked since a prompt of it was accepted
        const auto next = knows_account() && gate_.given().takes_another() ? gate_.first_to_run() : std::nullopt;
        if (!next)
        {
            co_await changed_.wait();
            continue;
        }
        if (!co_await prepare_for(*next))
        {
            co_await changed_.wait(pause.next());
            continue;
        }
        pause.reset();
        if (stopped_)
            break;
        if (!gate_.hand_over(next->uuid))
            continue;
        out_.row("prompt", next->text);
        program_->prompt(next->uuid, next->text);
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

void prompt_queue::stop()
{
    stopped_ = true;
    wake();
}

void prompt_queue::type(const std::string& text)
{
    const auto uuid = to_string(message_id{make_uuid_v4()});
    out_.line("prompt", text);
    gate_.given().give(uuid);
    feed_.tell({{"type", "prompt-typed"}, {"text", text}});
    program_->prompt(uuid, text);
}

void prompt_queue::heard(const std::string& uuid, prompt_step step)
{
    diagnostics::note("prompt " + uuid, word(step));
    gate_.given().heard(uuid, step);
    wake();
    // Not when it is begun or answered: a program writes a prompt down later. What it has written down it does not run
    // again.
    if (step == prompt_step::done || step == prompt_step::dropped)
        gate_.done(uuid);
}

asio::awaitable<result<std::optional<e2ee::bundle_id>>> prompt_queue::stop_turn()
{
    const auto program = program_;
    const bool running = program->busy() || gate_.given().has_some();
    const auto waiting = gate_.given().waiting();
    auto stopped = gate_.stop(running);
    if (!stopped)
        co_return std::unexpected(stopped.error());
    report(stopped->news);
    if (!running)
        co_return stopped->end;
    const auto too_late = co_await program->stop_turn(waiting);
    if (too_late)
    {
        for (const auto& uuid : *too_late)
            gate_.was_begun(uuid);
        on_change();
    }
    gate_.given().turn_ended();
    if (!program->busy())
        say_unsaid_end(); // it had not begun, or has ended already
    if (!too_late)
        co_return std::unexpected(too_late.error());
    co_return stopped->end;
}

void prompt_queue::turn_ended()
{
    say_end();
    gate_.given().turn_ended();
    wake();
}

void prompt_queue::say_end()
{
    const auto id = gate_.end_turn();
    feed_.say(conversation_feed::event({{"type", "ready"}}), id);
    gate_.end_said();
}

void prompt_queue::say_unsaid_end()
{
    const auto& end = gate_.last_end();
    if (!end || end->said)
        return;
    if (feed_.holds(end->id))
        gate_.end_said();
    else
        say_end();
}

void prompt_queue::say_end_anew()
{
    const auto& end = gate_.last_end();
    if (end && !program_->busy() && !feed_.holds(end->id))
        say_end();
}

// ------------------------------------------------------------------------------------------------------ mode and model

/// Brings the program into the mode and to the model that the prompt is to run with: those that it names, or those that
/// an interrupted session was in. False: it is not there. Then the prompt waits, until a person takes it back or stops
/// it: in another mode it might do what nobody allowed.
asio::awaitable<bool> prompt_queue::prepare_for(const prompt& next)
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
void prompt_queue::say_not_prepared(const prompt& next, const std::string& what, const error& why)
{
    if (std::exchange(unprepared_, next.id) == next.id)
        return;
    const auto words = "A prompt waits: Claude Code does not go to " + what + " (" + why.detail +
                       "). It is tried again; to let go of the prompt, stop or take it back.";
    out_.line("waits", words);
    feed_.tell_words(words);
}

asio::awaitable<void> prompt_queue::restore()
{
    const auto& record = folder_.record();
    if (!record.mode.empty() && record.mode != state_.mode())
    {
        mode_to_restore_ = record.mode;
        (void)co_await set_mode(mode_to_restore_);
    }
    if (!record.model.empty())
    {
        model_to_restore_ = record.model;
        (void)co_await set_model(model_to_restore_);
    }
}

asio::awaitable<result<void>> prompt_queue::set_mode(std::string mode)
{
    auto done = co_await program_->set_mode(mode);
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
    co_return result<void>();
}

asio::awaitable<result<void>> prompt_queue::set_model(std::string model)
{
    const auto done = co_await program_->set_model(model);
    if (!done)
    {
        out_.line("refused", "model " + model + ": " + done.error().detail);
        co_return std::unexpected(done.error());
    }
    on_model(model);
    model_to_restore_.clear();
    folder_.record().model = model;
    save_choice();
    co_return result<void>();
}

/// A later save of the record, of which there are many, has it too.
void prompt_queue::save_choice()
{
    if (const auto saved = folder_.save(); !saved)
        out_.line("trouble", "After a crash, mode and model would be those from before: " + saved.error().detail);
}

void prompt_queue::on_mode(const std::string& mode)
{
    if (state_.mode() == mode)
        return;
    state_.set_mode(mode);
    on_change();
    feed_.tell({{"type", "permission-mode-changed"}, {"mode", mode}});
}

void prompt_queue::on_model(const std::string& model)
{
    if (state_.model() == model)
        return;
    state_.set_model(model);
    on_change();
}

} // namespace consortium::agent
