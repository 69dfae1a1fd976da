#include "consortium/common/limits.hpp"
#include "families.hpp"
#include <algorithm>
#include <limits>

namespace consortium::projections
{
namespace
{

std::unexpected<error> over_quota(std::uint64_t most, std::string_view what, std::string_view remedy)
{
    return fail(
        errc::quota,
        "this account has all it may have on this relay, " + std::to_string(most) + " " + std::string(what) + ": " +
            std::string(remedy) + ", or ask whoever runs the relay for more",
        limits::quota_retry);
}

class domain_rules final : public log::domain
{
public:
    explicit domain_rules(const quotas& allowed) : quotas_(allowed) {}

    std::span<const std::string_view> tables() const override { return table_names(); }
    std::span<const log::table_id> retired() const override { return retired_tables(); }

    revision last_revision(const log::view_reader& rows, account_id account) const override
    {
        const auto totals = get_row<totals_row>(rows, account_row_key(rows, account));
        return totals ? totals->last : revision{};
    }

    result<void> admit(const log::view_reader& rows, const log::decision& what) const override
    {
        // The relay's own stream.
        if (what.account.is_nil())
            return {};
        auto after = get_row<totals_row>(rows, account_row_key(rows, what.account)).value_or(totals_row());
        const auto before = after;
        bool needs_room = false;
        for (const auto& draft : what.drafts)
        {
            const auto known = log::describe(draft.type);
            needs_room = needs_room || !known.needs_no_room();
            // Of devices those that a statement adds; the unnamed one is the relay's own.
            if (known.step == log::event_step::begins && draft.type != log::event_type::device_added)
                count(after, known.about, 1);
        }
        if (needs_room && before.bytes >= quotas_.bytes)
            return over_quota(quotas_.bytes >> 20, "MiB written", "delete the account and begin another");
        if (after.sessions > std::max(before.sessions, quotas_.sessions))
            return over_quota(quotas_.sessions, "sessions", "delete some");
        if (after.machines > std::max(before.machines, quotas_.machines))
            return over_quota(quotas_.machines, "machines", "remove some");
        if (after.devices > std::max(before.devices, quotas_.devices))
            return over_quota(quotas_.devices, "devices", "revoke some");
        return {};
    }

    void fold(const log::event& happened, log::view_writer& rows) const override
    {
        const auto& header = happened.header;
        const auto account = account_part(rows, header.account);
        const auto known = log::describe(header.type);
        auto totals = get_row<totals_row>(rows, row_key(account)).value_or(totals_row());
        totals.last = header.rev;
        totals.bytes += header.body_bytes + limits::record_bytes_counted;
        // Whether a device is one more is for its chain to say: fold_account().
        if (known.about != log::event_subject::device)
        {
            if (known.step == log::event_step::begins)
                count(totals, known.about, 1);
            if (known.step == log::event_step::ends)
                count(totals, known.about, -1);
        }
        put_row(rows, row_key(account), totals);
        put_revision(rows, account, header.rev, happened.number);

        if (known.name.empty())
            throw log::log_failure(
                {errc::newer_version,
                 "record " + std::to_string(happened.number.value) + " is of type " +
                     std::to_string(static_cast<unsigned>(header.type)) + ", which this version does not know",
                 std::nullopt});
        if (known.rows == log::event_rows::none)
            return;
        switch (known.about)
        {
        case log::event_subject::account:
        case log::event_subject::device:
            return fold_account(happened, account, rows);
        case log::event_subject::session:
            return fold_session(happened, account, rows);
        case log::event_subject::machine:
            return fold_machine(happened, account, rows);
        case log::event_subject::invitation:
            return fold_invitation(happened, account, rows);
        }
    }

private:
    static void count(totals_row& totals, log::event_subject what, int more)
    {
        const auto add = [&](std::uint64_t& to) { to += static_cast<std::uint64_t>(more); };
        switch (what)
        {
        case log::event_subject::session:
            return add(totals.sessions);
        case log::event_subject::machine:
            return add(totals.machines);
        case log::event_subject::device:
            return add(totals.devices);
        case log::event_subject::account:
        case log::event_subject::invitation:
            break;
        }
    }

    const quotas quotas_;
};

} // namespace

const log::domain& rules()
{
    static constexpr auto any = std::numeric_limits<std::uint64_t>::max();
    static const domain_rules only({.bytes = any, .sessions = any, .machines = any, .devices = any});
    return only;
}

std::unique_ptr<const log::domain> make_rules(const quotas& allowed)
{
    return std::make_unique<domain_rules>(allowed);
}

log::draft draft_of(log::event_type type, account_id account, stream_id stream, log::event_body body)
{
    const auto known = log::describe(type);
    const bool has_key = known.about != log::event_subject::device;
    log::draft out{
        .type = type,
        .stream = stream,
        .key = known.seal == log::event_seal::subject ? stream.as<key_id>() : account.as<key_id>(),
        .creates_key = has_key && known.step == log::event_step::begins,
        .destroys = {},
        .body = std::move(body)};
    if (known.destroys_key())
        out.destroys.push_back(stream.as<key_id>());
    return out;
}

result<void> check_text(std::string_view what, std::size_t size, std::size_t size_min, std::size_t size_max)
{
    if (size < size_min)
        return fail(errc::bad_request, std::string(what) + " is empty");
    if (size > size_max)
        return fail(
            errc::too_large,
            std::string(what) + " has " + std::to_string(size) + " bytes; the limit is " + std::to_string(size_max));
    return {};
}

result<log::event> read_event(const log::snapshot& at, lsn number)
{
    auto found = at.read(number);
    if (found && found->shredded())
        return fail(errc::not_found, "deleted");
    return found;
}

result<std::vector<active_thing>> list_active(const log::snapshot& at)
{
    return guarded(
        [&]() -> result<std::vector<active_thing>>
        {
            std::vector<active_thing> found;
            std::optional<error> failed;
            scan_rows<active_row>(
                at, {},
                [&](byte_view key, const active_row& row)
                {
                    active_thing thing{.account = row.account, .session = {}, .machine_id = {}};
                    if (!row.is_machine)
                    {
                        thing.session = session_id{row.id};
                        const auto hot = get_row<session_hot_row>(at, key);
                        if (!hot)
                            corrupt_row(table::active, "names a session that does not exist");
                        thing.active_at = hot->active_at;
                        found.push_back(std::move(thing));
                        return true;
                    }
                    const auto machine = get_row<machine_row>(at, key);
                    if (!machine)
                        corrupt_row(table::active, "names a machine that does not exist");
                    const auto registered = read_event_of<log::machine_registered>(at, machine->registered);
                    if (registered)
                    {
                        thing.machine_id = registered->as<log::machine_registered>()->machine_id;
                        thing.active_at = machine->active_at;
                        found.push_back(std::move(thing));
                    }
                    else if (registered.error() != errc::not_found)
                        failed = registered.error();
                    return !failed.has_value();
                });
            if (failed)
                return std::unexpected(*failed);
            return found;
        });
}

} // namespace consortium::projections
