#include "api/events.hpp"
#include "consortium/projections/commands.hpp"

/// Who writes a session: docs/protocol.md 3.4.
namespace consortium::relay::api
{
namespace
{

void answer(const projections::lease_session& wanted, const log::outcome& ended, ack& reply)
{
    if (ended.committed)
        return reply(boost::json::object{{"result", "success"}, {"epoch", ended.committed->back()->header.rev.value}});
    if (ended.committed.error() == errc::version_mismatch)
        return reply(boost::json::object{{"result", "version-mismatch"}, {"epoch", wanted.current.value}});
    reply(ended.committed.error());
}

void session_lease(connection& from, const boost::json::object* fields, ack reply)
{
    if (!fields)
        return reply(no_argument());
    const auto asked = v1::read_lease_event(*fields);
    if (!asked)
        return reply(asked.error());
    auto wanted = std::make_shared<projections::lease_session>();
    wanted->who = from.who();
    wanted->session = parse_uuid<session_id>(asked->sid).value_or(session_id{});
    wanted->expected = asked->expected;
    // Shared with the error path: submit() takes the completion whether it succeeds or not.
    auto shared_reply = std::make_shared<ack>(std::move(reply));
    auto queued = from.submit(
        wanted,
        [wanted, shared_reply](const log::outcome& ended)
        {
            if (shared_reply->wanted())
                answer(*wanted, ended, *shared_reply);
        });
    if (!queued)
        (*shared_reply)(queued.error());
}

constexpr event_route routes[] = {
    {"session-lease", session_lease},
};

} // namespace

std::span<const event_route> lease_events()
{
    return routes;
}

} // namespace consortium::relay::api
