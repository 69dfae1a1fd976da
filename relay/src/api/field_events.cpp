#include "api/events.hpp"
#include "consortium/projections/commands.hpp"
#include "consortium/projections/views.hpp"

/// Fields of sessions and machines, changed by whoever knows their current version.
namespace consortium::relay::api
{
namespace
{

using projections::field;

/// What differs between the four events.
struct field_kind
{
    std::string_view id_name;
    std::string_view value_name;
    field which;
    bool nullable;
    std::string_view not_found;
};
constexpr field_kind session_metadata{"sid", "metadata", field::metadata, false, "Session not found"};
constexpr field_kind agent_state{"sid", "agentState", field::state, true, "Session not found"};
constexpr field_kind machine_metadata{"machineId", "metadata", field::metadata, false, "Machine not found"};
constexpr field_kind daemon_state{"machineId", "daemonState", field::state, false, "Machine not found"};

boost::json::value json_of(const std::optional<std::string>& text)
{
    return text ? boost::json::value(*text) : boost::json::value(nullptr);
}

void answer(
    services& shared, const field_kind& kind, const std::optional<std::string>& written,
    const projections::versioned_value& current, const log::outcome& ended, ack& reply)
{
    if (!reply.wanted())
        return;
    if (ended.committed)
    {
        const auto version = ended.committed->empty() ? current.version : ended.committed->back()->header.rev;
        return reply(boost::json::object{
            {"result", "success"}, {"version", version.value}, {kind.value_name, json_of(written)}});
    }
    auto why = ended.committed.error();
    if (why == errc::version_mismatch)
    {
        const auto value = projections::value_at(*shared.log.read(), current.where, kind.which);
        if (value)
            return reply(boost::json::object{
                {"result", "version-mismatch"},
                {"version", current.version.value},
                {kind.value_name, json_of(*value)}});
        why = value.error();
    }
    if (why == errc::not_found)
        why.detail = kind.not_found;
    reply(why);
}

/// Submits `wanted`, which `fill` made of the request.
template <class Command, class Fill>
void change(connection& from, const boost::json::object* fields, ack reply, const field_kind& kind, Fill fill)
{
    if (!fields)
        return reply(no_argument());
    auto asked = v1::read_field_update(*fields, kind.id_name, kind.value_name, kind.nullable);
    if (!asked)
        return reply(asked.error());
    auto wanted = std::make_shared<Command>();
    wanted->who = from.who();
    wanted->expected = revision{asked->expected};
    fill(*wanted, *asked);
    auto shared_reply = std::make_shared<ack>(std::move(reply));
    auto queued = from.submit(
        wanted,
        [&shared = from.shared(), wanted, written = asked->value, shared_reply, &kind](const log::outcome& ended)
        { answer(shared, kind, written, wanted->current, ended, *shared_reply); });
    if (!queued)
        (*shared_reply)(queued.error());
}

void update_metadata(connection& from, const boost::json::object* fields, ack reply)
{
    change<projections::change_session_metadata>(
        from, fields, std::move(reply), session_metadata,
        [](projections::change_session_metadata& wanted, const v1::field_update_event& asked)
        {
            wanted.session = parse_uuid<session_id>(asked.id).value_or(session_id{});
            wanted.epoch = asked.epoch;
            wanted.metadata = *asked.value;
        });
}

void update_state(connection& from, const boost::json::object* fields, ack reply)
{
    change<projections::change_agent_state>(
        from, fields, std::move(reply), agent_state,
        [](projections::change_agent_state& wanted, const v1::field_update_event& asked)
        {
            wanted.session = parse_uuid<session_id>(asked.id).value_or(session_id{});
            wanted.epoch = asked.epoch;
            wanted.state = asked.value;
        });
}

void machine_update_metadata(connection& from, const boost::json::object* fields, ack reply)
{
    change<projections::change_machine_metadata>(
        from, fields, std::move(reply), machine_metadata,
        [](projections::change_machine_metadata& wanted, const v1::field_update_event& asked)
        {
            wanted.machine_id = asked.id;
            wanted.metadata = *asked.value;
        });
}

void machine_update_state(connection& from, const boost::json::object* fields, ack reply)
{
    change<projections::change_daemon_state>(
        from, fields, std::move(reply), daemon_state,
        [](projections::change_daemon_state& wanted, const v1::field_update_event& asked)
        {
            wanted.machine_id = asked.id;
            wanted.state = *asked.value;
        });
}

constexpr event_route routes[] = {
    {"update-metadata", update_metadata},
    {"update-state", update_state},
    {"machine-update-metadata", machine_update_metadata},
    {"machine-update-state", machine_update_state},
};

} // namespace

std::span<const event_route> field_events()
{
    return routes;
}

} // namespace consortium::relay::api
