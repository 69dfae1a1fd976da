#include "consortium/projections/reach.hpp"
#include "families.hpp"

namespace consortium::projections
{
namespace
{

/// `row` of something that a device made, if `who` reaches it; `what` for texts.
template <class Row>
result<Row> reach_made(const std::optional<Row>& row, const principal& who, intent how, std::string_view what)
{
    const bool reached = row && reaches_made_by(who, row->creator);
    if (row && !reached && how != intent::see)
        return fail(errc::forbidden, "an agent reaches only the " + std::string(what) + "s it made");
    if (reached && how == intent::lease && row->creator != who.device)
        return fail(errc::forbidden, "only the device that made a " + std::string(what) + " takes its lease");
    if (!reached)
        return fail(errc::not_found, "no " + std::string(what) + " with this id");
    return *row;
}

/// errc::revoked when the device is gone, so that nothing it asked for happens after its revocation.
result<void> check_standing(const log::view_reader& rows, const principal& who, intent how)
{
    if (how != intent::settle && how != intent::lease)
        return {};
    const auto row = get_row<device_row>(rows, device_row_key(rows, who.account, who.device));
    if (!row)
        return fail(errc::unauthorized, "the account or the device does not exist any more");
    if (row->revoked)
        return fail(errc::revoked, "this device was revoked");
    return {};
}

std::unexpected<error> unknown_stream()
{
    return fail(errc::not_found, "nothing with this id");
}

template <class Row>
result<void> forget_row(const result<Row>& reached)
{
    if (!reached)
        return std::unexpected(reached.error());
    return {};
}

struct visitor
{
    const log::view_reader& rows;
    const principal& who;
    intent how;

    result<void> operator()(const session_target& wanted) const
    {
        return forget_row(reach_session(rows, who, session_row_key(rows, who.account, wanted.id), how));
    }
    result<void> operator()(const machine_target& wanted) const
    {
        return forget_row(reach_machine(rows, who, wanted.id, how));
    }
    result<void> operator()(const stream_target& wanted) const
    {
        if (who.kind != log::device_kind::agent)
            return {};
        const auto maker = find_maker(rows, who.account, wanted.id);
        if (!maker)
            return std::unexpected(maker.error());
        if (!reaches_made_by(who, *maker))
            return unknown_stream();
        return {};
    }
    result<void> operator()(const method_target& wanted) const
    {
        if (who.kind != log::device_kind::agent)
            return {};
        const auto scope = wanted.name.substr(0, wanted.name.rfind(':'));
        if (scope.size() < wanted.name.size())
        {
            if (const auto session = parse_uuid<session_id>(scope))
                if (auto reached = (*this)(session_target{*session}))
                    return reached;
            if (auto reached = (*this)(machine_target{scope}))
                return reached;
        }
        return fail(
            how == intent::see ? errc::not_found : errc::forbidden,
            "an agent reaches only the methods of the sessions and machines it made");
    }
    result<void> operator()(account_target wanted) const { return reach_account(rows, who, wanted, how); }
};

} // namespace

result<session_hot_row>
reach_session(const log::view_reader& rows, const principal& who, const row_key& session, intent how)
{
    if (auto standing = check_standing(rows, who, how); !standing)
        return std::unexpected(standing.error());
    return reach_made(get_row<session_hot_row>(rows, session), who, how, "session");
}

result<machine_row>
reach_machine(const log::view_reader& rows, const principal& who, std::string_view machine_id, intent how)
{
    if (auto standing = check_standing(rows, who, how); !standing)
        return std::unexpected(standing.error());
    return reach_made(find_machine_row(rows, who.account, machine_id), who, how, "machine");
}

result<void> reach_account(const log::view_reader& rows, const principal& who, account_target what, intent how)
{
    if (auto standing = check_standing(rows, who, how); !standing)
        return standing;
    const bool agent = who.kind == log::device_kind::agent;
    switch (what)
    {
    case account_target::contents:
    case account_target::devices:
        return {};
    case account_target::members:
        if (agent)
            return fail(errc::forbidden, "an agent cannot say which devices belong to the account");
        return {};
    case account_target::stream:
        if (agent)
            return fail(errc::forbidden, "an agent reaches its own sessions only, not the account's stream");
        return {};
    case account_target::guests:
        if (who.kind != log::device_kind::browser)
            return fail(errc::forbidden, "only a signed-in browser can invite people");
        return {};
    case account_target::end:
        if (who.kind != log::device_kind::browser)
            return fail(errc::forbidden, "only a signed-in browser can delete the account");
        return {};
    }
    return fail(errc::forbidden, "no part of an account");
}

result<void> reach(const log::view_reader& rows, const principal& who, const target& what, intent how)
{
    return guarded([&] { return std::visit(visitor{rows, who, how}, what); });
}

result<device_id> find_maker(const log::view_reader& rows, account_id account, stream_id stream)
{
    return guarded(
        [&]() -> result<device_id>
        {
            // Ids of sessions, machines, devices and accounts are all different.
            if (const auto session =
                    get_row<session_hot_row>(rows, session_row_key(rows, account, stream.as<session_id>())))
                return session->creator;
            if (const auto machine =
                    get_row<machine_row>(rows, machine_row_key(rows, account, stream.as<machine_row_id>())))
                return machine->creator;
            return unknown_stream();
        });
}

} // namespace consortium::projections
