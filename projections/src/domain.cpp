#include "families.hpp"

namespace consortium::projections
{
namespace
{

class domain_rules final : public log::domain
{
public:
    std::span<const std::string_view> tables() const override { return table_names(); }
    std::span<const log::table_id> retired() const override { return retired_tables(); }

    revision last_revision(const log::view_reader& rows, account_id account) const override
    {
        const auto head = get_row<head_row>(rows, account_row_key(rows, account));
        return head ? head->last : revision{};
    }

    void fold(const log::event& happened, log::view_writer& rows) const override
    {
        const auto& header = happened.header;
        const auto account = account_part(rows, header.account);
        put_row(rows, row_key(account), head_row{header.rev});
        put_revision(rows, account, header.rev, happened.number);

        using enum log::event_type;
        switch (header.type)
        {
        case message_appended:
            return fold_message(happened, account, rows);
        case session_created:
        case session_metadata_changed:
        case agent_state_changed:
        case session_ended:
        case session_resumed:
        case session_deleted:
            return fold_session(happened, account, rows);
        case machine_registered:
        case machine_metadata_changed:
        case daemon_state_changed:
        case machine_online:
        case machine_offline:
        case machine_removed:
            return fold_machine(happened, account, rows);
        case account_created:
        case device_added:
        case device_renamed:
        case device_revoked:
        case pairing_approved:
        case account_deleted:
            return fold_account(happened, account, rows);
        }
        throw log::log_failure(
            {errc::newer_version,
             "record " + std::to_string(happened.number.value) + " is of type " +
                 std::to_string(static_cast<unsigned>(header.type)) + ", which this version does not know",
             std::nullopt});
    }
};

} // namespace

const log::domain& rules()
{
    static const domain_rules only;
    return only;
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
