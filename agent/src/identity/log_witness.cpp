#include "identity/log_witness.hpp"
#include "base/json_access.hpp"
#include "consortium/common/base64.hpp"
#include <algorithm>
#include <array>
#include <boost/json.hpp>

namespace consortium::agent
{
namespace json = boost::json;
namespace v1 = protocol::v1;
namespace
{

constexpr std::int64_t format = 1;
constexpr std::uint16_t message_type = 4; // docs/log-format.md, "Records"

struct finding_words
{
    log_finding what;
    std::string_view word;
    std::string_view sentence;
};
constexpr std::array findings{
    finding_words{
        log_finding::new_log, "new-log", "The relay has a new log. What it showed before cannot be held against it."},
    finding_words{log_finding::other_key, "other-key", "The relay signs the same log with another key."},
    finding_words{
        log_finding::bad_signature, "bad-signature", "The relay showed a state of its log that its key did not sign."},
    finding_words{log_finding::shorter, "shorter", "The relay's log is shorter than it was: something was taken back."},
    finding_words{
        log_finding::other_history, "other-history", "The relay's history does not match what it showed before."},
    finding_words{
        log_finding::bad_record, "bad-record", "A message of this machine is not in the relay's log as it was sent."}};

const finding_words& words_of(log_finding what) noexcept
{
    return *std::ranges::find(findings, what, &finding_words::what);
}

std::unexpected<log_mismatch> mismatch(log_finding what, std::string detail)
{
    return std::unexpected(log_mismatch{what, std::move(detail)});
}

std::string heads(const checkpoint& before, const checkpoint& now)
{
    return "accepted " + std::to_string(before.size) + " " + base64_encode(before.root) + ", shown " +
           std::to_string(now.size) + " " + base64_encode(now.root);
}

std::unexpected<error> damaged()
{
    return fail(errc::corrupt, "what this machine remembers of the relay's log is damaged");
}

json::object write_pinned(const pinned_log& log)
{
    json::object out{{"key", log.key.text()}, {"since", log.since}, {"verified", log.verified}, {"proved", log.proved}};
    if (log.head)
    {
        out["size"] = log.head->size;
        out["root"] = base64_encode(log.head->root);
    }
    return out;
}

result<pinned_log> read_pinned(const std::string& origin, const json::object& from)
{
    const auto key = note::verifier::parse(text_at(from, "key"));
    if (!key || key->name != origin)
        return damaged();
    pinned_log out;
    out.key = *key;
    out.since = number_at(from, "since");
    out.verified = number_at(from, "verified");
    out.proved = number_at(from, "proved");
    if (from.contains("root"))
    {
        const auto root = base64_decode(text_at(from, "root"));
        if (!root || root->size() != 32 || number_at(from, "size") < 0)
            return damaged();
        out.head = checkpoint{origin, static_cast<std::uint64_t>(number_at(from, "size")), to_array<32>(*root)};
    }
    return out;
}

} // namespace

std::string_view word(log_finding what) noexcept
{
    return words_of(what).word;
}

std::string_view sentence(log_finding what) noexcept
{
    return words_of(what).sentence;
}

bool log_memory::raise(log_alarm alarm)
{
    const auto known = std::ranges::find_if(
        alarms, [&](const log_alarm& each)
        { return each.what == alarm.what && each.server == alarm.server && each.origin == alarm.origin; });
    if (known == alarms.end())
    {
        alarms.push_back(std::move(alarm));
        return true;
    }
    known->last = alarm.last;
    known->times += 1;
    return false;
}

std::string write_log_memory(const log_memory& memory)
{
    json::object current;
    for (const auto& [server, origin] : memory.current)
        current[server] = origin;
    json::object logs;
    for (const auto& [origin, log] : memory.logs)
        logs[origin] = write_pinned(log);
    json::array alarms;
    for (const auto& each : memory.alarms)
        alarms.push_back(json::object{
            {"what", word(each.what)},
            {"server", each.server},
            {"origin", each.origin},
            {"detail", each.detail},
            {"first", each.first},
            {"last", each.last},
            {"times", each.times}});
    return json::serialize(json::object{
        {"format", format}, {"current", std::move(current)}, {"logs", std::move(logs)}, {"alarms", std::move(alarms)}});
}

result<log_memory> read_log_memory(std::string_view text)
{
    boost::system::error_code problem;
    const auto value = json::parse(json::string_view(text.data(), text.size()), problem);
    const auto* object = problem ? nullptr : value.if_object();
    if (object == nullptr)
        return damaged();
    if (number_at(*object, "format") > format)
        return fail(errc::newer_version, "A newer version of consortium wrote what is remembered of the relay's log.");
    const auto* current = object_at(*object, "current");
    const auto* logs = object_at(*object, "logs");
    const auto* alarms = array_at(*object, "alarms");
    if (current == nullptr || logs == nullptr || alarms == nullptr)
        return damaged();

    log_memory out;
    for (const auto& [server, origin] : *current)
        out.current[server] = text_at(*current, server);
    for (const auto& [origin, each] : *logs)
    {
        auto log = each.is_object() ? read_pinned(origin, each.get_object()) : result<pinned_log>(damaged());
        if (!log)
            return std::unexpected(log.error());
        out.logs.emplace(origin, std::move(*log));
    }
    for (const auto& each : *alarms)
    {
        const auto* from = each.if_object();
        const auto what = from != nullptr ? std::ranges::find(findings, text_at(*from, "what"), &finding_words::word)
                                          : findings.end();
        if (what == findings.end())
            return damaged();
        out.alarms.push_back(
            {what->what, text_at(*from, "server"), text_at(*from, "origin"), text_at(*from, "detail"),
             number_at(*from, "first"), number_at(*from, "last"),
             static_cast<std::uint64_t>(number_at(*from, "times"))});
    }
    return out;
}

std::optional<log_mismatch>
meet_log(log_memory& memory, const std::string& server, const note::verifier& key, unix_millis now)
{
    const auto known = memory.logs.find(key.name);
    if (known != memory.logs.end() && known->second.key != key)
        return log_mismatch{
            log_finding::other_key, "known " + fingerprint(known->second.key) + ", shown " + fingerprint(key)};
    if (known == memory.logs.end())
        memory.logs[key.name] = pinned_log{.key = key, .since = now, .head = std::nullopt};
    auto& serves = memory.current[server];
    const auto before = std::exchange(serves, key.name);
    if (before.empty() || before == key.name)
        return std::nullopt;
    return log_mismatch{log_finding::new_log, before + " until now, " + key.name + " from now on"};
}

std::expected<checkpoint, log_mismatch> judge_head(const pinned_log& known, const v1::log_answer& given)
{
    auto head = open_checkpoint(given.checkpoint, known.key);
    if (!head)
        return mismatch(log_finding::bad_signature, head.error().detail);
    if (!known.head)
        return std::move(*head);
    const auto& before = *known.head;
    if (head->size < before.size)
        return mismatch(log_finding::shorter, heads(before, *head));
    if (head->size == before.size && head->root != before.root)
        return mismatch(log_finding::other_history, heads(before, *head));
    if (!given.consistency)
        return mismatch(
            log_finding::other_history, heads(before, *head) + ", without a proof that one continues the other");
    if (!merkle::verify_consistency(before.size, head->size, before.root, head->root, *given.consistency))
        return mismatch(log_finding::other_history, heads(before, *head));
    return std::move(*head);
}

std::expected<std::optional<proved_record>, log_mismatch>
judge_message(const note::verifier& key, const v1::proof_object& given, const sent_message& sent)
{
    const auto head = open_checkpoint(given.checkpoint, key);
    if (!head)
        return mismatch(log_finding::bad_signature, head.error().detail);
    const auto header = v1::check_record(given.record, *head);
    if (!header)
        return mismatch(log_finding::bad_record, header.error().detail);
    if (header->type != message_type || header->account != sent.account ||
        header->stream.as<session_id>() != sent.session || header->revision != sent.revision || header->seq != sent.seq)
        return mismatch(log_finding::bad_record, "the record is of something else than the message");
    if (!given.record.body)
        return std::nullopt;
    if (std::ranges::search(*given.record.body, sent.bundle).empty())
        return mismatch(log_finding::bad_record, "the record holds something else than was sent");
    return proved_record{given.record.revision, given.record.index, *v1::leaf_of(given.record)};
}

std::optional<log_mismatch>
judge_again(const proved_record& before, const checkpoint& head, const std::vector<v1::record_object>& records)
{
    if (records.empty() || records.front().revision != before.revision)
        return log_mismatch{log_finding::bad_record, "another record than was asked for"};
    const auto& given = records.front();
    if (const auto header = v1::check_record(given, head); !header)
        return log_mismatch{log_finding::bad_record, header.error().detail};
    if (given.index != before.index || *v1::leaf_of(given) != before.leaf)
        return log_mismatch{log_finding::bad_record, "the record is not what and where it was"};
    return std::nullopt;
}

std::string fingerprint(const note::verifier& key)
{
    const auto digits = hex_encode(sha256({key.key}));
    std::string out;
    for (std::size_t at = 0; at < 32; at += 4)
        out += (at == 0 ? "" : " ") + digits.substr(at, 4);
    return out;
}

} // namespace consortium::agent
