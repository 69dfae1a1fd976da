#include "api/objects.hpp"

namespace consortium::relay::api
{

protocol::v1::session_object object_of(const projections::session_view& row)
{
    return {
        .id = to_string(row.id),
        .seq = row.seq,
        .created_at = row.created_at,
        .updated_at = row.updated_at,
        .active = row.active,
        .active_at = row.active_at,
        .metadata = row.metadata,
        .metadata_version = row.metadata_version.value,
        .agent_state = row.agent_state,
        .agent_state_version = row.agent_state_version.value,
        .data_key = row.data_key,
    };
}

protocol::v1::machine_object object_of(const projections::machine_view& row)
{
    return {
        .id = row.id,
        .metadata = row.metadata,
        .metadata_version = row.metadata_version.value,
        .daemon_state = row.daemon_state,
        .daemon_state_version = row.daemon_state_version.value,
        .data_key = row.data_key,
        .active = row.active,
        .active_at = row.active_at,
        .created_at = row.created_at,
        .updated_at = row.updated_at,
    };
}

protocol::v1::message_object object_of(const projections::message_view& row)
{
    return {
        .id = to_string(row.id),
        .seq = row.seq,
        .revision = row.rev.value,
        .local_id = row.local_id,
        .content = row.content,
        .created_at = row.created_at,
    };
}

result<protocol::v1::message_object> message_of(const log::event& happened)
{
    const auto* body = happened.as<log::message_appended>();
    if (!body)
        return fail(errc::corrupt, "lsn " + std::to_string(happened.number.value) + " should be a message");
    return protocol::v1::message_object{
        .id = to_string(body->id),
        .seq = happened.header.seq,
        .revision = happened.header.rev.value,
        .local_id = body->local_id,
        .content = body->content,
        .created_at = happened.header.time,
    };
}

} // namespace consortium::relay::api
