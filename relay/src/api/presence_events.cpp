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

/// The session, if it is there and the client may speak for it. Asked anew each time: it may have been deleted.
std::optional<session_id> speaks_for_session(connection& from, const std::string& sid)
{
    const auto session = parse_uuid<session_id>(sid).value_or(session_id{});
    const auto at = from.shared().log.read();
    if (!projections::reach(*at, from.who(), projections::session_target{session}, intent::write))
        return std::nullopt;
    return session;
}

void session_alive(connection& from, const boost::json::object* fields, ack reply)
{
    acknowledge(reply);
    const auto said =
        fields ? v1::read_alive_event(*fields, "sid") : result<v1::alive_event>(fail(errc::bad_request, ""));
    if (!said)
        return;
    if (const auto session = speaks_for_session(from, said->id))
        perform(
            from, from.shared().presence.with(
                      [&](presence_table& table, unix_millis now)
                      { return table.session_alive(from.account(), *session, said->time, said->thinking, now); }));
}

void session_end(connection& from, const boost::json::object* fields, ack reply)
{
    acknowledge(reply);
    const auto said =
        fields ? v1::read_alive_event(*fields, "sid") : result<v1::alive_event>(fail(errc::bad_request, ""));
    if (!said)
        return;
    if (const auto session = speaks_for_session(from, said->id))
        perform(
            from,
            from.shared().presence.with([&](presence_table& table, unix_millis now)
                                        { return table.session_end(from.account(), *session, said->time, now); }));
}

void machine_alive(connection& from, const boost::json::object* fields, ack reply)
{
    acknowledge(reply);
    const auto said =
        fields ? v1::read_alive_event(*fields, "machineId") : result<v1::alive_event>(fail(errc::bad_request, ""));
    if (!said)
        return;
    const auto at = from.shared().log.read();
    if (!projections::reach(*at, from.who(), projections::machine_target{said->id}, intent::write))
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
