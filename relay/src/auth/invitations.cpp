#include "auth/invitations.hpp"
#include "consortium/common/invitation.hpp"
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

namespace consortium::relay
{

asio::awaitable<result<issued_invitation>> invite(services& shared, projections::principal who)
{
    // It would open nothing.
    if (shared.registration.allowed == projections::registration::by::nobody)
        co_return fail(errc::registration_closed, "this relay takes no new accounts, invited or not");
    auto made = make_invitation();
    auto wanted = std::make_shared<projections::invite>();
    wanted->who = who;
    wanted->invitation = made.id;
    wanted->lifetime = shared.settings.invitation_lifetime;
    const auto done = co_await shared.commits.append(wanted);
    if (!done)
        co_return std::unexpected(done.error());
    co_return issued_invitation{std::move(made.code), wanted->expires};
}

result<issued_invitation> invite_as_relay(services& shared, net::http_server& server)
{
    return asio::co_spawn(server.executor(0), invite(shared, {}), asio::use_future).get();
}

} // namespace consortium::relay
