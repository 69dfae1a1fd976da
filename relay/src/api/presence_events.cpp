#include "api/events.hpp"
#include "consortium/projections/views.hpp"

namespace consortium::relay::api
{
namespace
{

/// Transitions count as something the client did: what it says next comes after them.
void perform(connection& from, const presence_table::actions& wanted)
{
    from.shared().presence.perform(
        wanted, [&from](std::shared_ptr<log::command> command, hub::completion done)
        { return from.submit(std::move(command), std::move(done)); });
}

/// Whether it is there and the client may speak for it. Asked anew each time: it may have been deleted. What it said
/// was acknowledged and is not passed over because the log cannot be read: it shall dial again, and say it again.
bool speaks_for(connection& from, const projections::target& what)
{
    const auto at = from.shared().log.read();
    const auto reached = projections::reach(*at, from.who(), what, intent::write);
    if (!reached && reached.error() != errc::not_found && reached.error() != errc::forbidden)
        from.fail("the log could not be read");
    return reached.has_value();
}

void session_alive(connection& from, const boost::json::object* fields, ack reply)
{
    acknowledge(reply);
    const auto said =
        fields ? v1::read_alive_event(*fields, "sid") : result<v1::alive_event>(fail(errc::bad_request, ""));
    if (!said)
        return;
    const auto session = parse_uuid<session_id>(said->id).value_or(session_id{});
    if (!speaks_for(from, projections::session_target{session}))
        return;
    perform(
        from, from.shared().presence.with(
                  [&](presence_table& table, unix_millis now)
                  { return table.session_alive(from.account(), session, said->time, said->thinking, now); }));
}

void session_end(connection& from, const boost::json::object* fields, ack reply)
{
    acknowledge(reply);
    const auto said =
        fields ? v1::read_alive_event(*fields, "sid") : result<v1::alive_event>(fail(errc::bad_request, ""));
    if (!said)
        return;
    const auto session = parse_uuid<session_id>(said->id).value_or(session_id{});
    if (!speaks_for(from, projections::session_target{session}))
        return;
    perform(
        from, from.shared().presence.with([&](presence_table& table, unix_millis now)
                                          { return table.session_end(from.account(), session, said->time, now); }));
}

void machine_alive(connection& from, const boost::json::object* fields, ack reply)
{
    acknowledge(reply);
    const auto said =
        fields ? v1::read_alive_event(*fields, "machineId") : result<v1::alive_event>(fail(errc::bad_request, ""));
    if (!said)
        return;
    if (!speaks_for(from, projections::machine_target{said->id}))
        return;
    perform(
        from, from.shared().presence.with([&](presence_table& table, unix_millis now)
                                          { return table.machine_alive(from.account(), said->id, said->time, now); }));
}

constexpr event_route routes[] = {
    {"session-alive", session_alive},
    {"session-end", session_end},
    {"machine-alive", machine_alive},
};

} // namespace

std::span<const event_route> presence_events()
{
    return routes;
}

} // namespace consortium::relay::api
