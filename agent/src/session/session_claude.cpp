// A running session, Claude's side: its child, what it says, what it is asked.
#include "base/agent_limits.hpp"
#include "base/diagnostics.hpp"
#include "base/json_access.hpp"
#include "base/slow_notice.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/ids.hpp"
#include "consortium/common/utf8.hpp"
#include "drivers/claude/conversation.hpp"
#include "drivers/claude/servers.hpp"
#include "drivers/claude/transcript.hpp"
#include "drivers/claude/trust.hpp"
#include "drivers/claude_pipe.hpp"
#include "session/session_runner.hpp"
#include <algorithm>
#include <boost/json.hpp>

namespace consortium::agent
{
namespace
{

constexpr auto partial_interval = std::chrono::milliseconds(50); // at most 20 pieces of partial text a second
constexpr auto claude_exit_time = std::chrono::seconds(5);
constexpr std::size_t refused_subject_max = 1000; // of what was refused, for people

constexpr auto brought_file = "servers.json"; // in the keystore: what was decided about servers and plugins of folders

constexpr auto login_words =
    "Claude Code is not logged in on this machine. Run `claude` there, log in with /login, then send the prompt again.";

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

/// Asks at the terminal and in the dashboard, and waits for whichever answers first. Errors: those of
/// approvals::open(); errc::closed, the session ends.
asio::awaitable<result<bool>> session_runner::ask_early(question asked, early_words words)
{
    if (!driver_)
        driver_ = claude::pipe_driver::make(executor_, *this); // it says that it does not run, until it does
    prompts_->serve(driver_);
    connect_once();
    early_answer_.reset();
    const auto id = approvals_.open(
        std::move(asked), [this](const verdict& said, const std::string&)
        { (void)decide_early(said.made == decision::approved, "in the dashboard"); });
    if (!id)
        co_return std::unexpected(id.error());
    early_ask_ = *id;
    asking_at_terminal_ = options_.terminal != nullptr;
    if (asking_at_terminal_)
        spawn(ask_early_at_terminal(std::move(words)));
    else
        out_.line("waiting", words.waiting);
    while (!early_answer_ && !ended_)
        co_await early_changed_.wait();
    if (asking_at_terminal_)
        options_.terminal->cancel();
    while (asking_at_terminal_) // before anything else is asked there
        co_await early_changed_.wait();
    approvals_.close(*id);
    if (!early_answer_)
        co_return fail(errc::closed, "The session ends.");
    co_return *early_answer_;
}

asio::awaitable<void> session_runner::ask_early_at_terminal(early_words words)
{
    if (!ended_)
    {
        out_.text("");
        out_.text(words.before);
        for (const auto& line : words.shown)
            out_.text("  " + foreign(line, limits::trust_line_characters_max));
        out_.text(words.after);
        const auto said = co_await options_.terminal->yes(out_, words.question, /*otherwise=*/false);
        if (!said && said.error() == errc::closed)
            out_.line("waiting", words.waiting);
        if (said && decide_early(*said, "at the terminal"))
            feed_.tell({{"type", "message"}, {"message", *said ? words.yes : words.no}});
    }
    asking_at_terminal_ = false;
    early_changed_.notify();
}

/// The first answer counts.
bool session_runner::decide_early(bool yes, std::string_view where)
{
    if (early_answer_ || ended_)
        return false;
    early_answer_ = yes;
    approvals_.close(early_ask_);
    out_.line(yes ? "allowed" : "refused", where);
    early_changed_.notify();
    return true;
}

/// Without a yes the session ends.
asio::awaitable<void> session_runner::ask_for_trust(question asked)
{
    const auto trusted = co_await ask_early(
        asked,
        {.before = "Do you trust this folder? Claude Code runs what is named here, at once and without a question:",
         .shown = claude::trust_in_lines(asked),
         .after = "Once you trust it you are asked again only about servers of .mcp.json and plugins that are new or "
                  "changed, not when the other files change.",
         .question = "Trust it? (The dashboard asks too.)",
         .waiting = "(answer in the dashboard) Is this folder trusted?",
         .yes = "This folder is trusted, said at the terminal.",
         .no = "This folder is not trusted, said at the terminal."});
    if (ended_)
        co_return;
    if (!trusted || !*trusted)
    {
        status_ = 1;
        co_return end(
            trusted ? "This folder is not trusted. Claude Code was not started."
                    : "What the files of this folder would run is too much to be shown, so nobody can be asked whether "
                      "it is trusted. Run `claude` here once, and answer there.");
    }
    remember_brought(claude::servers_shown(asked), true);
    if (const auto kept = claude::remember_trust(options_.environment, folder_.record().directory); !kept)
        out_.line("trouble", "It will be asked again next time: " + kept.error().detail);
}

/// About each server and plugin of the folder's own that is new or changed. Claude is started in any case, without
/// those that nobody allowed.
asio::awaitable<void> session_runner::ask_for_brought()
{
    const auto kept = store_.load_object(brought_file);
    if (!kept)
        out_.line("trouble", "What was decided about servers and plugins is asked again: " + kept.error().detail);
    if (const auto* files = kept && *kept ? object_at(**kept, "files") : nullptr)
    {
        for (const auto& [file, decided] : *files)
            brought_decided_.emplace(file, decided); // a yes to the folder a moment ago is newer
    }
    for (std::size_t asked = 0;; ++asked)
    {
        // Read anew each time: an answer may take hours.
        auto plan = claude::plan_brought(
            options_.environment, folder_.record().directory, options_.arguments, brought_decided_);
        remember_brought(plan.allowed, true);
        if (plan.open.empty() || asked == limits::brought_asked_max)
            co_return leave_out_brought(plan);
        const auto& next = plan.open.front();
        const own_text kind = next.asked.kind == question_kind::plugin ? "plugin" : "server";
        const auto runs = co_await ask_early(
            next.asked,
            {.before = "A " + kind +
                       " that this folder brings is new, or has changed. Claude Code runs it at once, with your "
                       "rights:",
             .shown = claude::brought_in_lines(next),
             .after = "Without it the session goes on. What you say holds until this changes.",
             .question = "Run it? (The dashboard asks too.)",
             .waiting = "(answer in the dashboard) May a " + next.asked.tool + " of this folder run?",
             .yes = "A " + next.asked.tool + " of this folder may run, said at the terminal.",
             .no = "A " + next.asked.tool + " of this folder does not run, said at the terminal."});
        if (ended_)
            co_return;
        if (runs)
            remember_brought({next}, *runs);
        else
        {
            out_.line(
                "refused",
                "A " + next.asked.tool + " does not run, because nobody can be asked: " + runs.error().detail);
            claude::decide(brought_decided_, next, std::nullopt);
        }
    }
}

/// In memory in any case: it is not asked again now.
void session_runner::remember_brought(const std::vector<claude::brought>& about, bool run)
{
    if (about.empty())
        return;
    const auto decide = [&](json::object& files)
    {
        for (const auto& each : about)
            claude::decide(files, each, run);
    };
    decide(brought_decided_);
    const auto saved = store_.change_object(
        brought_file,
        [&](json::object& kept) -> result<void>
        {
            auto& files = kept["files"];
            decide(files.is_object() ? files.get_object() : files.emplace_object());
            return {};
        });
    if (!saved)
        out_.line("trouble", "It will be asked again next time: " + saved.error().detail);
}

/// What does not run is said, at both ends.
void session_runner::leave_out_brought(const claude::brought_plan& plan)
{
    auto whole = plan;
    auto words = plan.said;
    for (const auto& each : plan.refused)
        words.push_back(
            "As you said, this does not run: " + each + ". To be asked again, remove it from " +
            (store_.directory() / brought_file).string() + ".");
    for (const auto& each : plan.open)
        claude::leave_out(whole, each);
    if (!plan.open.empty())
        words.push_back(
            std::to_string(plan.open.size()) +
            " more servers and plugins of this folder do not run: so many are not asked about at once. "
            "Start the session again to be asked about the next.");
    auto arguments = claude::with_plan(options_.arguments, whole);
    if (!arguments)
    {
        status_ = 1;
        return end(arguments.error().detail);
    }
    if (claude::reads_no_servers(*arguments) && !claude::reads_no_servers(options_.arguments))
        words.push_back(
            "No MCP server of any file runs in this session, your own neither" +
            (whole.no_servers.empty() ? ": too many of this folder must not." : ". " + whole.no_servers));
    if (claude::reads_no_settings(*arguments) && !claude::reads_no_settings(options_.arguments))
        words.push_back(
            "Claude Code does not read the settings of this folder in this session, nor its plugins and servers" +
            (whole.no_plugins.empty() ? ": too many plugins must not run." : ". " + whole.no_plugins));
    options_.arguments = std::move(*arguments);
    for (const auto& each : words)
    {
        out_.line("left out", each);
        feed_.tell({{"type", "message"}, {"message", well_formed_utf8(each, limits::field_text_bytes_max)}});
    }
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
        prompts_->serve(driver_);
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
            forgotten_ = prompts_->gate().last_end().has_value();
            record.claude_id = to_string(message_id{make_uuid_v4()});
            fresh = record.claude_id;
            continue;
        }
        co_return std::unexpected(ready.error());
    }
    if (options_.resumed)
        co_await prompts_->restore();
    started_ = true;
    diagnostics::note(
        resume ? "claude resumed, process" : "claude started, process",
        std::to_string(record.claude ? record.claude->pid : 0));
    fields_.describe("claudeSessionId", json::string(record.claude_id));
    co_return folder_.save();
}

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
    approvals_.close_all();
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
    state_.set_background({}, clock_.now()); // not before: while it ends it still tells of it
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
    if (!feed_.relay(std::move(what.line), what.id, what.block))
        return;
    show(what);
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
    approvals_.ask(std::move(asked), driver_);
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
    approvals_.close_request(request_id);
}

void session_runner::on_conversation(const std::string& id)
{
    auto& record = folder_.record();
    if (record.claude_id == id || id.size() > limits::field_text_bytes_max)
        return;
    record.claude_id = id;
    if (const auto saved = folder_.save(); !saved)
        out_.line("trouble", saved.error().detail);
    fields_.describe("claudeSessionId", json::string(id));
}

void session_runner::on_busy(bool busy)
{
    send_alive(); // every flip counts, however short
    if (busy)
        return;
    prove_next_ = true;
    prompts_->turn_ended();
}

void session_runner::on_title(const std::string& title)
{
    fields_.describe(
        "summary",
        json::object{{"text", well_formed_utf8(title, limits::title_bytes_max)}, {"updatedAt", clock_.now()}});
}

void session_runner::on_background(std::vector<background_task> tasks)
{
    state_.set_background(tasks, clock_.now());
    fields_.state_changed();
}

} // namespace consortium::agent
