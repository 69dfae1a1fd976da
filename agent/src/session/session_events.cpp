// A running session: what comes from the relay, what is found out about it, and its end there.
#include "base/diagnostics.hpp"
#include "base/host.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/limits.hpp"
#include "link/message_post.hpp"
#include "session/session_runner.hpp"
#include "storage/trash.hpp"
#include <boost/asio/post.hpp>
#include <boost/json.hpp>

namespace consortium::agent
{

/// Said where the person is: here and in the dashboard. The work goes on: content needs no trust in the relay.
void session_runner::on_log_alarm(const log_alarm& alarm)
{
    out_.line("ALARM", std::string(sentence(alarm.what)) + " See `consortium log`.");
    feed_.tell(
        {{"type", "message"},
         {"message", std::string(sentence(alarm.what)) + " See `consortium log` on " + host_name() + "."},
         {"logAlarm", json::object{{"what", word(alarm.what)}, {"origin", alarm.origin}, {"detail", alarm.detail}}}});
}

void session_runner::on_device_alarm(const device_alarm& alarm)
{
    out_.line("ALARM", std::string(sentence(alarm.what)) + " See `consortium auth status`.");
    feed_.tell(
        {{"type", "message"},
         {"message", std::string(sentence(alarm.what)) + " See `consortium auth status` on " + host_name() + "."},
         {"deviceAlarm", json::object{{"what", word(alarm.what)}, {"detail", alarm.detail}}}});
}

void session_runner::on_device_revoked()
{
    status_ = 1;
    session_gone(hearsay::device_revoked, "A browser of your account has revoked this machine.");
}

void session_runner::save_record()
{
    if (const auto saved = folder_.save(); !saved)
        out_.line("trouble", saved.error().detail);
}

// ------------------------------------------------------------------------------------------------------- connection

void session_runner::on_online()
{
    out_.line("connected", relay_.server_url());
    online_ = true;
    said_offline_ = false;
    spawn(read_chain_anew());
    alive_.notify();
    log_due_.notify();
    feed_.nudge();
    fields_.nudge();
}

void session_runner::on_offline(const error& reason)
{
    online_ = false;
    // Where one connection died unnoticed, the others may have died too.
    relay_.drop_idle();
    say_offline(reason);
}

/// Once until the relay is there again.
void session_runner::say_offline(const error& reason)
{
    if (!std::exchange(said_offline_, true))
        out_.line("offline", "Not connected: " + reason.detail + ". What is said waits here.");
}

void session_runner::on_caught_up(bool from_known_place)
{
    const bool another_log = follow_log(link_->log());
    if (another_log || !from_known_place)
        fetch_unread();
}

void session_runner::fetch_unread()
{
    if (!std::exchange(fetching_, true))
        spawn(fetch_messages());
}

/// Reads the stored messages after the last one looked at; what comes live meanwhile waits, within its bound. The first
/// page begins with that one: where the relay has another in its place, or none, its log was set back to a copy, and
/// numbers that were looked at are given to new messages.
asio::awaitable<void> session_runner::fetch_messages()
{
    const auto path = messages_path(folder_.record().session_id) + "?limit=100&after_seq=";
    backoff delay;
    bool compared = prompts_->gate().last_seq() == 0;
    while (!ended_)
    {
        held_.read_again();
        const auto before = prompts_->gate().last_seq();
        const auto page = co_await relay_.get(path + std::to_string(compared ? before : before - 1), "messages");
        if (!page)
        {
            if (!worth_retrying(page.error()))
            {
                on_link_refused(page.error());
                break;
            }
            say_offline(page.error());
            co_await pause_for(delay.next());
            continue;
        }
        delay.reset();
        const auto messages = page->objects("messages");
        const bool compares = !std::exchange(compared, true);
        if (compares && !begins_as_remembered(messages))
        {
            read_log_anew("The relay's log was set back: it does not have what it had of this session.");
            continue;
        }
        for (const auto& each : messages)
            look_at_message(stored_message::of(each));
        const bool came_further = compares || prompts_->gate().last_seq() != before;
        if (!held_.overflown() && (!page->flag("hasMore") || !came_further))
        {
            prompts_->gate().has_read_all();
            break;
        }
    }
    fetching_ = false;
    for (const auto& each : held_.take())
        look_at_message(each);
}

bool session_runner::begins_as_remembered(const std::vector<unchecked>& messages) const
{
    if (messages.empty())
        return false;
    const auto first = stored_message::of(messages.front());
    return prompts_->gate().remembers(first.content, first.seq);
}

void session_runner::on_update(const unchecked& body)
{
    const auto type = body.text("t");
    const auto& sid = folder_.record().session_id;
    if (type == "new-message" && body.uuid("sid") == sid)
    {
        const auto message = body.object("message");
        if (!message)
            return;
        auto stored = stored_message::of(*message);
        // A number that was looked at already: read once more, or given anew by a log that was set back.
        if (!fetching_ && stored.seq <= prompts_->gate().last_seq())
            fetch_unread();
        if (fetching_)
            held_.add(std::move(stored));
        else
            look_at_message(stored);
    }
    else if (type == "device")
    {
        const auto statement = base64_decode(body.text("statement"));
        if (!statement || !devices_.learn({*statement}))
            spawn(read_chain_then_judge()); // not the next that we know of: the whole chain will say
        prompts_->judge();
    }
    else if (type == "delete-session" && body.uuid("sid") == sid)
        spawn(heard_of_deletion(body, hearsay::unsigned_deletion));
    else if (type == "update-session" && body.uuid("id") == sid)
        fields_.seen(body);
}

void session_runner::look_at_message(const stored_message& message)
{
    if (ended_)
        return;
    prompts_->look_at(message);
}

/// Message numbers and versions belong to the relay's log. Under another one, a restored backup or another relay at
/// this address, all is read again, and what is at present is said anew: readers have seen the old end and state.
bool session_runner::follow_log(const std::string& log)
{
    if (!prompts_->gate().reads_log(log))
        return false;
    say_anew("The relay's log is another than before.");
    return true;
}

/// The same where the log kept its id and was set back to a copy of itself.
void session_runner::read_log_anew(std::string_view why)
{
    prompts_->gate().reads_anew();
    say_anew(why);
}

void session_runner::say_anew(std::string_view why)
{
    out_.line("log", why);
    fields_.start_over();
    prompts_->say_end_anew();
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
    prompts_->judge();
    prompts_->wake();
    co_return read;
}

/// Who is not known is looked for before he is judged; if that fails a person decides.
asio::awaitable<void> session_runner::read_chain_then_judge()
{
    if (!co_await read_chain())
        prompts_->judge();
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

// ---------------------------------------------------------------------------------------------------------- its end

/// A deletion that a browser signed is one. Everything else is the relay's word alone.
asio::awaitable<void> session_runner::heard_of_deletion(unchecked said, hearsay otherwise)
{
    const auto& record = folder_.record();
    const auto proof =
        co_await weigh_deletion(std::move(said), otherwise, record.account_id, record.session_id, devices_);
    const auto* heard = std::get_if<hearsay>(&proof);
    session_gone(
        proof, heard == nullptr ? "The session was deleted in the dashboard."
                                : "This session: " + std::string(sentence(*heard)) + ".");
}

/// The relay itself refuses. Where nothing proves what it says, nothing is destroyed for it.
void session_runner::on_link_refused(const relay_failure& reason)
{
    const auto said = hearsay_of(reason);
    if (said == hearsay::not_found && !folder_.record().session_id.empty())
        return spawn(heard_of_deletion(reason.said.object("deletion").value_or(unchecked()), *said));
    if (said == hearsay::device_revoked)
        return on_device_revoked();
    if (said == hearsay::no_access)
    {
        status_ = 1;
        return session_gone(
            *said, "This machine has no access to the account any more (" + reason.detail +
                       "). `consortium auth login` pairs it again.");
    }
    status_ = 1;
    end((reason.by_relay ? "The relay refuses: " : "The session cannot go on: ") + reason.detail);
}

/// Nothing more is said to the relay.
void session_runner::session_gone(const evidence& proof, const std::string& why)
{
    if (std::exchange(gone_, true))
        return;
    feed_.fall_silent();
    prompts_->stop();
    const auto disposed = folder_.dispose(proof, clock_.now());
    if (!disposed)
        out_.line("trouble", disposed.error().detail);
    else if (*disposed == disposal::destroy)
        out_.line("deleted", "Its keys and what was kept of it are gone from this machine.");
    else
        out_.line(
            "trash", "Its keys and what was kept of it are in the trash here for " + std::to_string(trash_days) +
                         " days. See `consortium trash`.");
    const auto* heard = std::get_if<hearsay>(&proof);
    if (heard == nullptr || *heard != hearsay::device_revoked)
        return end(why);
    // What Claude is doing was asked for while this machine belonged to the account.
    out_.line("revoked", why);
    out_.text("Claude may finish what it is doing: nothing of it leaves this machine. Ctrl-C twice ends it.");
    out_.text("The next `consortium` pairs this machine again, as a new one.");
    feed_.stop();
    asio::post(
        executor_,
        [link = link_]
        {
            if (link)
                link->stop();
        });
}

} // namespace consortium::agent
