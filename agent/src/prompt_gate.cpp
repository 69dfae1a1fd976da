#include "prompt_gate.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/ids.hpp"
#include "json_access.hpp"
#include <algorithm>
#include <boost/json.hpp>

namespace consortium::agent
{
namespace json = boost::json;
namespace
{

constexpr std::size_t held_max = 64;

/// The bundle's id in the form of a version 4 UUID.
std::string uuid_of(e2ee::bundle_id id)
{
    id[6] = static_cast<std::uint8_t>((id[6] & 0x0f) | 0x40);
    id[8] = static_cast<std::uint8_t>((id[8] & 0x3f) | 0x80);
    return to_string(message_id{id});
}

} // namespace

std::optional<prompt> read_prompt(const json::value& d, const e2ee::bundle_id& id)
{
    const auto* object = d.if_object();
    if (object == nullptr || text_at(*object, "role") != "user")
        return std::nullopt;
    const auto* content = object_at(*object, "content");
    if (content == nullptr || text_at(*content, "type") != "text")
        return std::nullopt;
    prompt out;
    out.id = base64_encode(id);
    out.uuid = uuid_of(id);
    out.text = text_at(*content, "text");
    if (out.text.empty())
        return std::nullopt;
    out.content = json::string(out.text);
    if (const auto* meta = object_at(*object, "meta"))
    {
        out.mode = text_at(*meta, "permissionMode");
        out.model = text_at(*meta, "model");
    }
    return out;
}

prompt_gate::prompt_gate(session_folder& folder, const key256& key, std::string account, std::string session)
    : folder_(folder),
      key_(key),
      prompt_place_{account, session, "prompt"},
      message_place_{std::move(account), std::move(session), "message"}
{
}

gate_outcome prompt_gate::refuse(std::string id, std::string reason)
{
    gate_outcome out;
    out.refused = prompt_refusal{std::move(id), std::move(reason)};
    return out;
}

gate_outcome prompt_gate::look_at(const std::string& bundle, std::int64_t seq)
{
    auto& progress = folder_.prompts();
    if (seq <= progress.last_seq)
        return {};
    const auto data = base64_decode(bundle);
    const auto opened = data ? e2ee::bundle_open(key_, prompt_place_, *data)
                             : result<e2ee::opened_bundle>(fail(errc::corrupt, "not base64"));
    if (!opened)
    {
        progress.last_seq = seq;
        if (data && e2ee::bundle_open(key_, message_place_, *data))
            return {}; // somebody's message, ours or not: nothing to act on
        const auto claimed = data ? e2ee::bundle_claimed_id(*data) : result<e2ee::bundle_id>(fail(errc::corrupt, ""));
        (void)folder_.save_prompts(); // so that it is not reported again; acting does not depend on it
        return refuse(claimed ? base64_encode(*claimed) : "", "unauthentic");
    }
    const auto id = base64_encode(opened->id);
    auto words = e2ee::envelope_parse(opened->plain);
    const auto before = progress.last_seq;
    progress.last_seq = seq;
    if (!words)
        return refuse(id, "malformed");

    const auto verdict = progress.senders.judge(*words);
    held said{std::move(*words), opened->id, bundle};
    if (verdict != e2ee::chain_verdict::next)
    {
        (void)folder_.save_prompts();
        if (verdict == e2ee::chain_verdict::replay)
            return refuse(id, "replay");
        const auto seen = progress.senders.position(said.words.from);
        if (verdict == e2ee::chain_verdict::broken)
        {
            auto outcome = refuse(id, "bad chain");
            outcome.broken = history_break{
                said.words.from, base64_encode(seen.id), base64_encode(said.words.prev.value_or(e2ee::bundle_id{}))};
            return outcome;
        }
        auto outcome = refuse(id, "gap");
        outcome.broken = history_break{said.words.from, std::to_string(seen.n + 1), std::to_string(said.words.n)};
        if (waiting_.size() < held_max)
            waiting_.insert_or_assign({said.words.from, said.words.n}, std::move(said));
        return outcome;
    }
    gate_outcome outcome;
    if (!accept(said, outcome))
    {
        progress.last_seq = before;
        return outcome;
    }
    // What came too early and waited may follow now.
    for (;;)
    {
        const auto next = waiting_.find({said.words.from, progress.senders.position(said.words.from).n + 1});
        if (next == waiting_.end())
            break;
        const auto early = std::move(next->second);
        waiting_.erase(next);
        if (progress.senders.judge(early.words) != e2ee::chain_verdict::next || !accept(early, outcome))
            break;
    }
    return outcome;
}

bool prompt_gate::accept(const held& said, gate_outcome& outcome)
{
    auto& progress = folder_.prompts();
    const auto id = base64_encode(said.id);
    auto read = read_prompt(said.words.d, said.id);
    const auto before = progress.senders;
    progress.senders.accept(said.words, said.id);
    if (read)
        progress.in_hand.push_back(said.bundle);
    if (const auto saved = folder_.save_prompts(); !saved)
    {
        // Not on disk: it could be made to run twice.
        progress.senders = before;
        if (read)
            progress.in_hand.pop_back();
        outcome.refused = prompt_refusal{id, "storage"};
        return false;
    }
    if (!read)
    {
        outcome.refused = prompt_refusal{id, "malformed"};
        return true;
    }
    in_hand_[read->uuid] = said.bundle;
    outcome.accepted.push_back(std::move(*read));
    return true;
}

void prompt_gate::done(const std::string& uuid)
{
    const auto found = in_hand_.find(uuid);
    if (found == in_hand_.end())
        return;
    auto& list = folder_.prompts().in_hand;
    std::erase(list, found->second);
    in_hand_.erase(found);
    (void)folder_.save_prompts(); // handing it over again would be harmless
}

std::vector<prompt> prompt_gate::left_in_hand()
{
    std::vector<prompt> out;
    for (const auto& bundle : folder_.prompts().in_hand)
    {
        const auto data = base64_decode(bundle);
        const auto opened =
            data ? e2ee::bundle_open(key_, prompt_place_, *data) : result<e2ee::opened_bundle>(fail(errc::corrupt, ""));
        if (!opened)
            continue;
        const auto words = e2ee::envelope_parse(opened->plain);
        auto read = words ? read_prompt(words->d, opened->id) : std::nullopt;
        if (!read)
            continue;
        in_hand_[read->uuid] = bundle;
        out.push_back(std::move(*read));
    }
    return out;
}

} // namespace consortium::agent
