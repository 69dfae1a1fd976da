#include "session/prompt_gate.hpp"
#include "base/json_access.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/hash.hpp"
#include "consortium/common/ids.hpp"
#include "consortium/common/limits.hpp"
#include <algorithm>
#include <boost/json.hpp>
#include <functional>
#include <utility>

namespace consortium::agent
{
namespace json = boost::json;
namespace
{

/// The bundle's id in the form of a version 4 UUID.
std::string uuid_of(e2ee::bundle_id id)
{
    id[6] = static_cast<std::uint8_t>((id[6] & 0x0f) | 0x40);
    id[8] = static_cast<std::uint8_t>((id[8] & 0x3f) | 0x80);
    return to_string(message_id{id});
}
std::string uuid_of(const std::string& id)
{
    const auto raw = base64_decode(id);
    return raw && raw->size() == sizeof(e2ee::bundle_id) ? uuid_of(to_array<sizeof(e2ee::bundle_id)>(*raw))
                                                         : std::string();
}

prompt_hold note_of(const held_prompt& held)
{
    return {held.prompt.id, held.prompt.from, held.prompt.n, held.why};
}

/// Where it is in a list of prompts, by what leads from an entry to its prompt.
template <class List, class ToPrompt>
auto find_prompt(List& list, const std::string& id, ToPrompt to_prompt)
{
    return std::ranges::find_if(list, [&](const auto& each) { return std::invoke(to_prompt, each).id == id; });
}

bool was_taken_back(const prompt_progress& progress, const std::string& id)
{
    return std::ranges::any_of(progress.taken_back, [&](const taken_back_prompt& each) { return each.id == id; });
}

std::string hash_of(const std::string& bundle)
{
    return base64_encode(sha256({view(bundle)}));
}

void stand_at(prompt_progress& progress, const std::string& bundle, std::int64_t seq)
{
    progress.last_seq = seq;
    progress.last_hash = hash_of(bundle);
}

void stand_at_beginning(prompt_progress& progress)
{
    progress.last_seq = 0;
    progress.last_hash.clear();
    progress.reading_anew = true;
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
    if (const auto* meta = object_at(*object, "meta"))
    {
        out.mode = text_at(*meta, "permissionMode");
        out.model = text_at(*meta, "model");
    }
    return out;
}

std::set<std::string> uuids_in_hand(const session_folder& folder)
{
    std::set<std::string> out;
    for (const auto& each : folder.prompts().in_hand)
        out.insert(uuid_of(each.prompt.id));
    return out;
}

prompt_gate::prompt_gate(
    session_folder& folder, account_id account, const device_directory& devices, const clock_source& clock,
    const boot_clock& spans)
    : folder_(folder), account_(account), devices_(devices), clock_(clock), spans_(spans)
{
}

e2ee::bundle_place prompt_gate::place(std::string kind) const
{
    return {to_string(account_), folder_.record().session_id, std::move(kind)};
}

bool prompt_gate::save(prompt_progress changed)
{
    std::swap(folder_.prompts(), changed);
    if (folder_.save_prompts())
        return true;
    std::swap(folder_.prompts(), changed);
    return false;
}

gate_news prompt_gate::refuse(std::string id, std::string reason) const
{
    gate_news out;
    out.refused.push_back({std::move(id), std::move(reason)});
    return out;
}

/// Authentic in this session and signed for it; errc::corrupt: not that, errc::bad_request: that, but no prompt.
result<prompt_gate::opened_prompt> prompt_gate::open(const std::string& bundle) const
{
    const auto data = base64_decode(bundle);
    if (!data)
        return fail(errc::corrupt, "not base64");
    const auto opened = e2ee::bundle_open(folder_.record().data_key, place("prompt"), *data);
    if (!opened)
        return std::unexpected(opened.error());
    const auto act = e2ee::act_parse(opened->plain);
    if (!act)
        return std::unexpected(act.error());
    if (!e2ee::verify_act({account_, folder_.record().session_id, "prompt", opened->id}, *act))
        return fail(errc::corrupt, "the signature of a prompt is wrong");
    if (auto words = e2ee::prompt_parse(act->text))
        return opened_prompt{opened->id, act->device, std::move(*words)};
    // Those behind it in its sender's chain must not wait for it: it has come, and holds nothing that could run.
    if (auto place = e2ee::place_in_chain(act->text))
        return opened_prompt{opened->id, act->device, {std::move(*place), std::nullopt, 0}};
    return fail(errc::bad_request, "a prompt of unknown form");
}

/// Of what was let in, so it opens.
prompt prompt_gate::read(const kept_prompt& kept) const
{
    const auto opened = open(kept.bundle);
    auto out = opened ? read_prompt(opened->words.said.d, opened->id) : std::nullopt;
    return out.value_or(prompt{});
}

gate_news prompt_gate::look_at(const std::string& bundle, std::int64_t seq)
{
    if (seq <= folder_.prompts().last_seq)
        return {};
    auto opened = open(bundle);
    if (opened)
        return take(std::move(*opened), bundle, seq);
    auto changed = folder_.prompts();
    stand_at(changed, bundle, seq);
    const auto data = base64_decode(bundle);
    if (data && e2ee::bundle_open(folder_.record().data_key, place("message"), *data))
    {
        stand_at(folder_.prompts(), bundle, seq);
        return {}; // somebody's message, ours or not: nothing to act on
    }
    const bool known = changed.reading_anew;
    (void)save(std::move(changed)); // so that it is not reported again; acting does not depend on it
    if (known)
        return {};
    const auto claimed = data ? e2ee::bundle_claimed_id(*data) : result<e2ee::bundle_id>(fail(errc::corrupt, ""));
    return refuse(
        claimed ? base64_encode(*claimed) : "", opened.error() == errc::bad_request ? "malformed" : "unauthentic");
}

gate_news prompt_gate::take(opened_prompt said, const std::string& bundle, std::int64_t seq)
{
    auto changed = folder_.prompts();
    stand_at(changed, bundle, seq);
    const auto& words = said.words.said;
    kept_prompt kept{base64_encode(said.id), words.from, words.n, bundle, now()};
    const auto id = kept.id;
    const auto verdict = changed.senders.judge(words);
    if (verdict == e2ee::chain_verdict::replay)
    {
        const bool taken_back = was_taken_back(changed, id);
        const bool known = changed.reading_anew;
        (void)save(std::move(changed));
        if (taken_back)
            return refuse(id, "taken back");
        return known ? gate_news() : refuse(id, "replay");
    }
    if (verdict == e2ee::chain_verdict::broken)
    {
        const auto seen = changed.senders.position(words.from);
        auto out = refuse(id, "bad chain");
        out.broken =
            history_break{words.from, base64_encode(seen.id), base64_encode(words.prev.value_or(e2ee::bundle_id{}))};
        (void)save(std::move(changed));
        return out;
    }
    const bool full = changed.come.size() + changed.early.size() >= limits::prompts_held_max ||
                      changed.kept_bytes() + bundle.size() > limits::prompts_kept_bytes_max;
    if (verdict == e2ee::chain_verdict::gap)
    {
        const auto seen = changed.senders.position(words.from);
        auto out = refuse(id, full ? "full" : "gap");
        out.broken = history_break{words.from, std::to_string(seen.n + 1), std::to_string(words.n)};
        if (!full && find_prompt(changed.early, id, std::identity()) == changed.early.end())
            changed.early.push_back(std::move(kept));
        (void)save(std::move(changed));
        return out;
    }
    changed.senders.accept(words, said.id);
    const bool is_prompt = read_prompt(words.d, said.id).has_value();
    if (is_prompt && !full)
        changed.come.push_back(std::move(kept));
    take_what_follows(changed, words.from);
    if (!save(std::move(changed)))
        return refuse(id, "storage"); // not on disk: it could be made to run twice
    if (is_prompt && !full)
        return {};
    return refuse(id, full ? "full" : "malformed");
}

/// What came too early, or was taken back before it came, may follow now.
void prompt_gate::take_what_follows(prompt_progress& progress, const std::string& from) const
{
    for (;;)
    {
        const auto next = progress.senders.position(from).n + 1;
        const auto is_next = [&](const auto& each) { return each.from == from && each.n == next; };
        if (const auto gone = std::ranges::find_if(progress.taken_back, is_next); gone != progress.taken_back.end())
        {
            const auto id = base64_decode(gone->id);
            e2ee::envelope words;
            words.from = from;
            words.n = next;
            progress.senders.accept(words, to_array<sizeof(e2ee::bundle_id)>(*id));
            continue;
        }
        const auto early = std::ranges::find_if(progress.early, is_next);
        if (early == progress.early.end())
            return;
        auto kept = std::move(*early);
        progress.early.erase(early);
        const auto opened = open(kept.bundle);
        if (!opened || progress.senders.judge(opened->words.said) != e2ee::chain_verdict::next)
            continue;
        progress.senders.accept(opened->words.said, opened->id);
        kept.came = now();
        if (read_prompt(opened->words.said.d, opened->id))
            progress.come.push_back(std::move(kept));
    }
}

prompt_writer prompt_gate::writer_of(const ed25519_public& device) const
{
    const auto known = devices_.find(device);
    if (!known)
        return prompt_writer::unknown;
    return known->kind == device_kind::browser && !known->revoked ? prompt_writer::browser : prompt_writer::other;
}

/// The bundle that says so, or a later one of ours.
bool prompt_gate::saw_end(const std::optional<e2ee::bundle_id>& seen) const
{
    const auto& end = folder_.prompts().end;
    if (!end || !seen)
        return !end;
    if (*seen == end->id)
        return true;
    const auto& said = folder_.said();
    const auto at = std::find(said.rbegin(), said.rend(), end->id);
    return at != said.rend() && std::find(said.rbegin(), at, *seen) != at;
}

bool prompt_gate::waits(const prompt_progress& progress, const std::string& from) const
{
    return std::ranges::any_of(
        progress.held,
        [&](const held_prompt& each) { return each.prompt.from == from && makes_others_wait(each.why); });
}

/// Whoever waited behind it is judged with the time of now: it was not the relay that made it wait.
void prompt_gate::let_others_go(prompt_progress& progress, const held_prompt& decided) const
{
    if (!makes_others_wait(decided.why))
        return;
    for (auto& each : progress.come)
    {
        if (each.from == decided.prompt.from)
            each.came = now();
    }
}

bool prompt_gate::met_stranger() const
{
    const auto& progress = folder_.prompts();
    return std::ranges::any_of(
        progress.come,
        [&](const kept_prompt& each)
        {
            const auto opened =
                waits(progress, each.from) ? result<opened_prompt>(fail(errc::conflict, "")) : open(each.bundle);
            return opened && writer_of(opened->device) == prompt_writer::unknown;
        });
}

gate_news prompt_gate::judge()
{
    auto changed = folder_.prompts();
    gate_news out;
    bool news = false;
    const auto hold = [&](kept_prompt kept, hold_reason why)
    {
        if (changed.held.size() >= limits::prompts_held_max)
        {
            out.refused.push_back({kept.id, "full"});
            return;
        }
        changed.held.push_back({std::move(kept), why});
        out.held.push_back(note_of(changed.held.back()));
    };

    // Accepted, but its device was revoked before Claude had it.
    for (auto each = changed.in_hand.begin(); each != changed.in_hand.end();)
    {
        const auto opened = open(each->prompt.bundle);
        if (each->late || given_.has(uuid_of(each->prompt.id)) ||
            (opened && writer_of(opened->device) == prompt_writer::browser))
        {
            ++each;
            continue;
        }
        auto kept = std::move(each->prompt);
        each = changed.in_hand.erase(each);
        hold(std::move(kept), hold_reason::device);
        news = true;
    }
    // Held for its device, which the chain names by now: judged anew, as of now.
    std::deque<kept_prompt> named;
    for (auto each = changed.held.begin(); each != changed.held.end();)
    {
        const auto opened = each->why == hold_reason::device ? open(each->prompt.bundle)
                                                             : result<opened_prompt>(fail(errc::corrupt, ""));
        if (!opened || writer_of(opened->device) != prompt_writer::browser)
        {
            ++each;
            continue;
        }
        let_others_go(changed, *each);
        each->prompt.came = now();
        named.push_back(std::move(each->prompt));
        each = changed.held.erase(each);
        news = true;
    }
    changed.come.insert(changed.come.begin(), named.begin(), named.end()); // before what waited behind them

    for (auto each = changed.come.begin(); each != changed.come.end();)
    {
        if (waits(changed, each->from))
        {
            ++each;
            continue;
        }
        news = true;
        auto kept = std::move(*each);
        each = changed.come.erase(each);
        const auto opened = open(kept.bundle);
        if (!opened)
            continue;
        const auto verdict = judge_prompt(
            {writer_of(opened->device), opened->words.until, saw_end(opened->words.seen), kept.came}, changed.end);
        if (verdict.refused)
            out.refused.push_back({kept.id, "device"});
        else if (verdict.held)
            hold(std::move(kept), *verdict.held);
        else
            changed.in_hand.push_back({std::move(kept), false});
    }
    if (news && !save(std::move(changed)))
        return {}; // judged again next time
    return out;
}

std::optional<prompt> prompt_gate::first_to_run() const
{
    for (const auto& each : folder_.prompts().in_hand)
    {
        if (given_.has(uuid_of(each.prompt.id)))
            continue;
        auto out = read(each.prompt);
        if (out.id.empty())
            continue;
        if (each.late)
        {
            out.unheeded_mode = std::exchange(out.mode, {});
            out.model.clear();
        }
        return out;
    }
    return std::nullopt;
}

bool prompt_gate::hand_over(const std::string& uuid)
{
    if (!uuids_in_hand(folder_).contains(uuid))
        return false;
    given_.give(uuid);
    return true;
}

void prompt_gate::done(const std::string& uuid)
{
    given_.heard(uuid, prompt_step::done);
    auto changed = folder_.prompts();
    const auto count =
        std::erase_if(changed.in_hand, [&](const accepted_prompt& each) { return uuid_of(each.prompt.id) == uuid; });
    if (count > 0)
        (void)save(std::move(changed)); // handing it over again would be harmless
}

result<gate_news> prompt_gate::decide(const std::string& id, bool run)
{
    auto changed = folder_.prompts();
    const auto found = find_prompt(changed.held, id, &held_prompt::prompt);
    if (found == changed.held.end())
        return fail(errc::not_found, "This prompt is not held.");
    auto decided = std::move(*found);
    changed.held.erase(found);
    let_others_go(changed, decided);
    gate_news out;
    if (run)
        changed.in_hand.push_back({std::move(decided.prompt), true});
    else
        out.refused.push_back({id, "not wanted"});
    if (!save(std::move(changed)))
        return fail(errc::io, "The decision could not be written down.");
    return out;
}

result<void> prompt_gate::take_back(const std::string& id, const std::string& from, std::uint64_t n)
{
    auto changed = folder_.prompts();
    const auto raw = base64_decode(id);
    if (!raw || raw->size() != sizeof(e2ee::bundle_id) || from.empty() || n == 0)
        return fail(errc::bad_request, "A prompt is named by `id`, `from` and `n`.");
    if (was_taken_back(changed, id))
        return {};

    bool found = false;
    if (const auto held = find_prompt(changed.held, id, &held_prompt::prompt); held != changed.held.end())
    {
        found = true;
        const auto decided = std::move(*held);
        changed.held.erase(held);
        let_others_go(changed, decided);
    }
    found |= std::erase_if(changed.come, [&](const kept_prompt& each) { return each.id == id; }) > 0;
    found |= std::erase_if(
                 changed.in_hand,
                 [&](const accepted_prompt& each) { return each.prompt.id == id && !given_.has(uuid_of(id)); }) > 0;
    std::erase_if(changed.early, [&](const kept_prompt& each) { return each.id == id; }); // its number is to come yet
    if (!found && n <= changed.senders.position(from).n)
        return fail(errc::conflict, "Too late: Claude has it.");

    const auto passed = [&](const taken_back_prompt& each) { return each.n <= changed.senders.position(each.from).n; };
    if (changed.taken_back.size() >= limits::prompts_held_max)
    {
        const auto oldest = std::ranges::find_if(changed.taken_back, passed);
        if (oldest == changed.taken_back.end())
            return fail(errc::overloaded, "Too many prompts that never came were taken back.");
        changed.taken_back.erase(oldest);
    }
    changed.taken_back.push_back({id, from, n});
    take_what_follows(changed, from);
    if (!save(std::move(changed)))
        return fail(errc::io, "This could not be written down.");
    return {};
}

result<prompt_gate::stopped> prompt_gate::stop(bool running)
{
    auto changed = folder_.prompts();
    stopped out;
    for (auto& each : std::exchange(changed.in_hand, {}))
    {
        if (given_.has_begun(uuid_of(each.prompt.id)))
            continue;
        if (changed.held.size() >= limits::prompts_held_max)
        {
            out.news.refused.push_back({each.prompt.id, "full"});
            continue;
        }
        changed.held.push_back({std::move(each.prompt), hold_reason::stopped});
        out.news.held.push_back(note_of(changed.held.back()));
    }
    if (running)
        changed.end = turn_end{random_array<sizeof(e2ee::bundle_id)>(), spans_.now(), /*stopped=*/true, false};
    if (changed.end)
        out.end = changed.end->id;
    if (!save(std::move(changed)))
        return fail(errc::io, "That the turn is stopped could not be written down.");
    given_.let_go();
    return out;
}

void prompt_gate::was_begun(const std::string& uuid)
{
    auto changed = folder_.prompts();
    std::erase_if(changed.held, [&](const held_prompt& each) { return uuid_of(each.prompt.id) == uuid; });
    (void)save(std::move(changed)); // it would be shown as held, and known to Claude if a person lets it run
}

e2ee::bundle_id prompt_gate::end_turn()
{
    auto& progress = folder_.prompts();
    if (!progress.end || progress.end->said)
    {
        auto changed = progress;
        changed.end = turn_end{random_array<sizeof(e2ee::bundle_id)>(), spans_.now(), false, false};
        const auto id = changed.end->id;
        if (!save(std::move(changed)))
            return id; // the disk is full: prompts go by the end before
    }
    return progress.end->id;
}

void prompt_gate::end_said()
{
    auto changed = folder_.prompts();
    if (!changed.end || changed.end->said)
        return;
    changed.end->said = true;
    if (save(std::move(changed)))
        folder_.forget_said_before(folder_.prompts().end->id);
}

bool prompt_gate::reads_log(const std::string& log)
{
    if (folder_.prompts().log == log)
        return false;
    auto changed = folder_.prompts();
    const bool another = !changed.log.empty();
    changed.log = log;
    if (another)
        stand_at_beginning(changed);
    (void)save(std::move(changed)); // noticed again after a crash
    return another;
}

bool prompt_gate::remembers(const std::string& bundle, std::int64_t seq) const
{
    const auto& progress = folder_.prompts();
    return seq == progress.last_seq && (progress.last_hash.empty() || progress.last_hash == hash_of(bundle));
}

void prompt_gate::reads_anew()
{
    auto changed = folder_.prompts();
    stand_at_beginning(changed);
    (void)save(std::move(changed)); // noticed again after a crash
}

void prompt_gate::has_read_all()
{
    if (!folder_.prompts().reading_anew)
        return;
    auto changed = folder_.prompts();
    changed.reading_anew = false;
    (void)save(std::move(changed));
}

json::array prompt_gate::held_to_json() const
{
    json::array out;
    for (const auto& each : folder_.prompts().held)
        out.push_back(json::object{
            {"id", each.prompt.id},
            {"from", each.prompt.from},
            {"n", each.prompt.n},
            {"why", word(each.why)},
            {"came", each.prompt.came.time}});
    return out;
}

} // namespace consortium::agent
