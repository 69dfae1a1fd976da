#pragma once
#include "consortium/common/hash.hpp"
#include "consortium/log/domain.hpp"
#include "consortium/projections/commands.hpp"
#include <concepts>
#include <optional>
#include <vector>

/// The view tables: keys, values and how they are written. For people: docs/view-tables.md.
///
/// Keys: A = prf('a' ‖ account), S = prf('s' ‖ account ‖ session), M = prf('m' ‖ account ‖ machine row). A foreign
/// account derives another key, so foreign and unknown ids are the same miss. Values: version byte 1, then the fields
/// of the row in order: numbers as LEB128 in their shortest form, ids raw.
namespace consortium::projections
{

/// In the order of domain::tables(): numbered for ever.
enum class table : log::table_id
{
    account_head, ///< A -> last revision
    account,      ///< A -> account_row
    account_key,  ///< prf('p' ‖ public key) -> account id
    revision,     ///< not used any more
    device,       ///< A ‖ prf('d' ‖ account ‖ device) -> device_row
    device_key,   ///< A ‖ prf('k' ‖ account ‖ device public key) -> device id
    pairing,      ///< prf('r' ‖ request key) -> lsn of its approval
    pairing_of,   ///< A ‖ revision u64be -> key of a pairing row
    session,      ///< A ‖ S -> session_row
    session_hot,  ///< A ‖ S -> session_hot_row: what a message rewrites
    session_tag,  ///< A ‖ prf('t' ‖ account ‖ tag) -> session id
    message,      ///< not used any more
    local_id,     ///< S ‖ prf('l' ‖ session ‖ local id) -> seq
    machine,      ///< A ‖ M -> machine_row
    machine_key,  ///< A ‖ prf('n' ‖ account ‖ machine id) -> machine row id
    active,       ///< A ‖ S or A ‖ M -> active_row, while it is active
    revision_run, ///< A ‖ run u64be -> lsns of the account's revisions, see runs.hpp
    message_run,  ///< S ‖ run u64be -> lsns of the session's messages
};
std::span<const std::string_view> table_names();
std::span<const log::table_id> retired_tables();
std::string_view name(table of);

/// Up to 32 bytes without an allocation.
class row_key
{
public:
    explicit row_key(const byte_array<16>& only);
    row_key(const byte_array<16>& prefix, const byte_array<16>& suffix);
    row_key(const byte_array<16>& prefix, std::uint64_t number);
    operator byte_view() const noexcept { return byte_view(data_).first(size_); }
    byte_array<16> prefix() const noexcept { return to_array<16>(byte_view(data_)); }
    /// The second part of a key of two parts.
    byte_array<16> suffix() const noexcept { return to_array<16>(byte_view(data_).last(16)); }

private:
    byte_array<32> data_{};
    std::size_t size_ = 0;
};

byte_array<16> account_part(const log::view_reader& rows, account_id account);
byte_array<16> session_part(const log::view_reader& rows, account_id account, session_id session);
byte_array<16> machine_part(const log::view_reader& rows, account_id account, machine_row_id machine);
row_key account_row_key(const log::view_reader& rows, account_id account);
row_key account_index_key(const log::view_reader& rows, byte_view public_key);
row_key device_row_key(const log::view_reader& rows, account_id account, device_id device);
row_key device_index_key(const log::view_reader& rows, account_id account, byte_view public_key);
row_key pairing_row_key(const log::view_reader& rows, const byte_array<32>& request_key);
row_key session_row_key(const log::view_reader& rows, account_id account, session_id session);
byte_array<16> tag_part(const log::view_reader& rows, account_id account, std::string_view tag);
byte_array<16> local_id_part(const log::view_reader& rows, session_id session, std::string_view local_id);
row_key machine_row_key(const log::view_reader& rows, account_id account, machine_row_id machine);
byte_array<16> machine_id_part(const log::view_reader& rows, account_id account, std::string_view machine_id);
/// The number at the end of a key.
std::uint64_t number_of(byte_view key);

/// Throws log_failure(errc::corrupt).
[[noreturn]] void corrupt_row(table where, std::string_view what);
/// Throws log_failure(errc::corrupt): the log says what no history of ours can.
[[noreturn]] void corrupt_event(const log::event& happened, std::string_view what);

inline constexpr std::uint8_t row_version = 1;

class row_writer
{
public:
    row_writer()
    {
        out_.reserve(64);
        out_.push_back(row_version);
    }
    /// Goes on where `row` ends.
    explicit row_writer(bytes row) : out_(std::move(row)) {}
    void operator()(std::uint64_t number);
    void operator()(unix_millis time) { (*this)(static_cast<std::uint64_t>(time)); }
    void operator()(bool flag) { out_.push_back(flag ? 1 : 0); }
    void operator()(log::device_kind kind) { out_.push_back(static_cast<std::uint8_t>(kind)); }
    void operator()(const byte_array<16>& id) { append(out_, id); }
    template <class Tag>
    void operator()(const uuid<Tag>& id)
    {
        append(out_, id.value);
    }
    template <class Tag>
    void operator()(const counter<Tag>& number)
    {
        (*this)(number.value);
    }
    /// Ascending: the first, then each one's distance from the one before.
    void operator()(const std::vector<lsn>& numbers);
    bytes take() { return std::move(out_); }

private:
    bytes out_;
};

/// Ascending numbers, of which only how many they are and the last are kept.
struct run_end
{
    std::uint64_t count = 0;
    lsn last;
};

/// Strict: what row_writer wrote and nothing else; throws log_failure(errc::corrupt).
class row_parser
{
public:
    row_parser(table where, byte_view value);
    void operator()(std::uint64_t& number);
    void operator()(unix_millis& time);
    void operator()(bool& flag);
    void operator()(log::device_kind& kind);
    void operator()(byte_array<16>& id);
    template <class Tag>
    void operator()(uuid<Tag>& id)
    {
        (*this)(id.value);
    }
    template <class Tag>
    void operator()(counter<Tag>& number)
    {
        (*this)(number.value);
    }
    /// To the end of the row.
    void operator()(std::vector<lsn>& numbers);
    /// Likewise, without keeping them.
    void each_number(auto&& visit);
    void finish();

private:
    std::uint8_t byte();
    table where_;
    byte_view rest_;
};

// Rows. `fields` names the members in the order they are written.
struct head_row
{
    static constexpr auto where = table::account_head;
    revision last;
    static void fields(auto& row, auto& codec) { codec(row.last); }
};
struct account_row
{
    static constexpr auto where = table::account;
    lsn created;
    /// Of its account_key row; zero when the body was shredded.
    byte_array<16> index{};
    static void fields(auto& row, auto& codec)
    {
        codec(row.created);
        codec(row.index);
    }
};
struct account_key_row
{
    static constexpr auto where = table::account_key;
    account_id account;
    static void fields(auto& row, auto& codec) { codec(row.account); }
};
struct device_row
{
    static constexpr auto where = table::device;
    device_id id;
    log::device_kind kind = log::device_kind::unnamed;
    lsn added;
    lsn named; ///< the event that holds the name
    bool revoked = false;
    unix_millis revoked_at = 0;
    static void fields(auto& row, auto& codec)
    {
        codec(row.id);
        codec(row.kind);
        codec(row.added);
        codec(row.named);
        codec(row.revoked);
        codec(row.revoked_at);
    }
};
struct device_key_row
{
    static constexpr auto where = table::device_key;
    device_id device;
    static void fields(auto& row, auto& codec) { codec(row.device); }
};
struct pairing_row
{
    static constexpr auto where = table::pairing;
    lsn approved;
    static void fields(auto& row, auto& codec) { codec(row.approved); }
};
struct pairing_of_row
{
    static constexpr auto where = table::pairing_of;
    byte_array<16> index{};
    static void fields(auto& row, auto& codec) { codec(row.index); }
};
struct session_row
{
    static constexpr auto where = table::session;
    session_id id;
    lsn created;
    versioned_value metadata{};
    versioned_value agent_state{};
    bool has_tag = false; ///< false when the body was shredded
    byte_array<16> tag{};
    static void fields(auto& row, auto& codec)
    {
        codec(row.id);
        codec(row.created);
        codec(row.metadata.version);
        codec(row.metadata.where);
        codec(row.agent_state.version);
        codec(row.agent_state.where);
        codec(row.has_tag);
        codec(row.tag);
    }
};
struct session_hot_row
{
    static constexpr auto where = table::session_hot;
    std::uint64_t seq = 0;
    unix_millis updated_at = 0;
    bool active = false;
    unix_millis active_at = 0;
    /// Here, so that an agent's message needs one row only.
    device_id creator{};
    static void fields(auto& row, auto& codec)
    {
        codec(row.seq);
        codec(row.updated_at);
        codec(row.active);
        codec(row.active_at);
        codec(row.creator);
    }
};
struct session_tag_row
{
    static constexpr auto where = table::session_tag;
    session_id session;
    static void fields(auto& row, auto& codec) { codec(row.session); }
};
/// lsns of up to this many events that follow one another in a stream.
inline constexpr std::uint64_t run_length = 64;
template <table Where>
struct run_row
{
    static constexpr auto where = Where;
    std::vector<lsn> numbers;
    static void fields(auto& row, auto& codec) { codec(row.numbers); }
};
using revision_run = run_row<table::revision_run>;
using message_run = run_row<table::message_run>;
struct local_id_row
{
    static constexpr auto where = table::local_id;
    std::uint64_t seq = 0;
    static void fields(auto& row, auto& codec) { codec(row.seq); }
};
struct machine_row
{
    static constexpr auto where = table::machine;
    machine_row_id id;
    device_id creator{};
    lsn registered;
    versioned_value metadata{};
    versioned_value daemon_state{};
    bool active = false;
    unix_millis active_at = 0;
    unix_millis updated_at = 0;
    bool has_key = false; ///< false when the body was shredded
    byte_array<16> key{};
    static void fields(auto& row, auto& codec)
    {
        codec(row.id);
        codec(row.creator);
        codec(row.registered);
        codec(row.metadata.version);
        codec(row.metadata.where);
        codec(row.daemon_state.version);
        codec(row.daemon_state.where);
        codec(row.active);
        codec(row.active_at);
        codec(row.updated_at);
        codec(row.has_key);
        codec(row.key);
    }
};
struct machine_key_row
{
    static constexpr auto where = table::machine_key;
    machine_row_id machine;
    static void fields(auto& row, auto& codec) { codec(row.machine); }
};
struct active_row
{
    static constexpr auto where = table::active;
    account_id account;
    bool is_machine = false;
    byte_array<16> id{};
    static void fields(auto& row, auto& codec)
    {
        codec(row.account);
        codec(row.is_machine);
        codec(row.id);
    }
};

template <class Row>
Row parse_row(byte_view value)
{
    Row row;
    row_parser parser(Row::where, value);
    Row::fields(row, parser);
    parser.finish();
    return row;
}
/// Of a run_row what row_writer needs to go on.
run_end parse_run_end(table where, byte_view value);
template <class Row>
std::optional<Row> get_row(const log::view_reader& rows, byte_view key)
{
    const auto value = rows.get(static_cast<log::table_id>(Row::where), key);
    if (!value)
        return std::nullopt;
    return parse_row<Row>(*value);
}
/// For fold: the row must be there.
template <class Row>
Row get_row_of(const log::event& happened, const log::view_reader& rows, byte_view key)
{
    auto row = get_row<Row>(rows, key);
    if (!row)
        corrupt_event(happened, "is about something that does not exist");
    return *row;
}
template <class Row>
void put_row(log::view_writer& rows, byte_view key, const Row& row)
{
    row_writer writer;
    Row::fields(row, writer);
    rows.put(static_cast<log::table_id>(Row::where), key, writer.take());
}
template <class Row>
void erase_row(log::view_writer& rows, byte_view key)
{
    rows.erase(static_cast<log::table_id>(Row::where), key);
}
template <class Row>
void scan_rows(
    const log::view_reader& rows, byte_view prefix, const std::function<bool(byte_view key, const Row& row)>& visit)
{
    rows.scan(
        static_cast<log::table_id>(Row::where), prefix, {},
        [&](byte_view key, byte_view value) { return visit(key, parse_row<Row>(value)); });
}
/// Erases every row of a table whose key begins with `prefix`.
void erase_prefix(log::view_writer& rows, table where, byte_view prefix);

} // namespace consortium::projections
