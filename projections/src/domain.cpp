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

        const auto known = log::describe(header.type);
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
        }
    }
};

} // namespace

const log::domain& rules()
{
    static const domain_rules only;
    return only;
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
