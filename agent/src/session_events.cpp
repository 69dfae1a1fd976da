// A running session: what is said to the dashboard, and what comes from the relay.
#include "consortium/common/base64.hpp"
#include "consortium/common/ids.hpp"
#include "consortium/common/limits.hpp"
#include "consortium/e2ee/keys.hpp"
#include "consortium/e2ee/secretbox.hpp"
#include "diagnostics.hpp"
#include "first_run.hpp"
#include "json_access.hpp"
#include "message_post.hpp"
#include "session_runner.hpp"
#include "trash.hpp"
#include <boost/asio/post.hpp>
#include <boost/json.hpp>

namespace consortium::agent
{

void session_runner::say(json::value d, const e2ee::bundle_id& id)
{
    if (gone_)
        return;
    folder_.note_said(id);
    if (const auto kept = outbox_->push(std::move(d), clock_.now(), hex_encode(id)); !kept)
    {
        out_.line("lost", kept.error().detail);
        if (kept.error() == errc::too_large)
            end("Too much waits for the relay. Run `consortium` again when it can be reached.");
    }
}

/// An event of the agent's own.
json::object session_runner::event(json::object data)
{
    return {
        {"role", "agent"},
        {"content",
         json::object{{"type", "event"}, {"id", to_string(message_id{make_uuid_v4()})}, {"data", std::move(data)}}},
        {"meta", json::object{{"sentFrom", "cli"}}}};
}

/// The id of the bundle that it becomes.
e2ee::bundle_id session_runner::tell(json::object data)
{
    const auto id = random_array<sizeof(e2ee::bundle_id)>();
    say(event(std::move(data)), id);
    return id;
}

/// Said where the person is: here and in the dashboard. The work goes on: content needs no trust in the relay.
void session_runner::on_log_alarm(const log_alarm& alarm)
{
    out_.line("ALARM", std::string(sentence(alarm.what)) + " See `consortium log`.");
    tell(
        {{"type", "message"},
         {"message", std::string(sentence(alarm.what)) + " See `consortium log` on " + host_name() + "."},
         {"logAlarm", json::object{{"what", word(alarm.what)}, {"origin", alarm.origin}, {"detail", alarm.detail}}}});
}

void session_runner::on_device_alarm(const device_alarm& alarm)
{
    out_.line("ALARM", std::string(sentence(alarm.what)) + " See `consortium auth status`.");
    tell(
        {{"type", "message"},
         {"message", std::string(sentence(alarm.what)) + " See `consortium auth status` on " + host_name() + "."},
         {"deviceAlarm", json::object{{"what", word(alarm.what)}, {"detail", alarm.detail}}}});
}

void session_runner::on_device_revoked()
{
    status_ = 1;
    session_gone(hearsay::device_revoked, "A browser of your account has revoked this machine.");
}

// ----------------------------------------------------------------------------------------------------------- fields

void session_runner::state_changed()
{
    if (state_field_)
        state_field_->changed();
}

/// Its count is on disk before it is sealed: no two of ours have the same, whatever happens.
result<std::string> session_runner::seal_state()
{
    ++folder_.record().states;
    if (const auto saved = folder_.save(); !saved)
        return std::unexpected(saved.error());
    auto plain = state_.to_json();
    plain["v"] = folder_.record().states;
    plain["held"] = gate_->held_to_json();
    const auto sealed = e2ee::bundle_seal(
        folder_.record().data_key, {who_.account_id, folder_.record().session_id, "agentState"}, random_array<16>(),
        view(json::serialize(plain)));
    if (!sealed)
        return std::unexpected(sealed.error());
    return base64_encode(*sealed);
}

/// A state at the relay that is ours by its key: ours count on from it.
void session_runner::note_state(const std::string& sealed)
{
    const auto data = base64_decode(sealed);
    const auto opened =
        data ? e2ee::bundle_open(
                   folder_.record().data_key, {who_.account_id, folder_.record().session_id, "agentState"}, *data)
             : result<e2ee::opened_bundle>(fail(errc::corrupt, ""));
    if (!opened)
        return;
    boost::system::error_code problem;
    const auto value = json::parse(json::string_view(text(opened->plain).data(), opened->plain.size()), problem);
    constexpr std::int64_t states_max = std::int64_t{1} << 53; // JavaScript's integers
    if (const auto* state = problem ? nullptr : value.if_object())
        folder_.record().states = std::max(folder_.record().states, std::min(number_at(*state, "v"), states_max));
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
    said_offline_ = false;
    spawn(read_chain_anew());
    alive_.notify();
    log_due_.notify();
    outbox_->nudge();
    state_field_->nudge();
    metadata_field_->nudge();
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
        out_.line("offline", "The relay is not reached: " + reason.detail + ". What is said waits here.");
}

void session_runner::on_caught_up(bool from_known_place)
{
    const bool another_log = follow_log(link_->log());
    if ((another_log || !from_known_place) && !fetching_)
    {
        fetching_ = true;
        spawn(fetch_messages());
    }
}

/// Reads the stored messages after the last one looked at; what comes live meanwhile waits, within its bound.
asio::awaitable<void> session_runner::fetch_messages()
{
    const auto path = messages_path(folder_.record().session_id) + "?limit=100&after_seq=";
    backoff delay;
    while (!ended_)
    {
        held_.read_again();
        const auto page = co_await relay_.get(path + std::to_string(gate_->last_seq()), "messages");
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
        const auto before = gate_->last_seq();
        for (const auto& each : page->objects("messages"))
            look_at_message(stored_message::of(each));
        if (!held_.overflown() && (!page->flag("hasMore") || gate_->last_seq() == before))
        {
            gate_->has_read_all();
            break;
        }
    }
    fetching_ = false;
    for (const auto& each : held_.take())
        look_at_message(each);
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
        if (fetching_)
            held_.add(stored_message::of(*message));
        else
            look_at_message(stored_message::of(*message));
    }
    else if (type == "device")
    {
        const auto statement = base64_decode(body.text("statement"));
        if (!statement || !devices_.learn({*statement}))
            spawn(read_chain_then_judge()); // not the next that we know of: the whole chain will say
        judge_prompts();
    }
    else if (type == "delete-session" && body.uuid("sid") == sid)
        spawn(heard_of_deletion(body, hearsay::unsigned_deletion));
    else if (type == "update-session" && body.uuid("id") == sid)
    {
        if (const auto metadata = body.object("metadata"))
            metadata_field_->seen(metadata->number("version"), metadata->text("value", limits::state_bytes_max));
        if (const auto state = body.object("agentState"))
            state_field_->seen(state->number("version"), state->text("value", limits::state_bytes_max));
    }
}

void session_runner::look_at_message(const stored_message& message)
{
    if (ended_)
        return;
    const auto news = gate_->look_at(message.content, message.seq);
    if (news.broken || !news.refused.empty())
        report(news);
    if (gate_->met_stranger())
        spawn(read_chain_then_judge());
    else
        judge_prompts();
    prompts_changed_.notify();
}

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
    outbox_->stop();
    asio::post(
        executor_,
        [link = link_]
        {
            if (link)
                link->stop();
        });
}

} // namespace consortium::agent
