#include "session/conversation_feed.hpp"
#include "base/host.hpp"
#include "base/trim_line.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/ids.hpp"
#include <boost/json.hpp>
#include <utility>

namespace consortium::agent
{
namespace json = boost::json;
namespace
{

constexpr std::size_t lines_remembered_max = 4096; // what is said twice is said twice at once

} // namespace

conversation_feed::conversation_feed(
    const asio::any_io_executor& executor, session_folder& folder, const identity& who, screen& out,
    const clock_source& clock, message_sender& sender)
    : executor_(executor), folder_(folder), who_(who), out_(out), clock_(clock), sender_(sender)
{
}

result<void> conversation_feed::open(const key256& local_key)
{
    auto waiting = spool::open(folder_.spool_file(), local_key, folder_.record().tag);
    if (!waiting)
        return std::unexpected(waiting.error());
    outbox_ = std::make_shared<outbox>(executor_, std::move(*waiting), sender_);
    outbox_->on_dropped = [this](const spool_entry&, const relay_failure& reason, bool kept)
    { say_left_out(reason, kept); };
    outbox_->on_stuck = [this](const spool_entry&, const relay_failure& reason) { say_stuck(reason); };
    outbox_->takes_others = [this](std::chrono::steady_clock::time_point since)
    { return takes_others && takes_others(since); };
    outbox_->on_no_room = [this](const relay_failure& reason)
    {
        out_.line(
            "waits",
            "What is said is kept on this machine, encrypted, until the relay has room for it: " + reason.detail);
    };
    outbox_->on_refused = [this](const relay_failure& reason)
    {
        if (on_refused)
            on_refused(reason);
    };
    return {};
}

void conversation_feed::say(json::value d, const e2ee::bundle_id& id)
{
    if (silent_)
        return;
    folder_.note_said(id);
    if (const auto kept = outbox_->push(std::move(d), clock_.now(), hex_encode(id)); !kept)
    {
        folder_.unsay(id);
        ++lost_;
        if (!std::exchange(loss_said_, true))
            out_.line("lost", "What is said cannot be kept, and is not sent: " + kept.error().detail);
        if (kept.error() == errc::too_large && on_full)
            on_full();
        return;
    }
    loss_said_ = false;
    if (const auto lost = std::exchange(lost_, 0); lost > 0)
        tell_words(
            "Before this, " + std::to_string(lost) + (lost == 1 ? " message" : " messages") +
            " could not be written down on " + host_name() + " and are lost.");
}

bool conversation_feed::relay(json::object line, const std::string& id, const std::string& block)
{
    if (!id.empty() && !is_new(id))
        return false;
    json::object meta{{"sentFrom", "cli"}};
    if (!block.empty())
        meta["block"] = block;
    trim_line(line);
    say(json::object{
        {"role", "agent"},
        {"content", json::object{{"type", "output"}, {"data", std::move(line)}}},
        {"meta", std::move(meta)}});
    return true;
}

bool conversation_feed::is_new(const std::string& line_id)
{
    if (!lines_.insert(line_id).second)
        return false;
    lines_in_order_.push_back(line_id);
    if (lines_in_order_.size() > lines_remembered_max)
    {
        lines_.erase(lines_in_order_.front());
        lines_in_order_.pop_front();
    }
    return true;
}

json::object conversation_feed::event(json::object data)
{
    return {
        {"role", "agent"},
        {"content",
         json::object{{"type", "event"}, {"id", to_string(message_id{make_uuid_v4()})}, {"data", std::move(data)}}},
        {"meta", json::object{{"sentFrom", "cli"}}}};
}

e2ee::bundle_id conversation_feed::tell(json::object data)
{
    const auto id = random_array<sizeof(e2ee::bundle_id)>();
    say(event(std::move(data)), id);
    return id;
}

result<void> conversation_feed::begin_sealing()
{
    return outbox_->seal_with(
        [this](spool_entry& entry) { return seal(entry); },
        [this](bool kept)
        {
            // Readers must not miss what was never kept.
            if (kept)
                chain_ = next_chain_;
            else
                next_chain_ = chain_;
        });
}

result<std::string> conversation_feed::seal(spool_entry& entry)
{
    const auto raw = hex_decode(entry.local_id);
    if (!raw || raw->size() != sizeof(e2ee::bundle_id))
        return fail(errc::corrupt, "a spooled message without a proper id");
    const auto id = to_array<sizeof(e2ee::bundle_id)>(*raw);
    const auto words = next_chain_.next(id, entry.at, entry.d);
    const auto& record = folder_.record();
    const auto bundle = e2ee::bundle_seal(
        record.data_key, {who_.account_id, record.session_id, "message"}, id, view(e2ee::envelope_text(words)));
    if (!bundle)
        return std::unexpected(bundle.error());
    return base64_encode(*bundle);
}

void conversation_feed::stop()
{
    if (outbox_)
        outbox_->stop();
}

/// The relay takes all but one message: the person learns of that one at both ends.
void conversation_feed::say_left_out(const relay_failure& reason, bool kept)
{
    const auto words =
        "The relay does not take one message of this session: " + reason.detail + ". " +
        (kept ? "It is kept on this machine (" + spool::file_aside(folder_.spool_file()).string() + ") and not sent."
              : "It is lost.");
    out_.line(kept ? "aside" : "lost", words);
    tell_words(words);
}

void conversation_feed::say_stuck(const relay_failure& reason)
{
    out_.line(
        "waits",
        reason.size_refused
            ? "One message is too large on its way and is tried again: " + reason.detail
            : "The relay fails on one message, and what is behind it waits. It is tried again: " + reason.detail);
    if (on_stuck)
        on_stuck();
}

} // namespace consortium::agent
