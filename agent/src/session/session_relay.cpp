// A running session, its place at the relay: making it, joining it, sending, leaving.
#include "base/slow_notice.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/ids.hpp"
#include "consortium/common/limits.hpp"
#include "consortium/e2ee/signed_box.hpp"
#include "link/message_post.hpp"
#include "session/session_runner.hpp"
#include <boost/json.hpp>

namespace consortium::agent
{
namespace
{

constexpr auto alive_interval = std::chrono::seconds(5);
constexpr auto goodbye_time = std::chrono::seconds(5);

} // namespace

/// Whether what the relay has under our tag is of our making: perhaps of before a crash.
bool session_runner::is_ours(const unchecked& session, const std::string& boxed) const
{
    return session.text("dataEncryptionKey") == boxed ||
           fields_.describes_us(session.text("metadata", limits::state_bytes_max));
}

/// Makes the session at the relay, or finds it there by its tag. Tries until the relay answers.
asio::awaitable<relay_answer<void>> session_runner::make_session()
{
    auto& record = folder_.record();
    const auto account = parse_uuid<account_id>(who_.account_id);
    const auto seed = store_.load_device_seed();
    if (!account || !seed || !*seed)
        co_return std::unexpected(relay_failure{
            {errc::corrupt, "This machine's own key is missing. `consortium auth login` pairs it anew.",
             std::nullopt}});
    const auto boxed =
        e2ee::seal_data_key(ed25519_key::from_seed(**seed), *account, who_.content_key, "session", record.data_key);
    if (!boxed)
        co_return std::unexpected(relay_failure{boxed.error()});
    backoff delay;
    bool said = false;
    const slow_notice notice(
        executor_,
        [this]
        {
            if (!said_offline_)
                out_.line(
                    "waiting",
                    "The relay at " + relay_.server_url() + " has not answered yet. What is said waits here.");
        });
    for (;;)
    {
        const auto metadata = fields_.seal_description(0);
        if (!metadata)
            co_return std::unexpected(relay_failure{metadata.error()});
        const auto answer = co_await relay_.post(
            "/v1/sessions", {{"tag", record.tag}, {"metadata", *metadata}, {"dataEncryptionKey", *boxed}}, "session");
        if (ended_)
            co_return std::unexpected(relay_failure{{errc::cancelled, "the session has ended", std::nullopt}});
        const auto session = answer ? answer->object("session") : std::nullopt;
        const auto id = session ? session->uuid("id") : std::string();
        if (!answer && !worth_retrying(answer.error()))
            co_return std::unexpected(answer.error());
        if (id.empty())
        {
            const auto why =
                !answer ? answer.error() : relay_failure::stranger(relay_.server_url(), "an answer without a session");
            say_offline(why);
            co_await pause_for(std::max(delay.next(), why.retry.value_or(std::chrono::milliseconds(0))));
            continue;
        }
        // The tag is random, so only a relay that lies, or lost its wits, knows it for another session.
        const bool ours = record.session_id.empty() ? is_ours(*session, *boxed) : record.session_id == id;
        if (!ours)
        {
            if (!std::exchange(said, true))
                out_.line(
                    "trouble", "The relay has another session under this one's random name. Nothing is sent to it; it "
                               "is asked again.");
            co_await pause_for(delay.next());
            continue;
        }
        record.session_id = id;
        record.checked = clock_.now();
        if (const auto saved = folder_.save(); !saved)
            co_return std::unexpected(relay_failure{saved.error()});

        fields_.begin(
            *session, options_.resumed,
            [this](std::string event, json::object value) { return link_->ask(std::move(event), std::move(value)); });
        co_return relay_answer<void>();
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
    calls_.emplace(
        record.data_key, parse_uuid<account_id>(who_.account_id).value_or(account_id()), record.session_id, spans_);
    const auto sealed = feed_.begin_sealing();
    if (!sealed)
        co_return end("What is to be sent cannot be kept: " + sealed.error().detail);

    link_options wanted;
    wanted.server_url = relay_.server_url();
    wanted.token = relay_.token();
    wanted.regain_access = [this](relay_failure denied) { return relay_.regain_access(std::move(denied)); };
    wanted.session_id = record.session_id;
    wanted.net = relay_.options();
    wanted.methods = call_method_words();
    wanted.dial = options_.dial;
    link_ = session_link::make(executor_, std::move(wanted), *this);

    out_.title("In the dashboard: " + foreign(relay_.server_url()) + "/session/" + foreign(record.session_id));
    prompts_->say_unsaid_end();
    prompts_->wake();

    spawn(feed_.run());
    spawn(session_link::run(link_));
    spawn(fields_.run_state());
    spawn(fields_.run_description());
    spawn(beat());
    spawn(watch_log());
}

/// Holds the relay's log against what this machine knows of it: whenever it has connected, and now and then.
asio::awaitable<void> session_runner::watch_log()
{
    if (const auto memory = store_.load_log_memory())
    {
        for (const auto& each : memory->alarms)
        {
            if (each.server == relay_.server_url())
                out_.line("ALARM", std::string(sentence(each.what)) + " See `consortium log`.");
        }
    }
    bool said = false;
    while (!ended_)
    {
        if (!link_->online())
        {
            co_await log_due_.wait();
            continue;
        }
        const auto checked = co_await log_.check();
        if (!checked && !worth_retrying(checked.error()) && !std::exchange(said, true))
            out_.line("trouble", "The relay's log is not checked: " + checked.error().detail);
        if (checked && *checked == log_checker::outcome::not_offered && log_.ready() && !std::exchange(said, true))
            out_.line("trouble", "The relay does not let its log be checked any more.");
        co_await log_due_.wait(options_.log_interval);
    }
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
                              {"thinking", driver_ && driver_->busy()},
                              {"mode", "remote"}});
}

asio::awaitable<relay_answer<void>> session_runner::send_messages(std::vector<spool_entry> batch)
{
    const auto& sid = folder_.record().session_id;
    const bool online = link_ && link_->online();
    // The relay proves the last message of a turn: all before it stand before it in the same tree.
    const bool prove = online && prove_next_ && log_.ready() && batch.size() == feed_.waiting();
    // One goes over the socket, where it keeps its place among stream events; more go as one transaction.
    std::optional<spool_entry> last;
    if (online && (batch.size() == 1 || prove))
    {
        last = std::move(batch.back());
        batch.pop_back();
    }
    if (!batch.empty())
    {
        if (const auto sent = co_await post_messages(relay_, sid, batch); !sent)
            co_return std::unexpected(sent.error());
    }
    if (!last)
        co_return relay_answer<void>();
    json::object message{{"sid", sid}, {"message", last->bundle}, {"localId", last->local_id}};
    if (prove)
        message["prove"] = true;
    const auto sent = co_await link_->ask("message", std::move(message));
    if (!sent)
        co_return std::unexpected(sent.error());
    if (prove)
    {
        prove_next_ = false;
        log_.look_at(*sent, who_.account_id, sid, last->bundle);
    }
    co_return relay_answer<void>();
}

/// Says goodbye: what is still to be said is sent if the relay is there, and kept for the next start if not.
asio::awaitable<void> session_runner::close_session()
{
    auto& record = folder_.record();
    if (!as_before_ && !std::exchange(record.ended, true))
        record.ended_at = clock_.now();
    prompts_->stop();
    partial_changed_.notify();
    alive_.notify();
    log_due_.notify();
    if (gone_)
    {
        feed_.stop();
        if (link_)
            link_->stop();
        fields_.stop();
        co_return;
    }
    if (link_ && link_->online())
    {
        if (record.ended)
        {
            fields_.describe("lifecycleState", "archived");
            fields_.describe("lifecycleStateSince", clock_.now());
        }
        fields_.say_all();
        (void)co_await feed_.drained(goodbye_time);
        co_await fields_.settled(std::chrono::seconds(2));
        link_->emit("session-end", {{"sid", record.session_id}, {"time", clock_.now()}});
    }
    if (feed_.waiting() > 0 && !record.session_id.empty())
        out_.line(
            "kept", std::to_string(feed_.waiting()) + (feed_.waiting() == 1 ? " message waits" : " messages wait") +
                        " here for the relay. The next start of consortium that reaches it sends them.");
    feed_.stop();
    fields_.stop();
    if (link_)
        link_->stop();
    if (record.session_id.empty())
    {
        (void)folder_.dispose(never_shared(), clock_.now());
        co_return;
    }
    if (const auto saved = folder_.save(); !saved)
        co_return out_.text(detail_of(saved.error().detail));
    out_.text("To take it up again: " + foreign(options_.program) + " --resume " + foreign(record.session_id));
}

} // namespace consortium::agent
