#include "consortium/protocol/v1/updates.hpp"
#include "consortium/common/base64.hpp"

namespace consortium::protocol::v1
{
namespace
{

void write_body(json_writer& out, const nothing&)
{
    out.field("t", "none");
}

void write_body(json_writer& out, const shredded& body)
{
    out.field("t", "shredded").field("from", body.from);
}

void write_body(json_writer& out, const new_message& body)
{
    out.field("t", "new-message").field("sid", body.sid).key("message");
    write(out, body.message);
}

void write_body(json_writer& out, const new_session& body)
{
    out.field("t", "new-session");
    write_fields(out, body.session);
}

void write_body(json_writer& out, const update_session& body)
{
    out.field("t", "update-session").field("id", body.id);
    const auto half = [&](std::string_view name, const std::optional<update_session::value_of>& given)
    {
        if (given)
            out.key(name).begin_object().field("value", given->value).field("version", given->version).end_object();
    };
    half("metadata", body.metadata);
    half("agentState", body.agent_state);
    if (body.epoch)
        out.field("epoch", *body.epoch);
}

void write_body(json_writer& out, const delete_session& body)
{
    out.field("t", "delete-session").field("sid", body.sid);
    if (body.by)
        out.field("device", base64_encode(body.by->device)).field("signature", base64_encode(body.by->signature));
}

void write_body(json_writer& out, const session_activity& body)
{
    out.field("t", "session-activity")
        .field("id", body.id)
        .field("active", body.active)
        .field("activeAt", body.active_at);
}

void write_body(json_writer& out, const new_machine& body)
{
    const auto& machine = body.machine;
    out.field("t", "new-machine")
        .field("machineId", machine.id)
        .field("seq", 0)
        .field("metadata", machine.metadata)
        .field("metadataVersion", machine.metadata_version)
        .field("daemonState", machine.daemon_state)
        .field("daemonStateVersion", machine.daemon_state_version)
        .field("dataEncryptionKey", machine.data_key)
        .field("active", machine.active)
        .field("activeAt", machine.active_at)
        .field("createdAt", machine.created_at)
        .field("updatedAt", machine.updated_at);
}

void write_body(json_writer& out, const update_machine& body)
{
    out.field("t", "update-machine").field("machineId", body.machine_id);
    const auto half = [&](std::string_view name, const std::optional<update_machine::value_of>& given)
    {
        if (given)
            out.key(name).begin_object().field("value", given->value).field("version", given->version).end_object();
    };
    half("metadata", body.metadata);
    half("daemonState", body.daemon_state);
    out.field("active", body.active).field("activeAt", body.active_at);
}

void write_body(json_writer& out, const machine_activity& body)
{
    out.field("t", "machine-activity")
        .field("id", body.id)
        .field("active", body.active)
        .field("activeAt", body.active_at);
}

void write_body(json_writer& out, const delete_machine& body)
{
    out.field("t", "delete-machine").field("machineId", body.machine_id);
}

void write_body(json_writer& out, const device_change& body)
{
    out.field("t", "device").field("statement", base64_encode(body.statement));
}

} // namespace

void write(json_writer& out, const update& value)
{
    out.begin_object().field("id", value.id).field("seq", value.seq).key("body").begin_object();
    std::visit([&](const auto& body) { write_body(out, body); }, value.body);
    out.end_object().field("createdAt", value.created_at).end_object();
}

std::string activity_ephemeral(std::string_view session, bool active, std::int64_t active_at, bool thinking)
{
    std::string text;
    json_writer(text)
        .begin_object()
        .field("type", "activity")
        .field("id", session)
        .field("active", active)
        .field("activeAt", active_at)
        .field("thinking", thinking)
        .end_object();
    return text;
}

std::string machine_activity_ephemeral(std::string_view machine, bool active, std::int64_t active_at)
{
    std::string text;
    json_writer(text)
        .begin_object()
        .field("type", "machine-activity")
        .field("id", machine)
        .field("active", active)
        .field("activeAt", active_at)
        .end_object();
    return text;
}

std::string stream_ephemeral(std::string_view session, std::string_view content)
{
    std::string text;
    text.reserve(content.size() + 96);
    json_writer(text).begin_object().field("type", "stream").field("sid", session).field("c", content).end_object();
    return text;
}

} // namespace consortium::protocol::v1
