#include "consortium/common/limits.hpp"
#include "families.hpp"

/// Who may make an account.
namespace consortium::projections
{
namespace
{

bool has_accounts(const log::view_reader& rows)
{
    bool found = false;
    scan_rows<account_key_row>(
        rows, {},
        [&](byte_view, const account_key_row&)
        {
            found = true;
            return false;
        });
    return found;
}

std::size_t count_open(const log::view_reader& rows, account_id maker, unix_millis now)
{
    std::size_t open = 0;
    scan_rows<invitation_of_row>(
        rows, account_part(rows, maker),
        [&](byte_view, const invitation_of_row& row)
        {
            open += row.expires > now ? 1 : 0;
            return true;
        });
    return open;
}

row_key invitation_of_key(const log::view_reader& rows, account_id maker, const row_key& index)
{
    return {account_part(rows, maker), index.prefix()};
}

bool is_good(const log::view_reader& rows, invitation_id invitation, unix_millis now)
{
    const auto index = invitation_row_key(rows, invitation);
    const auto known = get_row<invitation_row>(rows, index);
    if (!known)
        return false;
    const auto row = get_row<invitation_of_row>(rows, invitation_of_key(rows, known->maker, index));
    if (!row)
        corrupt_row(table::invitation, "names an account that did not make it");
    return row->expires > now;
}

struct invitation_fold
{
    using type = log::event_type;
    const log::event& happened;
    const byte_array<16>& account;
    log::view_writer& rows;

    void operator()(on<type::invitation_made>) const
    {
        const auto id = happened.header.stream.as<invitation_id>();
        const auto index = invitation_row_key(rows, id);
        invitation_of_row row{.id = id, .index = index.prefix()};
        if (const auto* body = happened.as<log::invitation_made>())
            row.expires = body->expires;
        put_row(rows, index, invitation_row{happened.header.account});
        put_row(rows, row_key(account, row.index), row);
    }
    void operator()(on<type::invitation_used>) const
    {
        const auto index = invitation_row_key(rows, happened.header.stream.as<invitation_id>());
        const auto known = get_row_of<invitation_row>(happened, rows, index);
        erase_row<invitation_of_row>(rows, invitation_of_key(rows, known.maker, index));
        erase_row<invitation_row>(rows, index);
    }
};

} // namespace

result<std::optional<log::draft>> admit_registration(
    const log::view_reader& rows, account_id account, const registration& allowed,
    const std::optional<invitation_id>& with, unix_millis now)
{
    switch (allowed.allowed)
    {
    case registration::by::anybody:
        return std::nullopt;
    case registration::by::nobody:
        return fail(errc::registration_closed, "no account has this key, and this relay takes no new accounts");
    case registration::by::invitation:
        break;
    }
    if (allowed.first_is_free && !has_accounts(rows))
        return std::nullopt;
    if (!with)
        return fail(
            errc::invitation_required,
            "this relay makes new accounts by invitation: ask somebody who has an account here, or whoever runs the "
            "relay");
    if (!is_good(rows, *with, now))
        return fail(
            errc::invitation_required,
            "this invitation is not good: it was used already, it is too old, or it was not copied whole. Ask for "
            "another one");
    return draft_of(log::event_type::invitation_used, account, with->as<stream_id>());
}

std::size_t invite::size() const
{
    return sizeof(*this);
}

result<log::decision> invite::decide(const log::view_reader& rows, unix_millis now)
{
    if (!who.account.is_nil())
    {
        if (auto reached = reach_account(rows, who, account_target::guests, intent::settle); !reached)
            return std::unexpected(reached.error());
        if (count_open(rows, who.account, now) >= limits::invitations_open_max)
            return fail(
                errc::quota,
                "this account has " + std::to_string(limits::invitations_open_max) +
                    " invitations that nobody has used: wait until some are used or too old",
                limits::quota_retry);
    }
    expires = now + lifetime.count();
    return log::decision{
        .account = who.account,
        .drafts = {draft_of(
            log::event_type::invitation_made, who.account, invitation.as<stream_id>(),
            log::invitation_made{who.device, expires})}};
}

void fold_invitation(const log::event& happened, const byte_array<16>& account, log::view_writer& rows)
{
    apply<log::event_subject::invitation>(happened, invitation_fold{happened, account, rows});
}

result<bool> has_own_invitation(const log::snapshot& at, unix_millis now)
{
    return guarded([&]() -> result<bool> { return count_open(at, {}, now) > 0; });
}

} // namespace consortium::projections
