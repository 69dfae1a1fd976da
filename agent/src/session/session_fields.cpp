#include "session/session_fields.hpp"
#include "base/agent_limits.hpp"
#include "base/json_access.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/limits.hpp"
#include "consortium/e2ee/keys.hpp"
#include "consortium/e2ee/secretbox.hpp"
#include "consortium/protocol/foreign_json.hpp"
#include "storage/disposal.hpp"
#include <algorithm>
#include <boost/json.hpp>
#include <utility>

namespace consortium::agent
{
namespace json = boost::json;

session_fields::session_fields(
    const asio::any_io_executor& executor, session_folder& folder, const identity& who, conversation_feed& feed,
    screen& out, json::object description, std::function<json::object()> state)
    : executor_(executor),
      folder_(folder),
      who_(who),
      feed_(feed),
      out_(out),
      words_(std::move(description)),
      current_state_(std::move(state))
{
}

void session_fields::describe(std::string_view name, json::value value)
{
    words_[name] = std::move(value);
    if (description_)
        description_->changed();
}

void session_fields::state_changed()
{
    if (state_)
        state_->changed();
}

std::int64_t session_fields::state_count() const
{
    return folder_.record().states + (state_ && state_->unsealed() ? 1 : 0);
}

void session_fields::begin(const unchecked& known, bool takes_over, const field_publisher::asker& ask)
{
    const auto noted = [this, ask](std::string event, json::object value) -> asio::awaitable<relay_answer<unchecked>>
    {
        auto answer = co_await ask(std::move(event), std::move(value));
        if (answer && answer->text("result") == "success")
            taken_ = std::chrono::steady_clock::now();
        co_return answer;
    };
    const auto id = folder_.record().session_id;
    description_ = std::make_shared<field_publisher>(
        executor_,
        field_publisher::options{
            "update-metadata", "metadata", id, known.number("metadataVersion"), [this](std::int64_t after)
            { return seal_description(after); }, [this](const std::string& sealed) { merge_description(sealed); },
            [this](const relay_failure& reason) { say_refused("the description", reason); },
            [this] { was_taken("the description"); }},
        noted);
    state_ = std::make_shared<field_publisher>(
        executor_,
        field_publisher::options{
            "update-state", "agentState", id, known.number("agentStateVersion"),
            [this](std::int64_t) { return seal_state(); }, [this](const std::string& sealed) { note_state(sealed); },
            [this](const relay_failure& reason) { say_refused("the state", reason); },
            [this] { was_taken("the state"); }},
        noted);
    note_state(known.text("agentState", limits::state_bytes_max));
    if (takes_over)
        merge_description(known.text("metadata", limits::state_bytes_max));
    state_->changed();
    if (takes_over)
        description_->changed();
}

void session_fields::seen(const unchecked& update)
{
    if (!begun())
        return;
    if (const auto description = update.object("metadata"))
        description_->seen(description->number("version"), description->text("value", limits::state_bytes_max));
    if (const auto state = update.object("agentState"))
        state_->seen(state->number("version"), state->text("value", limits::state_bytes_max));
}

void session_fields::nudge()
{
    for (const auto& each : {state_, description_})
    {
        if (each)
            each->nudge();
    }
}

void session_fields::start_over()
{
    for (const auto& each : {state_, description_})
    {
        if (each)
            each->start_over();
    }
}

void session_fields::stop()
{
    for (const auto& each : {state_, description_})
    {
        if (each)
            each->stop();
    }
}

void session_fields::say_all()
{
    for (const auto& each : {description_, state_})
    {
        if (each)
            each->changed();
    }
}

asio::awaitable<void> session_fields::settled(std::chrono::milliseconds limit)
{
    if (state_)
        (void)co_await state_->settled(limit);
    if (description_)
        (void)co_await description_->settled(limit);
}

/// Its count is on disk before it is sealed: no two of ours have the same, whatever happens.
result<std::string> session_fields::seal_state()
{
    auto& record = folder_.record();
    ++record.states;
    if (const auto saved = folder_.save(); !saved)
        return std::unexpected(saved.error());
    auto plain = current_state_();
    plain["v"] = record.states;
    const auto sealed = e2ee::bundle_seal(
        record.data_key, {who_.account_id, record.session_id, "agentState"}, random_array<16>(),
        view(json::serialize(plain)));
    if (!sealed)
        return std::unexpected(sealed.error());
    return base64_encode(*sealed);
}

/// A state at the relay that is ours by its key: ours count on from it.
void session_fields::note_state(const std::string& sealed)
{
    auto& record = folder_.record();
    const auto data = base64_decode(sealed);
    const auto opened =
        data ? e2ee::bundle_open(record.data_key, {who_.account_id, record.session_id, "agentState"}, *data)
             : result<e2ee::opened_bundle>(fail(errc::corrupt, ""));
    if (!opened)
        return;
    constexpr std::int64_t states_max = std::int64_t{1} << 53; // JavaScript's integers
    if (const auto state = protocol::read_foreign_object(text(opened->plain), protocol::stored_depth_max))
        record.states = std::max(record.states, std::min(number_at(*state, "v"), states_max));
}

result<std::string> session_fields::seal_description(std::int64_t after) const
{
    auto plain = words_;
    plain["after"] = after;
    const auto key = e2ee::session_metadata_key(folder_.record().data_key);
    return base64_encode(e2ee::metadata_seal(key, view(json::serialize(plain))));
}

result<bytes> session_fields::open_description(const std::string& sealed) const
{
    const auto& data_key = folder_.record().data_key;
    const auto data = base64_decode(sealed);
    if (!data)
        return std::unexpected(data.error());
    return e2ee::metadata_open(e2ee::session_metadata_key(data_key), data_key, *data);
}

/// Somebody else wrote it: a name given in the dashboard, fields of a newer version. Ours stay ours.
void session_fields::merge_description(const std::string& sealed)
{
    const auto plain = open_description(sealed);
    if (!plain)
        return;
    const auto theirs = protocol::read_foreign_object(text(*plain));
    if (!theirs)
        return;
    auto size = json::serialize(words_).size();
    for (const auto& [name, each] : *theirs)
    {
        if (words_.contains(name) && name != "name")
            continue;
        const auto more = name.size() + json::serialize(each).size();
        if (size + more > limits::metadata_bytes_max)
            continue; // ours must fit beside it
        size += more;
        words_[name] = each;
    }
    if (text_at(*theirs, "lifecycleState") == "archiveRequested")
        on_end_wanted();
}

/// What the relay will never take is not offered again until it changes. Said once, here and in the session, and kept
/// for `consortium auth status`.
void session_fields::say_refused(const std::string& what, const relay_failure& reason)
{
    if (reason.by_relay && hearsay_of(reason))
        return on_refused(reason);
    if (!refused_.insert(what).second)
        return;
    const auto words = (reason.by_relay ? "The relay does not take " : "It was not possible to seal ") + what +
                       " of this session: " + reason.detail +
                       ". What the dashboard shows of it is old until this changes.";
    out_.line("refused", words);
    feed_.tell_words(words);
    folder_.record().refused = words;
    save_record();
}

void session_fields::was_taken(const std::string& what)
{
    if (refused_.erase(what) == 0 || !refused_.empty())
        return;
    folder_.record().refused.clear();
    save_record();
}

void session_fields::save_record()
{
    if (const auto saved = folder_.save(); !saved)
        out_.line("trouble", saved.error().detail);
}

} // namespace consortium::agent
