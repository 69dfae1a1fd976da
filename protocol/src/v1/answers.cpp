#include "consortium/protocol/v1/answers.hpp"
#include "consortium/common/base64.hpp"

namespace consortium::protocol::v1
{

void write_fields(json_writer& out, const session_object& value)
{
    out.field("id", value.id)
        .field("seq", value.seq)
        .field("createdAt", value.created_at)
        .field("updatedAt", value.updated_at)
        .field("active", value.active)
        .field("activeAt", value.active_at)
        .field("metadata", value.metadata)
        .field("metadataVersion", value.metadata_version)
        .field("agentState", value.agent_state)
        .field("agentStateVersion", value.agent_state_version)
        .field("dataEncryptionKey", value.data_key);
}

void write(json_writer& out, const machine_object& value, bool with_seq)
{
    out.begin_object()
        .field("id", value.id)
        .field("metadata", value.metadata)
        .field("metadataVersion", value.metadata_version)
        .field("daemonState", value.daemon_state)
        .field("daemonStateVersion", value.daemon_state_version)
        .field("dataEncryptionKey", value.data_key);
    if (with_seq)
        out.field("seq", 0);
    out.field("active", value.active)
        .field("activeAt", value.active_at)
        .field("createdAt", value.created_at)
        .field("updatedAt", value.updated_at)
        .end_object();
}

void write(json_writer& out, const message_object& value)
{
    out.begin_object()
        .field("id", value.id)
        .field("seq", value.seq)
        .field("revision", value.revision)
        .key("content")
        .begin_object()
        .field("t", "encrypted")
        .field("c", value.content)
        .end_object()
        .field("localId", value.local_id)
        .field("createdAt", value.created_at)
        .field("updatedAt", value.created_at)
        .end_object();
}

void write_receipt(json_writer& out, const message_object& value)
{
    out.begin_object()
        .field("id", value.id)
        .field("seq", value.seq)
        .field("revision", value.revision)
        .field("localId", value.local_id)
        .field("createdAt", value.created_at)
        .field("updatedAt", value.created_at)
        .end_object();
}

void write(json_writer& out, const device_object& value)
{
    out.begin_object().field("id", value.id);
    if (value.public_key.empty())
        out.field("publicKey", nullptr);
    else
        out.field("publicKey", base64_encode(value.public_key));
    out.field("kind", value.kind)
        .field("createdAt", value.created_at)
        .field("revokedAt", value.revoked_at)
        .field("stated", value.stated)
        .end_object();
}

void write_statements(json_writer& out, std::span<const bytes> statements)
{
    out.key("statements").begin_array();
    for (const auto& statement : statements)
        out.value(base64_encode(statement));
    out.end_array();
}

void write_deletion(json_writer& out, const signed_deletion& value)
{
    out.key("deletion")
        .begin_object()
        .field("device", base64_encode(value.device))
        .field("signature", base64_encode(value.signature))
        .end_object();
}

error for_client(error why)
{
    switch (why.code)
    {
    case errc::cancelled:
    case errc::locked:
    case errc::wrong_secret:
    case errc::newer_version:
    case errc::corrupt:
    case errc::log_truncated:
    case errc::io:
        return {errc::internal, "Internal Server Error", why.retry.value_or(std::chrono::seconds(5))};
    case errc::internal:
        return {errc::internal, "Internal Server Error", why.retry};
    default:
        return why;
    }
}

void append_code_and_retry(std::string& out, const error& why)
{
    out += ",\"code\":\"";
    out += word(why.code);
    out += "\",\"retry\":";
    out += why.retry ? std::to_string(why.retry->count()) : "false";
}

std::string error_body(const error& why, std::string_view text, std::string_view also)
{
    std::string out = "{\"error\":";
    append_quoted(out, text);
    append_code_and_retry(out, why);
    out += also;
    out += '}';
    return out;
}

std::string error_ack(const error& why, std::string_view text)
{
    std::string out = "{\"result\":\"error\",\"message\":";
    append_quoted(out, text);
    append_code_and_retry(out, why);
    out += '}';
    return out;
}

} // namespace consortium::protocol::v1
