#include "consortium/protocol/v1/requests.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/limits.hpp"
#include "consortium/protocol/socket_io.hpp"
#include <boost/json/array.hpp>

namespace consortium::protocol::v1
{
namespace
{

// A challenge is four short lines with an origin in them.
constexpr std::size_t challenge_bytes_max = 2048;
constexpr std::size_t origin_bytes_max = 512;
// A box bundle (72 bytes more) of an answer, docs/protocol.md 2.2.
constexpr std::size_t pairing_response_bytes = 72 + 185;
constexpr std::size_t id_bytes_max = limits::name_bytes_max;
constexpr std::size_t token_bytes_max = 4096;

std::optional<std::string> owned(std::optional<std::string_view> text)
{
    return text ? std::optional<std::string>(*text) : std::nullopt;
}

/// The errors of a member that is an object name it.
void pass_on(field_reader& outer, const field_reader& inner, std::string_view name)
{
    if (inner.failed())
        outer.refuse(inner.failed()->code, std::string(name) + ".", inner.failed()->detail);
}

/// The device and, with `sealed_name`, its name.
device_claim read_device(field_reader& outer, std::string* sealed_name = nullptr)
{
    device_claim out;
    const auto* from = outer.maybe_object("device");
    if (!from)
    {
        outer.refuse(errc::bad_request, "device", " is missing");
        return out;
    }
    field_reader fields(*from);
    out.public_key = fields.key<32>("publicKey");
    const auto kind = fields.text("kind", 16);
    if (kind == "agent")
        out.kind = device_kind::agent;
    else if (kind == "browser")
        out.kind = device_kind::browser;
    else
        fields.refuse(errc::bad_request, "kind", " must be \"agent\" or \"browser\"");
    if (sealed_name)
        *sealed_name = fields.base64_text("sealedName", limits::sealed_name_bytes_max);
    pass_on(outer, fields, "device");
    return out;
}

/// Absent or null: empty.
std::optional<revision> maybe_revision(field_reader& fields, std::string_view name)
{
    if (!fields.has(name))
        return std::nullopt;
    return revision{static_cast<std::uint64_t>(fields.integer(name, 0))};
}

std::optional<bytes> maybe_statement(field_reader& fields)
{
    if (!fields.has("statement"))
        return std::nullopt;
    return fields.base64("statement", limits::statement_bytes_max);
}

result<sign_in_request> read_login_request(field_reader& fields)
{
    login_request out;
    out.public_key = fields.key<32>("publicKey");
    out.challenge = fields.base64("challenge", challenge_bytes_max);
    out.signature = fields.key<64>("signature");
    if (fields.has("device"))
    {
        out.device = read_device(fields);
        out.device_signature = fields.key<64>("deviceSignature");
    }
    out.statement = maybe_statement(fields);
    if (out.statement && !out.device)
        fields.refuse(errc::bad_request, "statement", " is about a device, which is missing");
    out.create = fields.maybe_boolean("create").value_or(false);
    if (fields.has("account"))
        out.account = fields.id<account_id>("account");
    out.invitation = owned(fields.maybe_text("invitation", limits::invitation_code_bytes_max));
    return fields.finish(sign_in_request(std::move(out)));
}

result<sign_in_request> read_device_login_request(field_reader& fields)
{
    device_login_request out;
    out.account = fields.id<account_id>("accountId");
    out.device = read_device(fields);
    out.challenge = fields.base64("challenge", challenge_bytes_max);
    out.device_signature = fields.key<64>("deviceSignature");
    return fields.finish(sign_in_request(std::move(out)));
}

} // namespace

std::string_view name(device_kind kind) noexcept
{
    switch (kind)
    {
    case device_kind::agent:
        return "agent";
    case device_kind::browser:
        return "browser";
    case device_kind::unnamed:
        break;
    }
    return "unnamed";
}

result<challenge_request> read_challenge_request(const boost::json::object& from)
{
    field_reader fields(from);
    challenge_request out;
    out.public_key = fields.key<32>("publicKey");
    out.origin = owned(fields.maybe_text("origin", origin_bytes_max));
    return fields.finish(std::move(out));
}

result<sign_in_request> read_sign_in_request(const boost::json::object& from)
{
    field_reader fields(from);
    return fields.has("accountId") ? read_device_login_request(fields) : read_login_request(fields);
}

result<account_deletion> read_account_deletion(const boost::json::object& from)
{
    field_reader fields(from);
    account_deletion out;
    out.challenge = fields.base64("challenge", challenge_bytes_max);
    out.signature = fields.key<64>("signature");
    return fields.finish(std::move(out));
}

result<std::vector<bytes>> read_statements_request(const boost::json::object& from)
{
    field_reader fields(from);
    std::vector<bytes> out;
    const auto* items = fields.array("statements");
    if (items && (items->empty() || items->size() > limits::statements_per_chain_max))
        fields.refuse(
            errc::bad_request, "statements",
            " must hold 1 to " + std::to_string(limits::statements_per_chain_max) + " items");
    else if (items)
    {
        out.reserve(items->size());
        for (const auto& value : *items)
        {
            const auto* given = value.if_string();
            auto statement = given ? base64_decode(std::string_view(*given)) : fail(errc::bad_request, {});
            if (!statement || statement->empty() || statement->size() > limits::statement_bytes_max)
                return fail(errc::bad_request, "statements must be in standard base64 and of the right size");
            out.push_back(std::move(*statement));
        }
    }
    return fields.finish(std::move(out));
}

result<pairing_request> read_pairing_request(const boost::json::object& from)
{
    field_reader fields(from);
    pairing_request out;
    out.public_key = fields.key<32>("publicKey");
    const auto device = read_device(fields, &out.sealed_name);
    out.device = device.public_key;
    out.kind = device.kind;
    out.commit = fields.key<32>("commit");
    out.signature = fields.key<64>("signature");
    out.mac = fields.key<32>("mac");
    return fields.finish(std::move(out));
}

result<pairing_answer> read_pairing_answer(const boost::json::object& from)
{
    field_reader fields(from);
    pairing_answer out;
    out.public_key = fields.key<32>("publicKey");
    fields.key<pairing_response_bytes>("response");
    out.response = fields.text("response", SIZE_MAX);
    return fields.finish(std::move(out));
}

result<pairing_reveal> read_pairing_reveal(const boost::json::object& from)
{
    field_reader fields(from);
    pairing_reveal out;
    out.public_key = fields.key<32>("publicKey");
    out.nonce = fields.key<32>("nonce");
    return fields.finish(std::move(out));
}

result<pairing_confirmation> read_pairing_confirmation(const boost::json::object& from)
{
    field_reader fields(from);
    pairing_confirmation out;
    out.public_key = fields.key<32>("publicKey");
    out.statement = maybe_statement(fields);
    return fields.finish(std::move(out));
}

result<pairing_refusal> read_pairing_refusal(const boost::json::object& from)
{
    field_reader fields(from);
    pairing_refusal out;
    out.public_key = fields.key<32>("publicKey");
    if (fields.has("signature"))
        out.signature = fields.key<64>("signature");
    return fields.finish(std::move(out));
}

result<std::optional<signed_deletion>> read_session_deletion(const boost::json::object& from)
{
    field_reader fields(from);
    std::optional<signed_deletion> out;
    if (fields.has("device") || fields.has("signature"))
        out = signed_deletion{fields.key<32>("device"), fields.key<64>("signature")};
    return fields.finish(std::move(out));
}

result<session_request> read_session_request(const boost::json::object& from)
{
    field_reader fields(from);
    session_request out;
    out.tag = fields.name("tag", limits::name_bytes_max);
    out.metadata = fields.text("metadata", limits::state_bytes_max);
    out.data_key = owned(fields.maybe_base64_text("dataEncryptionKey", limits::data_key_bytes_max));
    return fields.finish(std::move(out));
}

result<messages_request> read_messages_request(const boost::json::object& from)
{
    field_reader fields(from);
    messages_request out;
    out.epoch = maybe_revision(fields, "epoch");
    const auto* items = fields.array("messages");
    if (items && (items->empty() || items->size() > limits::messages_per_post_max))
        fields.refuse(
            errc::bad_request, "messages",
            " must hold 1 to " + std::to_string(limits::messages_per_post_max) + " items");
    else if (items)
    {
        out.messages.reserve(items->size());
        for (const auto& value : *items)
        {
            const auto* object = value.if_object();
            if (!object)
                return fail(errc::bad_request, "messages must hold objects");
            field_reader item(*object);
            out.messages.push_back({
                std::string(item.name("content", limits::message_bytes_max)),
                std::string(item.name("localId", limits::name_bytes_max)),
            });
            if (item.failed())
                return std::unexpected(*item.failed());
        }
    }
    return fields.finish(std::move(out));
}

result<machine_request> read_machine_request(const boost::json::object& from)
{
    field_reader fields(from);
    machine_request out;
    out.id = fields.name("id", limits::name_bytes_max);
    out.metadata = fields.text("metadata", limits::state_bytes_max);
    out.daemon_state = owned(fields.maybe_text("daemonState", limits::state_bytes_max));
    out.data_key = owned(fields.maybe_base64_text("dataEncryptionKey", limits::data_key_bytes_max));
    return fields.finish(std::move(out));
}

result<handshake_request> read_handshake(const boost::json::object& from)
{
    handshake_request out;
    const auto text_of = [&](std::string_view name) -> std::string
    {
        const auto* value = from.if_contains(name);
        const auto* text = value ? value->if_string() : nullptr;
        return text ? std::string(text->data(), text->size()) : std::string();
    };
    out.token = text_of("token");
    if (out.token.empty())
        return fail(errc::unauthorized, "Missing authentication token");
    if (out.token.size() > token_bytes_max)
        return fail(errc::unauthorized, "Invalid authentication token");

    if (const auto* type = from.if_contains("clientType"); type && !type->is_null())
    {
        const auto* given = type->if_string();
        if (given && *given == "session-scoped")
            out.type = client_type::session;
        else if (given && *given == "machine-scoped")
            out.type = client_type::machine;
        else if (!given || *given != "user-scoped")
            return fail(errc::bad_request, "Unknown client type");
    }
    out.session_id = text_of("sessionId");
    out.machine_id = text_of("machineId");
    if (out.type == client_type::session && out.session_id.empty())
        return fail(errc::bad_request, "Session ID required for session-scoped clients");
    if (out.type == client_type::machine && out.machine_id.empty())
        return fail(errc::bad_request, "Machine ID required for machine-scoped clients");
    if (out.session_id.size() > id_bytes_max || out.machine_id.size() > id_bytes_max)
        return fail(errc::too_large, "The id is too long");

    if (const auto* since = from.if_contains("since"))
    {
        out.follows = true;
        if (!since->is_null())
        {
            const auto* object = since->if_object();
            if (!object)
                return fail(errc::bad_request, "since must be an object or null");
            field_reader fields(*object);
            out.since = since_request{
                std::string(fields.text("log", id_bytes_max)),
                static_cast<std::uint64_t>(fields.integer("revision", 0)),
            };
            if (fields.failed())
                return std::unexpected(*fields.failed());
        }
    }
    return out;
}

result<message_event> read_message_event(const boost::json::object& from)
{
    field_reader fields(from);
    message_event out;
    out.sid = fields.name("sid", id_bytes_max);
    out.content = fields.name("message", limits::message_bytes_max);
    // A localId that is no text counts as none: existing clients expect it so.
    const auto* local = from.if_contains("localId");
    if (local && local->is_string())
        out.local_id = owned(fields.maybe_text("localId", limits::name_bytes_max));
    out.epoch = maybe_revision(fields, "epoch");
    out.prove = fields.maybe_boolean("prove").value_or(false);
    return fields.finish(std::move(out));
}

result<field_update_event>
read_field_update(const boost::json::object& from, std::string_view id_name, std::string_view value_name, bool nullable)
{
    field_reader fields(from);
    field_update_event out;
    out.id = fields.name(id_name, id_bytes_max);
    if (nullable && from.contains(value_name))
        out.value = owned(fields.maybe_text(value_name, limits::state_bytes_max));
    else
        out.value = std::string(fields.text(value_name, limits::state_bytes_max));
    const auto expected = fields.integer("expectedVersion", -1);
    out.expected = expected < 0 ? 0 : static_cast<std::uint64_t>(expected);
    out.epoch = maybe_revision(fields, "epoch");
    return fields.finish(std::move(out));
}

result<lease_event> read_lease_event(const boost::json::object& from)
{
    field_reader fields(from);
    lease_event out;
    out.sid = fields.name("sid", id_bytes_max);
    out.expected = maybe_revision(fields, "expectedEpoch");
    return fields.finish(std::move(out));
}

result<alive_event> read_alive_event(const boost::json::object& from, std::string_view id_name)
{
    field_reader fields(from);
    alive_event out;
    out.id = fields.name(id_name, id_bytes_max);
    out.time = fields.integer("time", 0);
    const auto* thinking = from.if_contains("thinking");
    out.thinking = thinking && thinking->is_bool() && thinking->get_bool();
    return fields.finish(std::move(out));
}

result<std::string> read_rpc_method(const boost::json::object& from)
{
    field_reader fields(from);
    std::string out(fields.name("method", limits::rpc_method_bytes_max));
    return fields.finish(std::move(out));
}

result<rpc_call_event> read_rpc_call(const boost::json::object& from, std::size_t attachments)
{
    field_reader fields(from);
    rpc_call_event out;
    out.method = fields.name("method", limits::rpc_method_bytes_max);
    const auto* params = from.if_contains("params");
    if (attachments > 0 && (!params || socket_io::count_placeholders(*params) != attachments))
        return fail(errc::bad_request, "Invalid parameters: bytes belong into params");
    // Absent in the calls of some existing clients: the target then gets an empty text.
    if (attachments > 0)
        out.params = *params;
    else
        out.params = fields.maybe_text("params", limits::frame_bytes_max).value_or(std::string_view());
    return fields.finish(std::move(out));
}

result<stream_event> read_stream_event(const boost::json::object& from)
{
    field_reader fields(from);
    stream_event out;
    out.sid = fields.name("sid", id_bytes_max);
    out.content = fields.name("c", limits::state_bytes_max);
    return fields.finish(std::move(out));
}

} // namespace consortium::protocol::v1
