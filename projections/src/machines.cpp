#include "erasing.hpp"
#include "families.hpp"
#include <algorithm>

namespace consortium::projections
{
namespace
{

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

struct machine_fold
{
    using type = log::event_type;
    const log::event& happened;
    const row_key& key;
    log::view_writer& rows;

    void operator()(on<type::machine_registered>) const
    {
        const auto& header = happened.header;
        machine_row row{
            .id = header.stream.as<machine_row_id>(),
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
            put_row(rows, row_key(key.prefix(), row.key), machine_key_row{row.id});
        }
        put_row(rows, key, row);
    }
    void operator()(on<type::machine_metadata_changed>) const
    {
        change([&](machine_row& row) { row.metadata = {happened.header.rev, happened.number}; });
    }
    void operator()(on<type::daemon_state_changed>) const
    {
        change(
            [&](machine_row& row)
            {
                row.daemon_state = {happened.header.rev, happened.number};
                set_active(row, /*active=*/true);
            });
    }
    void operator()(on<type::machine_online>) const
    {
        change([&](machine_row& row) { set_active(row, /*active=*/true); });
    }
    void operator()(on<type::machine_offline>) const
    {
        change([&](machine_row& row) { set_active(row, /*active=*/false); });
    }
    void operator()(on<type::machine_removed>) const
    {
        get_row_of<machine_row>(happened, rows, key);
        erase_machine(rows, key);
    }

private:
    void set_active(machine_row& row, bool active) const
    {
        row.active = active;
        row.active_at = happened.header.time;
        if (active)
            put_row(rows, key, active_row{happened.header.account, /*is_machine=*/true, happened.header.stream.value});
        else
            erase_row<active_row>(rows, key);
    }
    void change(auto&& apply_to) const
    {
        auto row = get_row_of<machine_row>(happened, rows, key);
        row.updated_at = std::max(row.updated_at, happened.header.time);
        apply_to(row);
        put_row(rows, key, row);
    }
};

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
    out.drafts.push_back(draft_of(
        log::event_type::machine_registered, who.account, machine.as<stream_id>(),
        log::machine_registered{who.device, machine_id, metadata, daemon_state, data_key}));
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
        .drafts = {draft_of(
            log::event_type::machine_metadata_changed, who.account, row->id.as<stream_id>(),
            log::machine_metadata_changed{metadata})}};
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
        .drafts = {draft_of(
            log::event_type::daemon_state_changed, who.account, row->id.as<stream_id>(),
            log::daemon_state_changed{state})}};
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
        out.drafts.push_back(draft_of(
            online ? log::event_type::machine_online : log::event_type::machine_offline, who.account,
            row->id.as<stream_id>()));
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
    return log::decision{
        .account = who.account,
        .drafts = {draft_of(
            log::event_type::machine_removed, who.account, row->id.as<stream_id>(), log::machine_removed{machine_id})}};
}

void fold_machine(const log::event& happened, const byte_array<16>& account, log::view_writer& rows)
{
    const auto machine = happened.header.stream.as<machine_row_id>();
    const row_key key(account, machine_part(rows, happened.header.account, machine));
    apply<log::event_subject::machine>(happened, machine_fold{happened, key, rows});
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
            std::size_t size = 0;
            for (const auto& row : rows)
            {
                if (size >= limits::list_bytes_max)
                    break;
                auto machine = read_machine(at, row);
                if (machine)
                {
                    size += machine->metadata.size() + (machine->daemon_state ? machine->daemon_state->size() : 0);
                    out.push_back(std::move(*machine));
                }
                else if (machine.error() != errc::not_found)
                    return std::unexpected(machine.error());
            }
            return out;
        });
}

} // namespace consortium::projections
