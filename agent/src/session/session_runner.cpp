#include "session/session_runner.hpp"
#include "base/agent_limits.hpp"
#include "base/diagnostics.hpp"
#include "base/host.hpp"
#include "consortium/common/ids.hpp"
#include "consortium/common/printable.hpp"
#include "consortium/common/utf8.hpp"
#include "drivers/claude/trust.hpp"
#include <boost/asio/co_spawn.hpp>
#include <boost/json.hpp>
#include <csignal>
#include <cstdlib>
#include <sys/utsname.h>
#include <unistd.h>

namespace consortium::agent
{
namespace
{

constexpr auto goodbye_time = std::chrono::seconds(5);

std::string system_name()
{
    utsname names{};
    return ::uname(&names) == 0 ? std::string(names.sysname) + " " + names.machine : "unknown";
}

std::string home_directory()
{
    const char* home = std::getenv("HOME");
    return home != nullptr ? home : "";
}

/// What is said to others is text; a folder may be named in any bytes.
std::string path_text(const std::string& path)
{
    return well_formed_utf8(path, limits::path_bytes_max);
}

/// For the page that says how the session is taken up again.
json::object command_of(const run_options& options)
{
    json::object out{{"program", options.program}};
    if (const char* home = std::getenv("CONSORTIUM_HOME"); home != nullptr && *home != '\0')
        out["home"] = path_text(home);
    json::array words;
    for (const auto& word : options.given)
        words.emplace_back(well_formed_utf8(word));
    const bool fits = json::serialize(words).size() <= limits::command_bytes_max;
    out["arguments"] = fits ? json::value(std::move(words)) : json::value(nullptr);
    return out;
}

std::string words_of(const std::exception_ptr& thrown)
{
    try
    {
        std::rethrow_exception(thrown);
    }
    catch (const std::exception& problem)
    {
        return printable(problem.what());
    }
    catch (...)
    {
        return "something that is no std::exception";
    }
}

} // namespace

session_runner::session_runner(
    asio::any_io_executor executor, const keystore& store, const identity& who, session_folder folder,
    relay_client& relay, device_directory& devices, screen& out, const clock_source& clock, const boot_clock& spans,
    run_options options)
    : executor_(std::move(executor)),
      store_(store),
      who_(who),
      folder_(std::move(folder)),
      relay_(relay),
      devices_(devices),
      out_(out),
      clock_(clock),
      spans_(spans),
      options_(std::move(options)),
      feed_(executor_, folder_, who_, out_, clock_, *this),
      approvals_(path_text(folder_.record().directory), feed_, out_, clock_),
      fields_(executor_, folder_, who_, feed_, out_, description(), [this] { return whole_state(); }),
      partial_changed_(executor_),
      ending_(executor_),
      early_changed_(executor_),
      alive_(executor_),
      log_due_(executor_),
      log_(relay_, store_, clock_),
      task_done_(executor_)
{
    feed_.on_full = [this] { end("Too much waits for the relay. Run `consortium` again once it takes messages."); };
    feed_.on_stuck = [this] { fields_.state_changed(); }; // does it take anything else?
    feed_.on_refused = [this](const relay_failure& reason) { on_link_refused(reason); };
    feed_.takes_others = [this](std::chrono::steady_clock::time_point since) { return fields_.taken_since(since); };
    fields_.on_refused = [this](const relay_failure& reason) { on_link_refused(reason); };
    fields_.on_end_wanted = [this] { end("Ended from the dashboard.", ending::dashboard); };
    approvals_.on_change = [this] { fields_.state_changed(); };
    log_.on_alarm = [this](const log_alarm& alarm) { on_log_alarm(alarm); };
}

json::object session_runner::description() const
{
    return {
        {"path", path_text(folder_.record().directory)},
        {"host", host_name()},
        {"version", CONSORTIUM_VERSION},
        {"os", system_name()},
        {"homeDir", path_text(home_directory())},
        {"claudeSessionId", folder_.record().claude_id},
        {"flavor", "claude"},
        {"startedBy", "terminal"},
        {"hostPid", ::getpid()},
        {"lifecycleState", "running"},
        {"lifecycleStateSince", clock_.now()},
        {"command", command_of(options_)}};
}

/// All that the dashboard must know about the session at any moment.
json::object session_runner::whole_state() const
{
    auto out = state_.to_json();
    out["requests"] = approvals_.to_json();
    out["held"] = prompts_->gate().held_to_json();
    return out;
}

session_runner::~session_runner()
{
    if (driver_)
        driver_->detach();
}

asio::awaitable<void> session_runner::pause_for(std::chrono::milliseconds time)
{
    asio::steady_timer timer(executor_, time);
    boost::system::error_code ignored;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

void session_runner::spawn(asio::awaitable<void> work)
{
    ++tasks_;
    asio::co_spawn(
        executor_, std::move(work),
        [this](const std::exception_ptr& thrown)
        {
            --tasks_;
            task_done_.notify();
            if (!thrown)
                return;
            const auto what = words_of(thrown);
            diagnostics::note("failed:", what);
            out_.text("Something in this program failed: " + detail_of(what));
            end("A fault of this program.");
        });
}

asio::awaitable<int> session_runner::run()
{
    const auto key = store_.local_key();
    if (!key)
    {
        out_.text(detail_of(key.error().detail));
        co_return 1;
    }
    if (const auto opened = feed_.open(*key); !opened)
    {
        out_.text(detail_of(opened.error().detail));
        co_return 1;
    }
    const auto account = parse_uuid<account_id>(who_.account_id);
    if (!account)
    {
        out_.text("The account that this machine belongs to has no proper id. `consortium auth login` pairs it anew.");
        co_return 1;
    }
    prompts_.emplace(executor_, folder_, *account, devices_, feed_, state_, out_, clock_, spans_);
    prompts_->on_change = [this] { fields_.state_changed(); };
    prompts_->knows_account = [this] { return chain_read_; };
    prompts_->on_stranger = [this] { spawn(read_chain_then_judge()); };
    if (auto asked = claude::trust_question(options_.environment, folder_.record().directory))
        co_await ask_for_trust(std::move(*asked));
    if (!ended_)
        co_await ask_for_brought();
    if (!ended_)
        co_await go();

    while (!ended_)
        co_await ending_.wait();
    if (!why_.empty())
        out_.line("ending", why_);
    co_await stop_claude();
    if (!as_before_)
        feed_.tell({{"type", "ended"}, {"why", word(because_)}});
    co_await close_session();
    const auto deadline = std::chrono::steady_clock::now() + goodbye_time;
    while (tasks_ > 0 && std::chrono::steady_clock::now() < deadline)
        co_await task_done_.wait(deadline - std::chrono::steady_clock::now());
    co_return status_;
}

/// Claude is started, and what goes on between it and the person.
asio::awaitable<void> session_runner::go()
{
    auto& record = folder_.record();
    const bool had_ended = std::exchange(record.ended, false);
    const auto ended_at = std::exchange(record.ended_at, 0);
    if (const auto started = co_await start_claude(); !started)
    {
        out_.text(ended_ ? own_text("Ended before Claude Code had answered.") : detail_of(started.error().detail));
        status_ = 1;
        as_before_ = options_.resumed;
        record.ended = had_ended;
        record.ended_at = ended_at;
        co_return end("");
    }
    if (options_.resumed)
        tell_resumed(had_ended);
    tell_earlier(ended_at);
    if (!options_.first_prompt.empty())
        prompts_->type(options_.first_prompt);
    spawn(watch_claude());
    spawn(prompts_->run());
    spawn(stream_partial());
    connect_once();
}

void session_runner::connect_once()
{
    if (!std::exchange(connecting_, true))
        spawn(connect());
}

std::string_view word(ending because)
{
    switch (because)
    {
    case ending::terminal:
        return "terminal";
    case ending::dashboard:
        return "dashboard";
    case ending::system:
        return "system";
    case ending::claude:
        return "claude";
    case ending::trouble:
        break;
    }
    return "trouble";
}

void session_runner::end(std::string why, ending because)
{
    if (ended_)
        return;
    ended_ = true;
    because_ = because;
    why_ = std::move(why);
    if (prompts_)
        prompts_->stop();
    ending_.notify();
    early_changed_.notify();
}

void session_runner::interrupt()
{
    if (!started_)
    {
        end("", ending::terminal);
        if (driver_)
            driver_->kill();
        return;
    }
    const auto now = std::chrono::steady_clock::now();
    constexpr auto soon = std::chrono::seconds(3);
    const bool again = last_interrupt_ != std::chrono::steady_clock::time_point() && now - last_interrupt_ < soon;
    last_interrupt_ = now;
    if (again || ended_)
        return end("Ctrl-C twice", ending::terminal);
    if (driver_ && driver_->busy())
    {
        out_.line("stop", "Stopping this turn. Ctrl-C again ends the session.");
        spawn(
            [](session_runner* self) -> asio::awaitable<void>
            {
                if (const auto stopped = co_await self->prompts_->stop_turn(); !stopped)
                    self->out_.line("trouble", "The turn is not stopped: " + stopped.error().detail);
            }(this));
    }
    else
        out_.line("idle", "Ctrl-C again ends the session.");
}

} // namespace consortium::agent
