#pragma once
#include "consortium/projections/commands.hpp"
#include <string_view>
#include <variant>

/// What a principal may touch. This is the one place that says so: commands, queries, routes, socket events, scopes,
/// catch-up and methods all ask here.
///
/// A person's devices reach everything of their account. An agent reaches the sessions and machines it made, their
/// methods and what the account's stream says of them, and the list of devices. A session's lease is its maker's,
/// whatever device that is. Nobody reaches another account: what is there is as unknown as what is nowhere.
namespace consortium::projections
{

enum class intent
{
    see,    ///< what another device of the account made is not there: errc::not_found
    write,  ///< what another device of the account made is errc::forbidden
    settle, ///< create, delete, sign out: as write, and errc::revoked if the device was revoked meanwhile
    lease,  ///< to be who writes it: as settle, and what any other device of the account made is errc::forbidden
};

struct session_target
{
    session_id id;
};
struct machine_target
{
    std::string_view id;
};
/// What an event is about, as its header names it: a session, a machine, a device or the account.
struct stream_target
{
    stream_id id;
};
/// An RPC method, `<session or machine id>:<name>`: to call it (`see`) or to serve it (`write`).
struct method_target
{
    std::string_view name;
};
/// Of the account itself; a refusal is errc::forbidden always.
enum class account_target
{
    contents, ///< to make a session or a machine
    devices,  ///< to know which devices it has
    members,  ///< to say which devices it has
    stream,   ///< all that happens in it
    guests,   ///< to invite people, who get accounts of their own
    end,      ///< to delete it
};
using target = std::variant<session_target, machine_target, stream_target, method_target, account_target>;

/// errc::not_found, errc::forbidden, errc::revoked, errc::unauthorized (`settle`: the device is gone, with its
/// account); errc::corrupt, errc::io from the log.
result<void> reach(const log::view_reader& rows, const principal& who, const target& what, intent how);

/// The rule itself, for whoever holds a row already (lists) or remembers who made what (live updates).
constexpr bool reaches_made_by(const principal& who, device_id maker)
{
    return who.kind != log::device_kind::agent || who.device == maker;
}

/// The device that made the session or machine with this stream. errc::not_found: there is none in this account;
/// errc::corrupt, errc::io from the log.
result<device_id> find_maker(const log::view_reader& rows, account_id account, stream_id stream);

} // namespace consortium::projections
