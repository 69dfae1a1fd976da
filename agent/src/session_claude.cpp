// A running session, Claude's side: its child, what it says, what it is asked.
#include "claude/transcript.hpp"
#include "claude/trust.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/ids.hpp"
#include "consortium/common/utf8.hpp"
#include "diagnostics.hpp"
#include "drivers/claude_pipe.hpp"
#include "json_access.hpp"
#include "session_runner.hpp"
#include "slow_notice.hpp"
#include <algorithm>
#include <boost/json.hpp>

namespace consortium::agent
{
namespace
{

constexpr auto partial_interval = std::chrono::milliseconds(50); // at most 20 pieces of partial text a second
constexpr auto claude_exit_time = std::chrono::seconds(5);
constexpr std::size_t refused_subject_max = 1000; // of what was refused, for people

constexpr auto answer_trust_in_dashboard = "(answer in the dashboard) Is this folder trusted?";

constexpr auto login_words =
    "Claude Code is not logged in on this machine. Run `claude` there, log in with /login, then send the prompt again.";

/// A tool call in one line: how many arguments it has besides, and the one that says most about it. The count stands
/// first, for the end of the line may be cut.
std::string tool_line(const std::string& tool, const json::object& input)
{
    for (const auto* name : {"command", "file_path", "path", "pattern", "url", "query", "description", "prompt"})
    {
        const auto value = text_at(input, name);
        if (value.empty())
            continue;
        const auto others = input.size() - 1;
        return tool + (others == 0 ? "  " : " (and " + std::to_string(others) + " more)  ") + value;
    }
    return tool + "  " + json::serialize(input);
}

} // namespace

/// What a crash of the agent left running: two of them on one conversation would fork it.
asio::awaitable<void> session_runner::end_leftover_claude()
{
    // It should have ended with its agent, but perhaps not yet to its last write. Killed at once: asked to end it would
    // write down a prompt that the model never heard.
    if (const auto leftover = folder_.record().claude)
        co_await end_process(executor_, *leftover);
}

/// A prompt in hand that Claude had written down when it was killed, but not begun to answer, would stand twice in the
/// conversation once it is given again: Claude passes over a uuid it knows only where an answer follows.
result<void> session_runner::take_back_unanswered()
{
    const auto& record = folder_.record();
    const auto in_hand = uuids_in_hand(folder_);
    const auto transcript = claude::find_transcript(options_.environment, record.claude_id);
    if (!transcript || in_hand.empty())
        return {};
    const auto taken = claude::take_back_unanswered(*transcript, in_hand);
    if (!taken)
        return std::unexpected(taken.error());
    if (*taken)
        diagnostics::note("taken back to be given again, prompt", **taken);
    return {};
}

result<std::string> session_runner::put_ask(question asked)
{
    const auto open = state_.ask(std::move(asked), clock_.now());
    if (!open)
        return std::unexpected(open.error());
    auto id = (*open)->asked.id();
    if (state_.needs_message(id))
        state_.in_message(id, base64_encode(feed_.tell({{"type", "ask"}, {"id", id}, {"ask", (*open)->ask}})));
    state_changed();
    return id;
}

/// Asks at the terminal and in the dashboard, and waits for whichever answers first. Without a yes the session ends.
asio::awaitable<void> session_runner::ask_for_trust(question asked)
{
    driver_ = claude::pipe_driver::make(executor_, *this); // it says that it does not run, until it does
    const auto id = put_ask(asked);
    if (!id)
    {
        status_ = 1;
        co_return end(
            "What the files of this folder would run is too much to be shown, so nobody can be asked whether it is "
            "trusted. Run `claude` here once, and answer there.");
    }
    if (options_.terminal != nullptr)
        spawn(ask_for_trust_at_terminal(std::move(asked)));
    else
        out_.line("waiting", answer_trust_in_dashboard);
    while (!trusted_ && !ended_)
        co_await trust_decided_.wait();
    if (options_.terminal != nullptr)
        options_.terminal->cancel();
    if (!trusted_)
        co_return;
    state_.close(*id);
    state_changed();
    if (!*trusted_)
    {
        status_ = 1;
        co_return end("This folder is not trusted. Claude Code was not started.");
    }
    if (const auto kept = claude::remember_trust(options_.environment, folder_.record().directory); !kept)
        out_.line("trouble", "It will be asked again next time: " + kept.error().detail);
}

asio::awaitable<void> session_runner::ask_for_trust_at_terminal(question asked)
{
    if (ended_)
        co_return;
    out_.text("");
    out_.text("Do you trust this folder? Claude Code runs what is named here, at once and without a question:");
    for (const auto& line : claude::trust_in_lines(asked))
        out_.text("  " + foreign(line, limits::trust_line_characters_max));
    out_.text("Once you trust it you are not asked again, also when these files change.");
    const auto said = co_await options_.terminal->yes(out_, "Trust it? (The dashboard asks too.)", /*otherwise=*/false);
    if (!said)
    {
        if (said.error() == errc::closed)
            out_.line("waiting", answer_trust_in_dashboard);
        co_return;
    }
    if (decide_trust(*said, "at the terminal"))
        feed_.tell(
            {{"type", "message"},
             {"message", *said ? "This folder is trusted, said at the terminal."
                               : "This folder is not trusted, said at the terminal."}});
}

/// The first answer counts.
bool session_runner::decide_trust(bool trusted, std::string_view where)
{
    if (trusted_ || ended_)
        return false;
    trusted_ = trusted;
    out_.line(trusted ? "trusted" : "refused", where);
    trust_decided_.notify();
    return true;
}

asio::awaitable<result<void>> session_runner::start_claude()
{
    co_await end_leftover_claude();
    auto& record = folder_.record();
    const bool user_chose = claude::chooses_session(options_.arguments);
    std::optional<std::string> resume;
    std::optional<std::string> fresh;
    if (!user_chose && !record.claude_id.empty())
        resume = record.claude_id;
    else if (!user_chose)
    {
        record.claude_id = to_string(message_id{make_uuid_v4()});
        fresh = record.claude_id;
    }
    if (resume)
    {
        if (const auto done = take_back_unanswered(); !done)
            co_return std::unexpected(done.error());
    }
    for (;;)
    {
        const auto made = claude::pipe_driver::make(executor_, *this);
        driver_ = made;
        claude::driver_options wanted;
        wanted.child = {
            .program = options_.claude,
            .arguments = claude::remote_arguments(options_.arguments, resume, fresh),
            .environment = options_.environment,
            .directory = record.directory,
            .before_start = [&record, this](const process_identity& child)
            {
                record.claude = child;
                return folder_.save();
            }};
        const slow_notice notice(
            executor_,
            [this]
            {
                out_.line(
                    "waiting", "Claude Code has not answered yet. It may be running a hook of this folder, or starting "
                               "an MCP server. Ctrl-C gives up.");
            });
        const auto ready = co_await made->start(std::move(wanted));
        if (ready)
            break;
        // A conversation in which no prompt was written down cannot be resumed; nor, if its transcript was begun, can
        // another begin under its id.
        if (resume && ready.error().detail.find("No conversation found") != std::string::npos)
        {
            resume.reset();
            forgotten_ = gate_->last_end().has_value();
            record.claude_id = to_string(message_id{make_uuid_v4()});
            fresh = record.claude_id;
            continue;
        }
        co_return std::unexpected(ready.error());
    }
    // What does not work now is tried again before each prompt, and holds that up until it works.
    if (options_.resumed && !record.mode.empty() && record.mode != state_.mode())
    {
        mode_to_restore_ = record.mode;
        (void)co_await set_mode(mode_to_restore_);
    }
    if (options_.resumed && !record.model.empty())
    {
        model_to_restore_ = record.model;
        (void)co_await set_model(model_to_restore_);
    }
    started_ = true;
    diagnostics::note(
        resume ? "claude resumed, process" : "claude started, process",
        std::to_string(record.claude ? record.claude->pid : 0));
    metadata_["claudeSessionId"] = record.claude_id;
    co_return folder_.save();
}

asio::awaitable<void> session_runner::watch_claude()
{
    const auto driver = driver_;
    const auto exit = co_await driver->ended();
    if (ended_)
        co_return;
    diagnostics::note("claude ended with", exit.text());
    const auto words = driver->last_words();
    const auto what = "Claude Code ended with " + exit.text() + (words.empty() ? "." : ": " + words);
    out_.line("claude", what);
    feed_.tell_words(what);
    status_ = exit.good() ? 0 : 1;
    end("", ending::claude);
}

asio::awaitable<void> session_runner::stop_claude()
{
    state_.close_all();
    state_.set_background({}, clock_.now());
    if (!driver_ || !driver_->started())
        co_return;
    const auto driver = driver_;
    driver->close();
    const auto killer = std::make_shared<asio::steady_timer>(executor_, claude_exit_time);
    killer->async_wait(
        [driver, killer](const boost::system::error_code& problem)
        {
            if (!problem)
                driver->kill();
        });
    (void)co_await driver->ended();
    killer->cancel();
    folder_.record().claude.reset();
}

asio::awaitable<void> session_runner::stream_partial()
{
    while (!ended_)
    {
        co_await partial_changed_.wait();
        for (const auto& piece : driver_->take_partial())
        {
            if (!link_ || !link_->online())
                continue; // the finished block will have it
            const json::object plain{
                {"block", piece.block}, {"offset", piece.offset}, {"text", piece.text}, {"kind", piece.kind}};
            const auto& record = folder_.record();
            const auto sealed = e2ee::bundle_seal(
                record.data_key, {who_.account_id, record.session_id, "stream"}, random_array<16>(),
                view(json::serialize(plain)));
            if (sealed)
                link_->emit("stream", {{"sid", record.session_id}, {"c", base64_encode(*sealed)}});
        }
        co_await pause_for(partial_interval);
    }
}

void session_runner::on_said(said what)
{
    show(what);
    feed_.relay(std::move(what.line), what.block);
    const bool login_problem =
        std::ranges::any_of(what.parts, [](const saying& each) { return std::holds_alternative<not_logged_in>(each); });
    if (login_problem)
    {
        out_.line("claude", login_words);
        feed_.tell_words(login_words);
    }
}

void session_runner::show(const said& what)
{
    for (const auto& each : what.parts)
    {
        if (const auto* lost = std::get_if<memory_loss>(&each))
        {
            if (*lost == memory_loss::cleared)
                out_.line("cleared", "Claude has forgotten what was said before this.");
            else
                out_.line("compacted", "Claude goes on with a summary of what was said before this.");
        }
        else if (const auto* call = std::get_if<tool_call>(&each); call != nullptr && what.within.empty())
            out_.row("tool", tool_line(call->tool, call->arguments));
        else if (const auto* end = std::get_if<turn_result>(&each))
        {
            if (end->how == turn_result::outcome::stopped)
                out_.line("stopped", "");
            else
                out_.row(end->how == turn_result::outcome::failed ? "failed" : "done", end->words);
        }
    }
}

void session_runner::on_unreadable(std::string_view line)
{
    out_.line("unreadable", std::string(line.substr(0, limits::unreadable_bytes_max)));
    feed_.tell(
        {{"type", "unreadable"},
         {"line", well_formed_utf8(line, limits::unreadable_bytes_max)},
         {"bytes", line.size()}});
}

void session_runner::on_partial()
{
    partial_changed_.notify();
}

void session_runner::on_question(question asked)
{
    const auto what = (asked.subagent.empty() ? "" : "a subagent: ") + tool_line(asked.tool, asked.arguments);
    const auto id = put_ask(asked);
    if (!id)
    {
        // Nobody can be asked: Claude is told, and the person learns that there was something.
        const auto words = id.error().detail + " It was refused: " + what.substr(0, refused_subject_max);
        out_.line("refused", words);
        driver_->refuse(asked, id.error().detail);
        feed_.tell_words(words);
        return;
    }
    out_.line("waiting", "(answer in the dashboard) " + what);
}

void session_runner::on_unknown_request(const std::string& what)
{
    const auto words = "Claude asked for something that Consortium does not know (" +
                       what.substr(0, refused_subject_max) + "). It was refused.";
    out_.line("refused", words);
    feed_.tell_words(words);
}

void session_runner::on_question_end(const std::string& request_id)
{
    const auto id = state_.id_of_request(request_id);
    if (!id)
        return;
    state_.close(*id);
    state_changed();
}

void session_runner::on_conversation(const std::string& id)
{
    auto& record = folder_.record();
    if (record.claude_id == id || id.size() > limits::field_text_bytes_max)
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
    state_changed();
    feed_.tell({{"type", "permission-mode-changed"}, {"mode", mode}});
}

void session_runner::on_model(const std::string& model)
{
    if (state_.model() == model)
        return;
    state_.set_model(model);
    state_changed();
}

void session_runner::on_title(const std::string& title)
{
    metadata_["summary"] =
        json::object{{"text", well_formed_utf8(title, limits::title_bytes_max)}, {"updatedAt", clock_.now()}};
    if (metadata_field_)
        metadata_field_->changed();
}

void session_runner::on_background(std::vector<background_task> tasks)
{
    state_.set_background(tasks, clock_.now());
    state_changed();
}

} // namespace consortium::agent
