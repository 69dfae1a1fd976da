// A running session: what is said to the dashboard, and what comes from the relay.
#include "consortium/common/base64.hpp"
#include "consortium/common/ids.hpp"
#include "consortium/e2ee/keys.hpp"
#include "consortium/e2ee/secretbox.hpp"
#include "diagnostics.hpp"
#include "first_run.hpp"
#include "json_access.hpp"
#include "session_runner.hpp"
#include <boost/json.hpp>

namespace consortium::agent
{

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

/// Said where the person is: here and in the dashboard. The work goes on: content needs no trust in the relay.
void session_runner::on_log_alarm(const log_alarm& alarm)
{
    out_.line("ALARM", std::string(sentence(alarm.what)) + " See `consortium log`.");
    tell(
        {{"type", "message"},
         {"message", std::string(sentence(alarm.what)) + " See `consortium log` on " + host_name() + "."},
         {"logAlarm", json::object{{"what", word(alarm.what)}, {"origin", alarm.origin}, {"detail", alarm.detail}}}});
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
    log_due_.notify();
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

} // namespace consortium::agent
