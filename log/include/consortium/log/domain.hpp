#pragma once
#include "consortium/common/hash.hpp"
#include "consortium/log/event.hpp"
#include <functional>
#include <memory>
#include <span>

/// What the log calls to decide commands and to fold events into view rows. Implemented by projections/.
namespace consortium::log
{

/// Index into domain::tables().
using table_id = std::size_t;

/// View rows in clear. The store seals every value under the view key, bound to its table and key; keys are written as
/// they are, so they are made of prf() and numbers only.
class view_reader
{
public:
    virtual ~view_reader() = default;

    /// Empty: no such row. Throws log_failure when the store cannot be read or the row does not open.
    virtual std::optional<bytes> get(table_id table, byte_view key) const = 0;

    /// Calls `visit(key, value)` for the rows whose key begins with `prefix`, in key order from `from` on (`from` must
    /// begin with `prefix`; empty: from the first), until it returns false.
    using visitor = std::function<bool(byte_view key, byte_view value)>;
    virtual void scan(table_id table, byte_view prefix, byte_view from, const visitor& visit) const = 0;
    /// The same downwards: from the last row not above `from` (empty: from the last of the prefix).
    virtual void scan_down(table_id table, byte_view prefix, byte_view from, const visitor& visit) const = 0;

    /// A keyed pseudorandom function (HMAC-SHA256 under a key derived from the view key, cut to 16 bytes): hides
    /// account ids, tags, local ids and public keys in row keys while equal inputs stay equal.
    virtual byte_array<16> prf(byte_parts parts) const = 0;
};

class view_writer : public view_reader
{
public:
    virtual void put(table_id table, byte_view key, bytes value) = 0;
    virtual void erase(table_id table, byte_view key) = 0;
    /// Erases every row whose key begins with `prefix`, at the same cost however many there are. The prefix must have
    /// a byte that is not 0xff.
    virtual void erase_prefix(table_id table, byte_view prefix) = 0;
};

/// Thrown inside the log and by view access when the disk cannot be believed any more; never crosses event_log.
struct log_failure : std::exception
{
    explicit log_failure(error why) : reason(std::move(why)) {}
    const char* what() const noexcept override { return reason.detail.c_str(); }
    error reason;
};

/// An event before the sequencer gave it its numbers.
struct draft
{
    event_type type{};
    stream_id stream;
    std::uint64_t seq = 0;
    /// The data key that seals the body: the id of the session, machine or account it belongs to.
    key_id key;
    /// The event begins its scope: `key` is made in the same commit.
    bool creates_key = false;
    /// Keys that end with this event, destroyed in the same commit.
    std::vector<key_id> destroys;
    event_body body;
};

/// What a command comes to: the events of one account, committed together or not at all. No drafts: nothing to write
/// (the thing exists already); the command keeps what the caller needs to know.
struct decision
{
    account_id account;
    std::vector<draft> drafts;
};

/// A wish to change the log. decide() runs on the sequencer's thread and may fill fields of the command, which the
/// caller may read once the command has completed.
class command
{
public:
    virtual ~command() = default;
    /// Whose share of a batch it takes; nil before an account exists.
    virtual account_id account() const = 0;
    /// Bytes it holds, for the queue's bound.
    virtual std::size_t size() const = 0;
    /// A pure function of the rows, the command and `now`: the same rows give the same decision. An error is the
    /// caller's answer; nothing is written.
    virtual result<decision> decide(const view_reader& rows, unix_millis now) = 0;
};

class domain
{
public:
    virtual ~domain() = default;
    /// Names of the view tables; a table's id is its index. The list only grows.
    virtual std::span<const std::string_view> tables() const = 0;
    /// Of these, those that fold() does not touch any more. What an older version wrote there is erased when the log is
    /// opened.
    virtual std::span<const table_id> retired() const { return {}; }
    /// The account's last revision, as folded so far; 0 before its first event.
    virtual revision last_revision(const view_reader& rows, account_id account) const = 0;
    /// Whether the account may have what a command decided: an error is the caller's answer, and nothing is written.
    virtual result<void> admit(const view_reader& /*rows*/, const decision& /*what*/) const { return {}; }
    /// Applies one event. A pure function of rows and event that must accept shredded bodies (replay of a log whose
    /// sessions were deleted since).
    virtual void fold(const event& happened, view_writer& rows) const = 0;
};

} // namespace consortium::log
