#include "families.hpp"
#include <algorithm>

namespace consortium::projections
{
namespace
{

log::draft machine_draft(log::event_type type, machine_row_id machine, log::event_body body)
{
    return {
        .type = type,
        .stream = machine.as<stream_id>(),
        .key = machine.as<key_id>(),
        .destroys = {},
        .body = std::move(body)};
}

/// The machine, if `who` may write to it; errc::version_mismatch unless the field `which` is at `expected`; `current`
/// gets what is.
result<machine_row> check_version(
    const log::view_reader& rows, const principal& who, std::string_view machine_id, revision expected,
    versioned_value machine_row::* which, versioned_value& current)
{
    auto row = reach_machine(rows, who, machine_id, intent::write);
    if (!row)
        return row;
    current = (*row).*which;
    if (current.version != expected)
        return fail(
            errc::version_mismatch, "expected version " + std::to_string(expected.value) + "; the current one is " +
                                        std::to_string(current.version.value));
    return row;
}

void set_active(const log::event& happened, log::view_writer& rows, const row_key& key, machine_row& row, bool active)
{
    row.active = active;
    row.active_at = happened.header.time;
    if (active)
        put_row(rows, key, active_row{happened.header.account, /*is_machine=*/true, happened.header.stream.value});
    else
        erase_row<active_row>(rows, key);
}

void erase_machine(const row_key& key, const machine_row& machine, log::view_writer& rows)
{
    if (machine.has_key)
        erase_row<machine_key_row>(rows, row_key(key.prefix(), machine.key));
    erase_row<active_row>(rows, key);
    erase_row<machine_row>(rows, key);
}

result<machine_view> read_machine(const log::snapshot& at, const machine_row& row)
{
    const auto registered = read_event_of<log::machine_registered>(at, row.registered);
    if (!registered)
        return std::unexpected(registered.error());
    const auto& body = *registered->as<log::machine_registered>();
    machine_view out{
        .row = row.id,
        .id = body.machine_id,
        .creator = row.creator,
        .metadata = {},
        .metadata_version = row.metadata.version,
        .daemon_state = {},
        .daemon_state_version = row.daemon_state.version,
        .data_key = body.data_key,
        .active = row.active,
        .active_at = row.active_at,
        .created_at = registered->header.time,
        .updated_at = row.updated_at};
    auto metadata = value_at(at, row.metadata.where, field::metadata);
    if (!metadata)
        return std::unexpected(metadata.error());
    out.metadata = metadata->value_or("");
    auto state = value_at(at, row.daemon_state.where, field::state);
    if (!state)
        return std::unexpected(state.error());
    out.daemon_state = std::move(*state);
    return out;
}

} // namespace

std::optional<machine_row>
find_machine_row(const log::view_reader& rows, account_id account, std::string_view machine_id)
{
    const row_key key(account_part(rows, account), machine_id_part(rows, account, machine_id));
    const auto index = get_row<machine_key_row>(rows, key);
    if (!index)
        return std::nullopt;
    auto row = get_row<machine_row>(rows, machine_row_key(rows, account, index->machine));
    if (!row)
        corrupt_row(table::machine_key, "names a machine that does not exist");
    return row;
}

std::size_t register_machine::size() const
{
    return sizeof(*this) + machine_id.size() + metadata.size() + (daemon_state ? daemon_state->size() : 0) +
           (data_key ? data_key->size() : 0);
}

result<log::decision> register_machine::decide(const log::view_reader& rows, unix_millis)
{
    created = false;
    if (auto fits = check_text("machine id", machine_id.size(), 1, limits::name_bytes_max); !fits)
        return std::unexpected(fits.error());
    if (auto fits = check_text("metadata", metadata.size(), 0, limits::state_bytes_max); !fits)
        return std::unexpected(fits.error());
    if (auto fits = check_text("daemonState", daemon_state ? daemon_state->size() : 0, 0, limits::state_bytes_max);
        !fits)
        return std::unexpected(fits.error());
    if (auto fits = check_text("dataEncryptionKey", data_key ? data_key->size() : 0, 0, limits::data_key_bytes_max);
        !fits)
        return std::unexpected(fits.error());

    log::decision out{.account = who.account, .drafts = {}};
    const auto known = reach_machine(rows, who, machine_id, intent::settle);
    if (known)
    {
        machine = known->id;
        return out;
    }
    if (known.error() != errc::not_found)
        return std::unexpected(known.error());
    machine = new_machine;
    created = true;
    out.drafts.push_back(machine_draft(
        log::event_type::machine_registered, machine,
        log::machine_registered{who.device, machine_id, metadata, daemon_state, data_key}));
    out.drafts.back().creates_key = true;
    return out;
}

std::size_t change_machine_metadata::size() const
{
    return sizeof(*this) + machine_id.size() + metadata.size();
}

result<log::decision> change_machine_metadata::decide(const log::view_reader& rows, unix_millis)
{
    if (auto fits = check_text("metadata", metadata.size(), 0, limits::state_bytes_max); !fits)
        return std::unexpected(fits.error());
    const auto row = check_version(rows, who, machine_id, expected, &machine_row::metadata, current);
    if (!row)
        return std::unexpected(row.error());
    return log::decision{
        .account = who.account,
        .drafts = {machine_draft(
            log::event_type::machine_metadata_changed, row->id, log::machine_metadata_changed{metadata})}};
}

std::size_t change_daemon_state::size() const
{
    return sizeof(*this) + machine_id.size() + state.size();
}

result<log::decision> change_daemon_state::decide(const log::view_reader& rows, unix_millis)
{
    if (auto fits = check_text("daemonState", state.size(), 0, limits::state_bytes_max); !fits)
        return std::unexpected(fits.error());
    const auto row = check_version(rows, who, machine_id, expected, &machine_row::daemon_state, current);
    if (!row)
        return std::unexpected(row.error());
    return log::decision{
        .account = who.account,
        .drafts = {machine_draft(log::event_type::daemon_state_changed, row->id, log::daemon_state_changed{state})}};
}

std::size_t set_machine_online::size() const
{
    return sizeof(*this) + machine_id.size();
}

result<log::decision> set_machine_online::decide(const log::view_reader& rows, unix_millis)
{
    const auto row = reach_machine(rows, who, machine_id, intent::write);
    if (!row)
        return std::unexpected(row.error());
    log::decision out{.account = who.account, .drafts = {}};
    if (row->active != online)
        out.drafts.push_back(machine_draft(
            online ? log::event_type::machine_online : log::event_type::machine_offline, row->id, log::no_body{}));
    return out;
}

std::size_t remove_machine::size() const
{
    return sizeof(*this) + machine_id.size();
}

result<log::decision> remove_machine::decide(const log::view_reader& rows, unix_millis)
{
    const auto row = reach_machine(rows, who, machine_id, intent::settle);
    if (!row)
        return std::unexpected(row.error());
    auto removed = machine_draft(log::event_type::machine_removed, row->id, log::machine_removed{machine_id});
    removed.key = who.account.as<key_id>();
    removed.destroys.push_back(row->id.as<key_id>());
    return log::decision{.account = who.account, .drafts = {std::move(removed)}};
}

void fold_machine(const log::event& happened, const byte_array<16>& account, log::view_writer& rows)
{
    const auto& header = happened.header;
    const auto machine = header.stream.as<machine_row_id>();
    const row_key key(account, machine_part(rows, header.account, machine));

    if (header.type == log::event_type::machine_registered)
    {
        machine_row row{
            .id = machine,
            .creator = {},
            .registered = happened.number,
            .metadata = {header.rev, happened.number},
            .daemon_state = {},
            .active_at = header.time,
            .updated_at = header.time};
        if (const auto* body = happened.as<log::machine_registered>())
        {
            row.creator = body->creator;
            if (body->daemon_state)
                row.daemon_state = {header.rev, happened.number};
            row.has_key = true;
            row.key = machine_id_part(rows, header.account, body->machine_id);
            put_row(rows, row_key(account, row.key), machine_key_row{machine});
        }
        return put_row(rows, key, row);
    }

    auto row = get_row_of<machine_row>(happened, rows, key);
    row.updated_at = std::max(row.updated_at, header.time);
    switch (header.type)
    {
    case log::event_type::machine_metadata_changed:
        row.metadata = {header.rev, happened.number};
        break;
    case log::event_type::daemon_state_changed:
        row.daemon_state = {header.rev, happened.number};
        set_active(happened, rows, key, row, /*active=*/true);
        break;
    case log::event_type::machine_online:
        set_active(happened, rows, key, row, /*active=*/true);
        break;
    case log::event_type::machine_offline:
        set_active(happened, rows, key, row, /*active=*/false);
        break;
    case log::event_type::machine_removed:
        return erase_machine(key, row, rows);
    default:
        corrupt_event(happened, "is no event of a machine");
    }
    put_row(rows, key, row);
}

result<machine_view> find_machine(const log::snapshot& at, account_id account, std::string_view machine_id)
{
    return guarded(
        [&]() -> result<machine_view>
        {
            const auto row = find_machine_row(at, account, machine_id);
            if (!row)
                return fail(errc::not_found, "no machine with this id");
            return read_machine(at, *row);
        });
}

result<std::vector<machine_view>> list_machines(const log::snapshot& at, account_id account)
{
    return guarded(
        [&]() -> result<std::vector<machine_view>>
        {
            std::vector<machine_row> rows;
            scan_rows<machine_row>(
                at, account_part(at, account),
                [&](byte_view, const machine_row& row)
                {
                    rows.push_back(row);
                    return true;
                });
            std::ranges::sort(
                rows, std::greater{}, [](const machine_row& row) { return std::pair(row.active_at, row.id); });
            std::vector<machine_view> out;
            out.reserve(rows.size());
            for (const auto& row : rows)
            {
                auto machine = read_machine(at, row);
                if (machine)
                    out.push_back(std::move(*machine));
                else if (machine.error() != errc::not_found)
                    return std::unexpected(machine.error());
            }
            return out;
        });
}

} // namespace consortium::projections
