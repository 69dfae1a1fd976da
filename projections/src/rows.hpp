#pragma once
#include "consortium/common/hash.hpp"
#include "consortium/log/domain.hpp"
#include "consortium/projections/commands.hpp"
#include <array>
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

/// In the order of domain::tables(): numbered for ever. What each holds is said by its row, below.
enum class table : log::table_id
{
    account_head,
    account,
    account_key,
    revision,
    device,
    device_key,
    pairing,
    pairing_of,
    session,
    session_hot,
    session_tag,
    message,
    local_id,
    machine,
    machine_key,
    active,
    revision_run,
    message_run,
    device_standing,
    device_chain,
    statement,
    deleted_session,
    account_totals,
    invitation,
    invitation_of,
    session_lease,
};

/// What a table's keys are made of (A, S, M: account_part, session_part, machine_part). It says which deletion erases
/// its rows, and how that finds them: erasing.cpp.
enum class key_shape
{
    account,            ///< A
    account_thing,      ///< A ‖ more: goes with the account
    account_index,      ///< a prf: goes with the account, whose row leads to it
    session,            ///< A ‖ S
    session_thing,      ///< S ‖ more: goes with the session
    session_index,      ///< A ‖ prf: goes with the session, whose row leads to it
    machine,            ///< A ‖ M
    machine_index,      ///< A ‖ prf: goes with the machine, whose row leads to it
    session_or_machine, ///< A ‖ S or A ‖ M
    retired,            ///< not used any more
};

struct table_description
{
    std::string_view name;
    key_shape key;
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
row_key invitation_row_key(const log::view_reader& rows, invitation_id invitation);
row_key session_row_key(const log::view_reader& rows, account_id account, session_id session);
byte_array<16> tag_part(const log::view_reader& rows, account_id account, std::string_view tag);
byte_array<16> local_id_part(const log::view_reader& rows, session_id session, std::string_view local_id);
row_key machine_row_key(const log::view_reader& rows, account_id account, machine_row_id machine);
byte_array<16> machine_id_part(const log::view_reader& rows, account_id account, std::string_view machine_id);

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
    template <std::size_t Size>
    void operator()(const byte_array<Size>& raw)
    {
        append(out_, raw);
    }
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
    template <std::size_t Size>
    void operator()(byte_array<Size>& raw)
    {
        raw = to_array<Size>(take(Size));
    }
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
    byte_view take(std::size_t size);
    table where_;
    byte_view rest_;
};

// Rows, each the one description of its table: the comment says what the key is, `fields` names the members in the
// order they are written. A row that another table's keys are found by says to which it `leads_to` and where, its
// `target`.
/// A: of the relay's own account too, the nil one, in which its invitations stand.
struct totals_row
{
    static constexpr auto where = table::account_totals;
    static constexpr table_description description{"account_totals", key_shape::account};
    revision last;
    std::uint64_t bytes = 0; ///< written, as quotas::bytes counts them
    std::uint64_t sessions = 0;
    std::uint64_t machines = 0;
    std::uint64_t devices = 0; ///< that the chain names and that are not revoked
    static void fields(auto& row, auto& codec)
    {
        codec(row.last);
        codec(row.bytes);
        codec(row.sessions);
        codec(row.machines);
        codec(row.devices);
    }
};
/// A
struct account_row
{
    static constexpr auto where = table::account;
    static constexpr table_description description{"account", key_shape::account};
    lsn created;
    /// Of its account_key row; zero when the body was shredded.
    byte_array<16> index{};
    static constexpr auto leads_to = table::account_key;
    std::optional<row_key> target([[maybe_unused]] const byte_array<16>& account) const { return row_key(index); }
    static void fields(auto& row, auto& codec)
    {
        codec(row.created);
        codec(row.index);
    }
};
/// prf('p' ‖ public key)
struct account_key_row
{
    static constexpr auto where = table::account_key;
    static constexpr table_description description{"account_key", key_shape::account_index};
    account_id account;
    static void fields(auto& row, auto& codec) { codec(row.account); }
};
/// A ‖ prf('d' ‖ account ‖ device)
struct device_row
{
    static constexpr auto where = table::device;
    static constexpr table_description description{"device", key_shape::account_thing};
    device_id id;
    log::device_kind kind = log::device_kind::unnamed;
    lsn added;
    lsn named; ///< the event that gave its name; nothing reads it any more
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
/// A ‖ prf('k' ‖ account ‖ device public key)
struct device_key_row
{
    static constexpr auto where = table::device_key;
    static constexpr table_description description{"device_key", key_shape::account_thing};
    device_id device;
    static void fields(auto& row, auto& codec) { codec(row.device); }
};
/// A ‖ S
struct session_row
{
    static constexpr auto where = table::session;
    static constexpr table_description description{"session", key_shape::session};
    session_id id;
    lsn created;
    versioned_value metadata{};
    versioned_value agent_state{};
    bool has_tag = false; ///< false when the body was shredded
    byte_array<16> tag{};
    static constexpr auto leads_to = table::session_tag;
    std::optional<row_key> target([[maybe_unused]] const byte_array<16>& account) const
    {
        return has_tag ? std::optional(row_key(account, tag)) : std::nullopt;
    }
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
/// A ‖ S: what a message rewrites
struct session_hot_row
{
    static constexpr auto where = table::session_hot;
    static constexpr table_description description{"session_hot", key_shape::session};
    std::uint64_t seq = 0;
    unix_millis updated_at = 0;
    bool active = false;
    unix_millis active_at = 0;
    /// Here, so that what an agent may touch is known from this row alone.
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
/// A ‖ S, of a session whose maker ever took its lease
struct session_lease_row
{
    static constexpr auto where = table::session_lease;
    static constexpr table_description description{"session_lease", key_shape::session};
    revision epoch;
    static void fields(auto& row, auto& codec) { codec(row.epoch); }
};
/// A ‖ prf('t' ‖ account ‖ tag)
struct session_tag_row
{
    static constexpr auto where = table::session_tag;
    static constexpr table_description description{"session_tag", key_shape::session_index};
    session_id session;
    static void fields(auto& row, auto& codec) { codec(row.session); }
};
/// lsns of up to this many events that follow one another in a stream.
inline constexpr std::uint64_t run_length = 64;
/// A ‖ run u64be: of the account's revisions, see runs.hpp
struct revision_run
{
    static constexpr auto where = table::revision_run;
    static constexpr table_description description{"revision_run", key_shape::account_thing};
    std::vector<lsn> numbers;
    static void fields(auto& row, auto& codec) { codec(row.numbers); }
};
/// S ‖ run u64be: of the session's messages
struct message_run
{
    static constexpr auto where = table::message_run;
    static constexpr table_description description{"message_run", key_shape::session_thing};
    std::vector<lsn> numbers;
    static void fields(auto& row, auto& codec) { codec(row.numbers); }
};
/// S ‖ prf('l' ‖ session ‖ local id)
struct local_id_row
{
    static constexpr auto where = table::local_id;
    static constexpr table_description description{"local_id", key_shape::session_thing};
    std::uint64_t seq = 0;
    static void fields(auto& row, auto& codec) { codec(row.seq); }
};
/// A ‖ M
struct machine_row
{
    static constexpr auto where = table::machine;
    static constexpr table_description description{"machine", key_shape::machine};
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
    static constexpr auto leads_to = table::machine_key;
    std::optional<row_key> target([[maybe_unused]] const byte_array<16>& account) const
    {
        return has_key ? std::optional(row_key(account, key)) : std::nullopt;
    }
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
/// A ‖ prf('n' ‖ account ‖ machine id)
struct machine_key_row
{
    static constexpr auto where = table::machine_key;
    static constexpr table_description description{"machine_key", key_shape::machine_index};
    machine_row_id machine;
    static void fields(auto& row, auto& codec) { codec(row.machine); }
};
/// A ‖ S or A ‖ M, while it is active
struct active_row
{
    static constexpr auto where = table::active;
    static constexpr table_description description{"active", key_shape::session_or_machine};
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

/// A ‖ prf('d' ‖ account ‖ device): of a device that the chain names or that has signed out. A first-edition device
/// that no statement names has none.
struct device_standing_row
{
    static constexpr auto where = table::device_standing;
    static constexpr table_description description{"device_standing", key_shape::account_thing};
    bool stated = false;
    std::uint64_t sign_outs = 0; ///< tokens of fewer are void
    static void fields(auto& row, auto& codec)
    {
        codec(row.stated);
        codec(row.sign_outs);
    }
};
/// A: where the account's chain ends. No row: nothing is stated.
struct device_chain_row
{
    static constexpr auto where = table::device_chain;
    static constexpr table_description description{"device_chain", key_shape::account};
    std::uint64_t statements = 0;
    std::uint64_t additions = 0;
    static void fields(auto& row, auto& codec)
    {
        codec(row.statements);
        codec(row.additions);
    }
};
/// A ‖ n u64be
struct statement_row
{
    static constexpr auto where = table::statement;
    static constexpr table_description description{"statement", key_shape::account_thing};
    lsn stated;
    byte_array<32> hash{}; ///< zeros when the body was shredded
    static void fields(auto& row, auto& codec)
    {
        codec(row.stated);
        codec(row.hash);
    }
};
/// A ‖ S: of a session whose deletion was signed. It stays until the account goes.
struct deleted_session_row
{
    static constexpr auto where = table::deleted_session;
    static constexpr table_description description{"deleted_session", key_shape::account_thing};
    lsn deleted;
    static void fields(auto& row, auto& codec) { codec(row.deleted); }
};
/// prf('i' ‖ invitation), until it is used
struct invitation_row
{
    static constexpr auto where = table::invitation;
    static constexpr table_description description{"invitation", key_shape::account_index};
    account_id maker;
    static void fields(auto& row, auto& codec) { codec(row.maker); }
};
/// A of the maker ‖ prf('i' ‖ invitation)
struct invitation_of_row
{
    static constexpr auto where = table::invitation_of;
    static constexpr table_description description{"invitation_of", key_shape::account_thing};
    invitation_id id;
    unix_millis expires = 0; ///< 0 when the body was shredded
    byte_array<16> index{};
    static constexpr auto leads_to = table::invitation;
    std::optional<row_key> target([[maybe_unused]] const byte_array<16>& account) const { return row_key(index); }
    static void fields(auto& row, auto& codec)
    {
        codec(row.id);
        codec(row.expires);
        codec(row.index);
    }
};
/// The account's last revision alone.
struct retired_head_row
{
    static constexpr auto where = table::account_head;
    static constexpr table_description description{"account_head", key_shape::retired};
};
/// One row for each revision and each message: half of what the views took on disk.
struct revision_row
{
    static constexpr auto where = table::revision;
    static constexpr table_description description{"revision", key_shape::retired};
};
struct message_row
{
    static constexpr auto where = table::message;
    static constexpr table_description description{"message", key_shape::retired};
};
/// Pairings that were approved before there were statements, and the way to them from their account.
struct pairing_row
{
    static constexpr auto where = table::pairing;
    static constexpr table_description description{"pairing", key_shape::retired};
};
struct pairing_of_row
{
    static constexpr auto where = table::pairing_of;
    static constexpr table_description description{"pairing_of", key_shape::retired};
};

/// Of every table the row, in the order of `table`.
template <class... Row>
struct row_list
{
    static constexpr std::array descriptions{Row::description...};
    template <class One>
    static constexpr bool has = (std::is_same_v<Row, One> || ...);

    /// Calls `visit.operator()<Row>()` for each.
    static void each(auto&& visit) { (visit.template operator()<Row>(), ...); }

    static consteval bool in_order()
    {
        std::size_t index = 0;
        return ((Row::where == static_cast<table>(index++)) && ...);
    }
    /// Whether every index has a row that leads to it: by no other way a deletion finds what it must erase there. The
    /// row must be one that this deletion finds.
    static consteval bool indexes_are_found()
    {
        const auto is_index = [](key_shape key)
        {
            return key == key_shape::account_index || key == key_shape::session_index ||
                   key == key_shape::machine_index;
        };
        return ((!is_index(Row::description.key) || is_found<Row>()) && ...);
    }

private:
    template <class Index>
    static consteval bool is_found()
    {
        return (leads<Row, Index>() || ...);
    }
    template <class From, class Index>
    static consteval bool leads()
    {
        if constexpr (requires { From::leads_to; })
            if constexpr (From::leads_to == Index::where)
                switch (Index::description.key)
                {
                case key_shape::session_index:
                    return From::description.key == key_shape::session;
                case key_shape::machine_index:
                    return From::description.key == key_shape::machine;
                case key_shape::account_index:
                    return From::description.key == key_shape::account ||
                           From::description.key == key_shape::account_thing;
                case key_shape::account:
                case key_shape::account_thing:
                case key_shape::session:
                case key_shape::session_thing:
                case key_shape::machine:
                case key_shape::session_or_machine:
                case key_shape::retired:
                    break;
                }
        return false;
    }
};
using all_rows = row_list<
    retired_head_row, account_row, account_key_row, revision_row, device_row, device_key_row, pairing_row,
    pairing_of_row, session_row, session_hot_row, session_tag_row, message_row, local_id_row, machine_row,
    machine_key_row, active_row, revision_run, message_run, device_standing_row, device_chain_row, statement_row,
    deleted_session_row, totals_row, invitation_row, invitation_of_row, session_lease_row>;
static_assert(all_rows::in_order());
static_assert(all_rows::indexes_are_found());
constexpr const table_description& description_of(table of)
{
    return all_rows::descriptions[static_cast<std::size_t>(of)];
}

template <class Row>
Row parse_row(byte_view value)
{
    Row row;
    row_parser parser(Row::where, value);
    Row::fields(row, parser);
    parser.finish();
    return row;
}
/// Of a run what row_writer needs to go on.
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
    static_assert(all_rows::has<Row>, "name it in all_rows");
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
