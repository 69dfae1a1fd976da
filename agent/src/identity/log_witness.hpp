#pragma once
#include "consortium/common/clock.hpp"
#include "consortium/protocol/v1/proofs.hpp"
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What this machine remembers of the relay's log, and what it finds when it holds an answer against that
/// (docs/protocol.md 2.3). Pure.
namespace consortium::agent
{

/// The first key seen for a log, and the last head that was accepted. Neither is ever replaced by one that does not
/// fit.
struct pinned_log
{
    note::verifier key; ///< its name is the log's origin
    unix_millis since = 0;
    std::optional<checkpoint> head;
    unix_millis verified = 0; ///< when a head was last accepted; 0: never
    unix_millis proved = 0;   ///< when a message of ours was last proved to stand in it; 0: never

    friend bool operator==(const pinned_log&, const pinned_log&) = default;
};

enum class log_finding
{
    new_log,       ///< the relay serves another log than before
    other_key,     ///< the same log, said to be signed with another key
    bad_signature, ///< a checkpoint that the pinned key did not sign
    shorter,       ///< fewer records than were there
    other_history, ///< what was there is not the beginning of what is there now
    bad_record,    ///< a message of ours is not in the log as it was sent
};
std::string_view word(log_finding what) noexcept;
/// For people, one sentence.
std::string_view sentence(log_finding what) noexcept;

/// Stays until a person has acknowledged it.
struct log_alarm
{
    log_finding what{};
    std::string server;
    std::string origin;
    std::string detail;
    unix_millis first = 0;
    unix_millis last = 0;
    std::uint64_t times = 1;

    friend bool operator==(const log_alarm&, const log_alarm&) = default;
};

struct log_memory
{
    std::map<std::string, std::string> current; ///< server to the origin of the log it serves
    std::map<std::string, pinned_log> logs;     ///< by origin
    std::vector<log_alarm> alarms;

    /// True when it was not there before; else that one counts it.
    bool raise(log_alarm alarm);

    friend bool operator==(const log_memory&, const log_memory&) = default;
};

std::string write_log_memory(const log_memory& memory);
/// errc::corrupt; errc::newer_version.
result<log_memory> read_log_memory(std::string_view text);

/// Why it does not fit, and in which words.
struct log_mismatch
{
    log_finding what{};
    std::string detail;
};

/// Remembers the key of a log that is new to this machine. Gives what does not fit; a changed key is not remembered.
std::optional<log_mismatch>
meet_log(log_memory& memory, const std::string& server, const note::verifier& key, unix_millis now);

/// The head that the answer signs, when it continues what `known` holds.
std::expected<checkpoint, log_mismatch> judge_head(const pinned_log& known, const protocol::v1::log_answer& given);

/// A message as its sender knows it.
struct sent_message
{
    account_id account;
    session_id session;
    std::uint64_t revision = 0;
    std::uint64_t seq = 0;
    bytes bundle;
};
/// Where a record stands and what it commits to: the same for ever, even after its content is gone.
struct proved_record
{
    std::uint64_t revision = 0;
    std::uint64_t index = 0;
    digest256 leaf{};
};
/// That the message stands in the tree of a head that the pinned key signed. Empty: its content is gone already.
std::expected<std::optional<proved_record>, log_mismatch>
judge_message(const note::verifier& key, const protocol::v1::proof_object& given, const sent_message& sent);
/// That the record is where it was, and as it was, in the tree of `head`.
std::optional<log_mismatch> judge_again(
    const proved_record& before, const checkpoint& head, const std::vector<protocol::v1::record_object>& records);

/// SHA-256 of the key, in groups of four hex digits: for comparing by eye.
std::string fingerprint(const note::verifier& key);

} // namespace consortium::agent
