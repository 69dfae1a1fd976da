#include "identity/log_checker.hpp"
#include "base/diagnostics.hpp"
#include "consortium/common/base64.hpp"
#include <boost/json.hpp>

namespace consortium::agent
{
namespace v1 = protocol::v1;

asio::awaitable<relay_answer<note::verifier>> log_checker::ask_for_key()
{
    const auto answer = co_await relay_.get("/v1/log/key", "key");
    if (!answer)
        co_return std::unexpected(answer.error());
    const auto key = v1::read_log_key(answer->for_parser());
    if (!key)
        co_return std::unexpected(relay_failure::stranger(relay_.server_url(), key.error().detail));
    co_return key->key;
}

/// With the record that was proved last, as long as it is there.
asio::awaitable<relay_answer<v1::log_answer>> log_checker::ask_for_head(const pinned_log& known)
{
    const auto from = known.head ? "from=" + std::to_string(known.head->size) : std::string();
    std::optional<relay_answer<unchecked>> answer;
    if (proved_)
        answer = co_await relay_.get(
            "/v1/log/proof?revision=" + std::to_string(proved_->revision) + (from.empty() ? "" : "&" + from),
            "checkpoint");
    if (!answer || (!*answer && answer->error() == errc::not_found))
    {
        proved_.reset();
        answer = co_await relay_.get("/v1/log/checkpoint" + (from.empty() ? "" : "?" + from), "checkpoint");
    }
    if (!*answer)
        co_return std::unexpected(answer->error());
    auto read = v1::read_log_answer((*answer)->for_parser());
    if (!read)
        co_return std::unexpected(relay_failure::stranger(relay_.server_url(), read.error().detail));
    co_return std::move(*read);
}

asio::awaitable<result<log_checker::outcome>> log_checker::check()
{
    const auto shown = co_await ask_for_key();
    if (!shown && shown.error() == errc::not_found)
        co_return outcome::not_offered;
    if (!shown)
        co_return std::unexpected(shown.error());

    std::optional<log_mismatch> strange;
    std::optional<pinned_log> known;
    const auto met = store_.update_log_memory(
        [&](log_memory& memory)
        {
            strange = meet_log(memory, relay_.server_url(), *shown, clock_.now());
            known = memory.logs.at(shown->name);
        });
    if (!met)
        co_return std::unexpected(met.error());
    key_ = known->key;
    bool fits = !strange;
    if (strange)
    {
        if (const auto raised = raise(shown->name, std::move(*strange)); !raised)
            co_return std::unexpected(raised.error());
    }

    const auto again = proved_;
    const auto answer = co_await ask_for_head(*known);
    std::optional<log_mismatch> found;
    std::optional<checkpoint> head;
    if (!answer && answer.error() == errc::conflict && known->head)
        found = log_mismatch{
            log_finding::shorter, "accepted " + std::to_string(known->head->size) + ", and it has not that many now"};
    else if (!answer)
        co_return std::unexpected(answer.error());
    else if (auto judged = judge_head(*known, *answer); !judged)
        found = judged.error();
    else
    {
        head = *judged;
        if (again && proved_)
            found = judge_again(*again, *head, answer->records);
    }
    if (found)
    {
        if (const auto raised = raise(shown->name, std::move(*found)); !raised)
            co_return std::unexpected(raised.error());
        co_return outcome::mismatch;
    }
    bool overtaken = false;
    const auto kept = store_.update_log_memory(
        [&](log_memory& memory)
        {
            auto& log = memory.logs[shown->name];
            overtaken = log != *known;
            if (overtaken)
                return;
            log.head = head;
            log.verified = clock_.now();
        });
    if (!kept)
        co_return std::unexpected(kept.error());
    // Another agent accepted a later head meanwhile: what this one saw must continue that.
    if (overtaken)
        co_return co_await check();
    diagnostics::note("log checked, records", std::to_string(head->size));
    co_return fits ? outcome::fits : outcome::mismatch;
}

void log_checker::look_at(
    const unchecked& acknowledgement, const std::string& account, const std::string& session, const std::string& bundle)
{
    const auto said = acknowledgement.object("proof");
    const auto owner = parse_uuid<account_id>(account);
    const auto place = parse_uuid<session_id>(session);
    auto content = base64_decode(bundle);
    if (!said || !key_ || !owner || !place || !content)
        return; // a relay that knows of no proofs; what it then does not prove, it does not prove
    const auto raised = [&](log_mismatch found)
    {
        if (const auto kept = raise(key_->name, std::move(found)); !kept)
            diagnostics::note("log not remembered:", kept.error().detail);
    };
    const auto proof = v1::read_proof(said->for_parser());
    if (!proof)
        return raised({log_finding::bad_record, "the proof is malformed: " + proof.error().detail});
    const auto judged = judge_message(
        *key_, *proof,
        {*owner, *place, static_cast<std::uint64_t>(acknowledgement.number("revision")),
         static_cast<std::uint64_t>(acknowledgement.number("seq")), std::move(*content)});
    if (!judged)
        return raised(judged.error());
    if (!*judged)
        return;
    proved_ = **judged;
    diagnostics::note("log holds our message, revision", std::to_string(proved_->revision));
    const auto kept = store_.update_log_memory(
        [&](log_memory& memory)
        {
            if (const auto log = memory.logs.find(key_->name); log != memory.logs.end())
                log->second.proved = clock_.now();
        });
    if (!kept)
        diagnostics::note("log not remembered:", kept.error().detail);
}

asio::awaitable<result<std::size_t>> log_checker::acknowledge()
{
    std::size_t count = 0;
    const auto forgotten = store_.update_log_memory(
        [&](log_memory& memory)
        {
            count =
                std::erase_if(memory.alarms, [&](const log_alarm& each) { return each.server == relay_.server_url(); });
        });
    if (!forgotten)
        co_return std::unexpected(forgotten.error());
    const auto quiet = std::exchange(on_alarm, nullptr);
    const auto checked = co_await check();
    if (checked && *checked == outcome::mismatch)
    {
        const auto shown = co_await ask_for_key();
        if (!shown)
            co_return std::unexpected(shown.error());
        const auto renewed = store_.update_log_memory(
            [&](log_memory& memory)
            {
                std::erase_if(memory.alarms, [&](const log_alarm& each) { return each.server == relay_.server_url(); });
                memory.logs.erase(shown->name);
            });
        if (!renewed)
            co_return std::unexpected(renewed.error());
        const auto anew = co_await check();
        if (!anew)
            co_return std::unexpected(anew.error());
    }
    on_alarm = quiet;
    co_return count;
}

result<void> log_checker::raise(const std::string& origin, log_mismatch found)
{
    const auto now = clock_.now();
    log_alarm alarm{found.what, relay_.server_url(), origin, std::move(found.detail), now, now};
    bool fresh = false;
    const auto kept = store_.update_log_memory([&](log_memory& memory) { fresh = memory.raise(alarm); });
    if (!kept)
        fresh = unkept_.insert(alarm.what).second; // a full disk must not keep it from being heard
    diagnostics::note("log alarm:", word(alarm.what));
    if (fresh && on_alarm)
        on_alarm(alarm);
    return kept;
}

} // namespace consortium::agent
