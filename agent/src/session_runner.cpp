#include "session_runner.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/ids.hpp"
#include "consortium/e2ee/keys.hpp"
#include "consortium/e2ee/secretbox.hpp"
#include "diagnostics.hpp"
#include "first_run.hpp"
#include "json_access.hpp"
#include <boost/asio/co_spawn.hpp>
#include <boost/json.hpp>
#include <csignal>
#include <sys/utsname.h>
#include <unistd.h>

namespace consortium::agent
{
namespace
{

constexpr auto alive_interval = std::chrono::seconds(5);
constexpr auto partial_interval = std::chrono::milliseconds(50); // at most 20 pieces of partial text a second
constexpr auto goodbye_time = std::chrono::seconds(5);
constexpr auto claude_exit_time = std::chrono::seconds(5);

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

} // namespace

session_runner::session_runner(
    asio::any_io_executor executor, const keystore& store, const identity& who, session_folder folder,
    relay_client& relay, screen& out, const clock_source& clock, run_options options)
    : executor_(std::move(executor)),
      store_(store),
      who_(who),
      folder_(std::move(folder)),
      relay_(relay),
      out_(out),
      clock_(clock),
      options_(std::move(options)),
      state_(e2ee::make_instance_id(), folder_.record().directory),
      prompts_changed_(executor_),
      partial_changed_(executor_),
      ending_(executor_),
      alive_(executor_),
      task_done_(executor_)
{
    metadata_ = {
        {"path", folder_.record().directory},
        {"host", host_name()},
        {"version", CONSORTIUM_VERSION},
        {"os", system_name()},
        {"homeDir", home_directory()},
        {"claudeSessionId", folder_.record().claude_id},
        {"flavor", "claude"},
        {"startedBy", "terminal"},
        {"hostPid", ::getpid()},
        {"lifecycleState", "running"},
        {"lifecycleStateSince", clock_.now()}};
}

session_runner::~session_runner()
{
    if (claude_)
        claude_->detach();
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
            if (thrown)
                end("Something in this program failed; the session is ended.");
        });
}

asio::awaitable<int> session_runner::run()
{
    const auto key = store_.local_key();
    if (!key)
    {
        out_.text(key.error().detail);
        co_return 1;
    }
    auto waiting = spool::open(folder_.spool_file(), *key, folder_.record().tag);
    if (!waiting)
    {
        out_.text(waiting.error().detail);
        co_return 1;
    }
    outbox_ = std::make_shared<outbox>(executor_, std::move(*waiting), static_cast<message_sender&>(*this));
    outbox_->on_dropped = [this](const spool_entry&, const error& reason)
    { out_.line("lost", "The relay refuses one message for good: " + reason.detail); };
    outbox_->on_refused = [this](const error& reason) { on_link_refused(reason); };

    if (const auto started = co_await start_claude(); !started)
    {
        out_.text(started.error().detail);
        // Nothing was ever said in it: it leaves no trace.
        if (folder_.record().session_id.empty())
            (void)folder_.destroy();
        co_return 1;
    }
    spawn(watch_claude());
    spawn(take_prompts());
    spawn(stream_partial());
    spawn(connect());

    while (!ended_)
        co_await ending_.wait();
    if (!why_.empty())
        out_.line("ending", why_);
    co_await stop_claude();
    co_await close_session();
    const auto deadline = std::chrono::steady_clock::now() + goodbye_time;
    while (tasks_ > 0 && std::chrono::steady_clock::now() < deadline)
        co_await task_done_.wait(deadline - std::chrono::steady_clock::now());
    co_return status_;
}

void session_runner::end(std::string why)
{
    if (ended_)
        return;
    ended_ = true;
    why_ = std::move(why);
    ending_.notify();
}

void session_runner::interrupt()
{
    const auto now = std::chrono::steady_clock::now();
    constexpr auto soon = std::chrono::seconds(3);
    const bool again = last_interrupt_ != std::chrono::steady_clock::time_point() && now - last_interrupt_ < soon;
    last_interrupt_ = now;
    if (again || ended_)
        return end("Ctrl-C twice");
    if (claude_ && claude_->busy())
    {
        out_.line("stop", "Stopping this turn. Ctrl-C again ends the session.");
        spawn(
            [](std::shared_ptr<claude::driver> driver) -> asio::awaitable<void>
            { (void)co_await driver->interrupt(); }(claude_));
    }
    else
        out_.line("idle", "Ctrl-C again ends the session.");
}

// ---------------------------------------------------------------------------------------------------------- Claude

/// What a crash of the agent left running: two of them on one conversation would fork it.
asio::awaitable<void> session_runner::end_leftover_claude()
{
    const auto leftover = folder_.record().claude;
    if (!leftover || !is_running(*leftover))
        co_return;
    ::kill(-leftover->pid, SIGTERM);
    const auto deadline = std::chrono::steady_clock::now() + claude_exit_time;
    while (is_running(*leftover))
    {
        if (std::chrono::steady_clock::now() > deadline)
            ::kill(-leftover->pid, SIGKILL);
        co_await pause_for(std::chrono::milliseconds(50));
    }
}

asio::awaitable<result<void>> session_runner::start_claude()
{
    co_await end_leftover_claude();
    auto& record = folder_.record();
    const bool user_chose = claude::chooses_session(options_.arguments);
    std::optional<std::string> resume;
    std::optional<std::string> fresh;
    if (!user_chose && options_.resumed && !record.claude_id.empty())
        resume = record.claude_id;
    else if (!user_chose)
    {
        if (record.claude_id.empty())
            record.claude_id = to_string(message_id{make_uuid_v4()});
        fresh = record.claude_id;
    }
    for (;;)
    {
        claude_ = claude::driver::make(executor_, *this);
        claude::driver_options wanted;
        wanted.child = {
            options_.claude, claude::remote_arguments(options_.arguments, resume, fresh), options_.environment,
            record.directory};
        const auto ready = co_await claude_->start(std::move(wanted));
        if (ready)
            break;
        // Its transcript begins with the first prompt: a conversation without one cannot be resumed, only begun.
        if (resume && ready.error().detail.find("No conversation found") != std::string::npos)
        {
            fresh = std::exchange(resume, std::nullopt);
            continue;
        }
        co_return std::unexpected(ready.error());
    }
    if (options_.resumed && !record.mode.empty() && record.mode != state_.mode())
        (void)co_await set_mode(record.mode);
    if (options_.resumed && !record.model.empty())
        (void)co_await set_model(record.model);
    record.claude = identify_process(claude_->pid());
    diagnostics::note(resume ? "claude resumed, process" : "claude started, process", std::to_string(claude_->pid()));
    metadata_["claudeSessionId"] = record.claude_id;
    co_return folder_.save();
}

asio::awaitable<void> session_runner::watch_claude()
{
    const auto driver = claude_;
    const auto exit = co_await driver->ended();
    if (ended_)
        co_return;
    diagnostics::note("claude ended with", exit.text());
    const auto words = driver->last_words();
    const auto what = "Claude Code ended with " + exit.text() + (words.empty() ? "." : ": " + words);
    out_.line("claude", what);
    tell({{"type", "message"}, {"message", what}});
    status_ = exit.good() ? 0 : 1;
    end("");
}

asio::awaitable<void> session_runner::stop_claude()
{
    state_.cancel_all("The session has ended.", clock_.now());
    if (!claude_ || claude_->pid() == 0)
        co_return;
    const auto driver = claude_;
    driver->close_input();
    if (driver->busy())
        driver->signal(SIGTERM);
    const auto killer = std::make_shared<asio::steady_timer>(executor_, claude_exit_time);
    killer->async_wait(
        [driver, killer](const boost::system::error_code& problem)
        {
            if (!problem)
                driver->signal(SIGKILL);
        });
    (void)co_await driver->ended();
    killer->cancel();
    folder_.record().claude.reset();
}

/// Prompts in the order they were accepted; mode and model of one take effect before it. One at a time is queued in
/// Claude: it makes one of several, and then knows only one of their uuids after a crash.
asio::awaitable<void> session_runner::take_prompts()
{
    while (!ended_)
    {
        if (prompts_.empty() || !queued_.empty())
        {
            co_await prompts_changed_.wait();
            continue;
        }
        const auto next = std::move(prompts_.front());
        prompts_.pop_front();
        if (!next.mode.empty() && next.mode != state_.mode())
            (void)co_await set_mode(next.mode);
        if (!next.model.empty() && next.model != state_.model())
            (void)co_await set_model(next.model);
        if (ended_)
            break;
        out_.line("prompt", next.text);
        queued_ = next.uuid;
        claude_->prompt(next.uuid, next.content);
        tell({{"type", "prompt-taken"}, {"id", next.id}});
    }
}

asio::awaitable<void> session_runner::stream_partial()
{
    while (!ended_)
    {
        co_await partial_changed_.wait();
        for (const auto& piece : claude_->take_partial())
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

// ----------------------------------------------------------------------------------------------------------- relay

/// Makes the session at the relay, or finds it there by its tag. Tries until the relay answers.
asio::awaitable<result<void>> session_runner::make_session()
{
    auto& record = folder_.record();
    const auto wrapped = e2ee::wrap_data_key(who_.content_key, record.data_key);
    if (!wrapped)
        co_return std::unexpected(wrapped.error());
    backoff delay;
    for (;;)
    {
        const auto metadata = seal_metadata(0);
        if (!metadata)
            co_return std::unexpected(metadata.error());
        const auto answer = co_await relay_.post(
            "/v1/sessions", {{"tag", record.tag}, {"metadata", *metadata}, {"dataEncryptionKey", *wrapped}});
        if (ended_)
            co_return fail(errc::cancelled, "the session has ended");
        if (!answer)
        {
            if (!worth_retrying(answer.error()))
                co_return std::unexpected(answer.error());
            if (!said_offline_)
                out_.line(
                    "offline", "The relay is not reached (" + answer.error().detail + "). What is said waits here.");
            said_offline_ = true;
            co_await pause_for(std::max(delay.next(), answer.error().retry.value_or(std::chrono::milliseconds(0))));
            continue;
        }
        const auto* session = object_at(*answer, "session");
        const auto id = session != nullptr ? text_at(*session, "id") : std::string();
        if (id.empty() || (!record.session_id.empty() && record.session_id != id))
            co_return fail(errc::corrupt, "The relay answers with another session than was made.");
        if (text_at(*session, "dataEncryptionKey") != *wrapped && record.session_id.empty() &&
            text_at(*session, "metadata") != *metadata)
            co_return fail(errc::corrupt, "The relay has another session under this one's random name.");
        record.session_id = id;
        record.checked = clock_.now();
        if (const auto saved = folder_.save(); !saved)
            co_return saved;

        const auto ask = [this](std::string event, json::object value) -> asio::awaitable<result<json::object>>
        { return link_->ask(std::move(event), std::move(value)); };
        metadata_field_ = std::make_shared<field_publisher>(
            executor_,
            field_publisher::options{
                "update-metadata", "metadata", id, number_at(*session, "metadataVersion"), [this](std::int64_t after)
                { return seal_metadata(after); }, [this](const std::string& sealed) { merge_metadata(sealed); }},
            ask);
        state_field_ = std::make_shared<field_publisher>(
            executor_,
            field_publisher::options{
                "update-state",
                "agentState",
                id,
                number_at(*session, "agentStateVersion"),
                [this](std::int64_t after) { return seal_state(after); },
                {}},
            ask);
        if (options_.resumed)
            merge_metadata(text_at(*session, "metadata"));
        co_return result<void>();
    }
}

asio::awaitable<void> session_runner::connect()
{
    if (const auto made = co_await make_session(); !made)
    {
        if (!ended_)
            on_link_refused(made.error());
        co_return;
    }
    const auto& record = folder_.record();
    gate_.emplace(folder_, record.data_key, who_.account_id, record.session_id);
    guard_.emplace(record.data_key, who_.account_id, record.session_id, state_.instance(), clock_);
    const auto sealed = outbox_->seal_with(
        [this](spool_entry& entry) -> result<std::string>
        {
            const auto raw = hex_decode(entry.local_id);
            if (!raw || raw->size() != 16)
                return fail(errc::corrupt, "a spooled message without a proper id");
            const auto id = to_array<16>(*raw);
            const auto words = chain_.next(id, entry.at, entry.d);
            const auto bundle = e2ee::bundle_seal(
                folder_.record().data_key, {who_.account_id, folder_.record().session_id, "message"}, id,
                view(e2ee::envelope_text(words)));
            if (!bundle)
                return std::unexpected(bundle.error());
            return base64_encode(*bundle);
        });
    if (!sealed)
        co_return end("What is to be sent cannot be kept: " + sealed.error().detail);

    link_options wanted;
    wanted.server_url = relay_.server_url();
    wanted.token = who_.token;
    wanted.session_id = record.session_id;
    wanted.net = relay_.options();
    wanted.methods = {"permission", "abort", "set-mode", "set-model", "killSession"};
    wanted.dial = options_.dial;
    link_ = session_link::make(executor_, std::move(wanted), *this);
    state_field_->changed();
    if (options_.resumed)
        metadata_field_->changed();

    out_.title("In the dashboard: " + relay_.server_url() + "/session/" + record.session_id);
    for (auto& each : gate_->left_in_hand())
        prompts_.push_back(std::move(each));
    prompts_changed_.notify();

    spawn(outbox::run(outbox_));
    spawn(session_link::run(link_));
    spawn(field_publisher::run(state_field_));
    spawn(field_publisher::run(metadata_field_));
    spawn(beat());
}

asio::awaitable<void> session_runner::beat()
{
    while (!ended_)
    {
        send_alive();
        co_await alive_.wait(alive_interval);
    }
}

void session_runner::send_alive()
{
    if (link_)
        link_->emit(
            "session-alive", {{"sid", folder_.record().session_id},
                              {"time", clock_.now()},
                              {"thinking", claude_ && claude_->busy()},
                              {"mode", "remote"}});
}

asio::awaitable<result<void>> session_runner::send_messages(std::vector<spool_entry> batch)
{
    const auto& sid = folder_.record().session_id;
    // One goes over the socket, where it keeps its place among stream events; more go as one transaction.
    if (batch.size() == 1 && link_ && link_->online())
    {
        const auto sent = co_await link_->ask(
            "message", {{"sid", sid}, {"message", batch.front().bundle}, {"localId", batch.front().local_id}});
        if (!sent)
            co_return std::unexpected(sent.error());
        co_return result<void>();
    }
    json::array messages;
    for (auto& each : batch)
        messages.push_back(json::object{{"content", std::move(each.bundle)}, {"localId", std::move(each.local_id)}});
    const auto sent = co_await relay_.post("/v3/sessions/" + sid + "/messages", {{"messages", std::move(messages)}});
    if (!sent)
        co_return std::unexpected(sent.error());
    co_return result<void>();
}

/// Says goodbye: what is still to be said is sent if the relay is there, and kept for the next start if not.
asio::awaitable<void> session_runner::close_session()
{
    auto& record = folder_.record();
    prompts_changed_.notify();
    partial_changed_.notify();
    alive_.notify();
    if (gone_)
    {
        outbox_->stop();
        if (link_)
            link_->stop();
        if (state_field_)
        {
            state_field_->stop();
            metadata_field_->stop();
        }
        co_return;
    }
    if (link_ && link_->online())
    {
        metadata_["lifecycleState"] = "archived";
        metadata_["lifecycleStateSince"] = clock_.now();
        metadata_field_->changed();
        state_field_->changed();
        (void)co_await outbox_->drained(goodbye_time);
        (void)co_await state_field_->settled(std::chrono::seconds(2));
        (void)co_await metadata_field_->settled(std::chrono::seconds(2));
        link_->emit("session-end", {{"sid", record.session_id}, {"time", clock_.now()}});
    }
    if (outbox_->waiting() > 0 && !record.session_id.empty())
        out_.line(
            "kept",
            std::to_string(outbox_->waiting()) + " messages wait here for the relay; the next start sends them.");
    outbox_->stop();
    if (state_field_)
    {
        state_field_->stop();
        metadata_field_->stop();
    }
    if (link_)
        link_->stop();
    record.ended = true;
    if (record.session_id.empty())
    {
        // The relay never heard of it: nobody can ask for what is in it.
        (void)folder_.destroy();
        co_return;
    }
    if (const auto saved = folder_.save(); !saved)
        out_.text(saved.error().detail);
}

} // namespace consortium::agent
