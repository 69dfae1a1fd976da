#pragma once
#include "services.hpp"

/// Invitations: docs/protocol.md 2.9.
namespace consortium::relay
{

struct issued_invitation
{
    std::string code;
    unix_millis expires = 0;
};

/// On a network thread. `who` with a nil account: the relay itself. errc::registration_closed, and as
/// projections::invite.
asio::awaitable<result<issued_invitation>> invite(services& shared, projections::principal who);

/// The relay's own, from any other thread, which waits. `server` runs.
result<issued_invitation> invite_as_relay(services& shared, net::http_server& server);

} // namespace consortium::relay
