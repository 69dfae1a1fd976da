#include "event_codec.hpp"
#include "consortium/common/limits.hpp"
#include "event_generated.h"
#include "text_packing.hpp"
#include <memory>

namespace consortium::log
{
namespace
{

template <class... Functions>
struct overloaded : Functions...
{
    using Functions::operator()...;
};

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;
using byte_vector = flatbuffers::Vector<std::uint8_t>;

// Writing.

Offset<byte_vector> write(FlatBufferBuilder& to, byte_view data)
{
    return to.CreateVector(data.data(), data.size());
}
Offset<flatbuffers::String> write(FlatBufferBuilder& to, std::string_view text)
{
    return to.CreateString(text.data(), text.size());
}

/// The bytes of a text in base64, which clients' ciphertext is, valid until the next call; empty: it is none.
byte_view packed(std::string_view text)
{
    if (text.size() % 4 != 0 || text.empty())
        return {};
    thread_local std::vector<std::uint8_t> buffer;
    if (buffer.size() < text.size() / 4 * 3)
        buffer.resize(text.size() / 4 * 3);
    return {buffer.data(), pack(text, buffer.data())};
}

struct packed_text
{
    Offset<byte_vector> data;
    bool packed = false;
};

packed_text write_packed(FlatBufferBuilder& to, std::string_view text)
{
    if (const auto data = packed(text); !data.empty())
        return {write(to, data), true};
    return {write(to, view(text)), false};
}
Offset<fb::Ciphertext> write_ciphertext(FlatBufferBuilder& to, std::string_view text)
{
    const auto [data, packed] = write_packed(to, text);
    return fb::CreateCiphertext(to, data, packed);
}
Offset<fb::Ciphertext> write_optional(FlatBufferBuilder& to, const std::optional<std::string>& text)
{
    return text ? write_ciphertext(to, *text) : Offset<fb::Ciphertext>();
}

std::pair<fb::Body, Offset<void>> write_body(FlatBufferBuilder& to, const event_body& body)
{
    return std::visit(
        overloaded{
            [&](const no_body&) { return std::pair(fb::Body::NONE, Offset<void>()); },
            [&](const account_created& b)
            {
                const auto key = write(to, b.public_key);
                return std::pair(fb::Body::AccountCreated, fb::CreateAccountCreated(to, key).Union());
            },
            [&](const device_added& b)
            {
                const auto key = write(to, b.public_key);
                const auto name = write(to, b.sealed_name);
                return std::pair(
                    fb::Body::DeviceAdded,
                    fb::CreateDeviceAdded(to, key, static_cast<std::uint8_t>(b.kind), name).Union());
            },
            [&](const device_renamed& b)
            {
                const auto name = write(to, b.sealed_name);
                return std::pair(fb::Body::DeviceRenamed, fb::CreateDeviceRenamed(to, name).Union());
            },
            [&](const pairing_approved& b)
            {
                const auto key = write(to, b.request_key);
                const auto device = write(to, b.device.view());
                const auto approver = write(to, b.approver.view());
                const auto response = write(to, b.response);
                return std::pair(
                    fb::Body::PairingApproved, fb::CreatePairingApproved(to, key, device, approver, response).Union());
            },
            [&](const session_created& b)
            {
                const auto creator = write(to, b.creator.view());
                const auto tag = write(to, b.tag);
                const auto metadata = write_ciphertext(to, b.metadata);
                const auto key = write_optional(to, b.data_key);
                return std::pair(
                    fb::Body::SessionCreated, fb::CreateSessionCreated(to, creator, tag, metadata, key).Union());
            },
            [&](const message_appended& b)
            {
                const auto id = write(to, b.id.view());
                const auto local = b.local_id ? write(to, *b.local_id) : Offset<flatbuffers::String>();
                const auto [data, packed] = write_packed(to, b.content);
                return std::pair(
                    fb::Body::MessageAppended, fb::CreateMessageAppended(to, id, local, data, packed).Union());
            },
            [&](const session_metadata_changed& b)
            {
                const auto metadata = write_ciphertext(to, b.metadata);
                return std::pair(
                    fb::Body::SessionMetadataChanged, fb::CreateSessionMetadataChanged(to, metadata).Union());
            },
            [&](const agent_state_changed& b)
            {
                const auto state = write_optional(to, b.state);
                return std::pair(fb::Body::AgentStateChanged, fb::CreateAgentStateChanged(to, state).Union());
            },
            [&](const machine_registered& b)
            {
                const auto creator = write(to, b.creator.view());
                const auto id = write(to, b.machine_id);
                const auto metadata = write_ciphertext(to, b.metadata);
                const auto state = write_optional(to, b.daemon_state);
                const auto key = write_optional(to, b.data_key);
                return std::pair(
                    fb::Body::MachineRegistered,
                    fb::CreateMachineRegistered(to, creator, id, metadata, state, key).Union());
            },
            [&](const machine_metadata_changed& b)
            {
                const auto metadata = write_ciphertext(to, b.metadata);
                return std::pair(
                    fb::Body::MachineMetadataChanged, fb::CreateMachineMetadataChanged(to, metadata).Union());
            },
            [&](const daemon_state_changed& b)
            {
                const auto state = write_ciphertext(to, b.state);
                return std::pair(fb::Body::DaemonStateChanged, fb::CreateDaemonStateChanged(to, state).Union());
            },
            [&](const machine_removed& b)
            {
                const auto id = write(to, b.machine_id);
                return std::pair(fb::Body::MachineRemoved, fb::CreateMachineRemoved(to, id).Union());
            }},
        body);
}

/// The short form of a message, if it has one: the event's offset.
std::optional<Offset<fb::Event>> write_compact(FlatBufferBuilder& to, const message_appended& message)
{
    const auto local_id = message.local_id ? pack_uuid(*message.local_id) : std::nullopt;
    if (!local_id)
        return std::nullopt;
    const auto content = packed(message.content);
    if (content.empty())
        return std::nullopt;
    const auto data = write(to, content);
    const fb::CompactMessage ids(flatbuffers::make_span(message.id.value), flatbuffers::make_span(*local_id));
    const auto body = to.CreateStruct(ids).Union();
    return fb::CreateEvent(to, fb::Body::CompactMessage, body, data);
}

// Reading. A field that must be there and is not, or has the wrong length, spoils the whole body.

class field_reader
{
public:
    enum class texts
    {
        read,
        leave_empty ///< only checked
    };
    explicit field_reader(texts wanted) : texts_(wanted) {}

    bool good() const noexcept { return good_; }

    byte_view data(const byte_vector* field)
    {
        return require(field) ? byte_view(field->data(), field->size()) : byte_view();
    }
    std::string text(const flatbuffers::String* field)
    {
        return require(field) && texts_ == texts::read ? std::string(field->data(), field->size()) : std::string();
    }
    template <std::size_t N>
    byte_array<N> array(const byte_vector* field)
    {
        const auto found = data(field);
        good_ = good_ && found.size() == N;
        return found.size() == N ? to_array<N>(found) : byte_array<N>{};
    }
    template <class Id>
    Id id(const byte_vector* field)
    {
        return Id{array<16>(field)};
    }
    std::string packed(const byte_vector* field, bool packed)
    {
        const auto found = data(field);
        // pack() makes no empty string: an empty packed text would be a second form of the empty text.
        good_ = good_ && !(packed && found.empty());
        if (texts_ == texts::leave_empty)
            return {};
        return packed ? unpack(found) : std::string(consortium::text(found));
    }
    std::string uuid(const byte_array<16>& packed)
    {
        return texts_ == texts::read ? unpack_uuid(packed) : std::string();
    }
    std::string ciphertext(const fb::Ciphertext* field)
    {
        return require(field) ? packed(field->data(), field->packed()) : std::string();
    }
    std::optional<std::string> optional_ciphertext(const fb::Ciphertext* field)
    {
        return field ? std::optional(packed(field->data(), field->packed())) : std::nullopt;
    }
    void check(bool condition) { good_ = good_ && condition; }

private:
    template <class Field>
    bool require(const Field* field)
    {
        good_ = good_ && field != nullptr;
        return field != nullptr;
    }
    texts texts_;
    bool good_ = true;
};

event_body read(field_reader& from, const fb::AccountCreated& body)
{
    return account_created{.public_key = from.array<32>(body.public_key())};
}
event_body read(field_reader& from, const fb::DeviceAdded& body)
{
    device_added out{
        .public_key = to_bytes(from.data(body.public_key())),
        .kind = static_cast<device_kind>(body.kind()),
        .sealed_name = from.text(body.sealed_name())};
    from.check(out.kind >= device_kind::agent && out.kind <= device_kind::unnamed);
    from.check(out.public_key.size() == (out.kind == device_kind::unnamed ? 0u : 32u));
    return out;
}
event_body read(field_reader& from, const fb::DeviceRenamed& body)
{
    return device_renamed{.sealed_name = from.text(body.sealed_name())};
}
event_body read(field_reader& from, const fb::PairingApproved& body)
{
    return pairing_approved{
        .request_key = from.array<32>(body.request_key()),
        .device = from.id<device_id>(body.device()),
        .approver = from.id<device_id>(body.approver()),
        .response = from.text(body.response())};
}
event_body read(field_reader& from, const fb::SessionCreated& body)
{
    return session_created{
        .creator = from.id<device_id>(body.creator()),
        .tag = from.text(body.tag()),
        .metadata = from.ciphertext(body.metadata()),
        .data_key = from.optional_ciphertext(body.data_key())};
}
event_body read(field_reader& from, const fb::MessageAppended& body)
{
    return message_appended{
        .id = from.id<message_id>(body.id()),
        .local_id = body.local_id() ? std::optional(from.text(body.local_id())) : std::nullopt,
        .content = from.packed(body.data(), body.packed())};
}
event_body read(field_reader& from, const fb::SessionMetadataChanged& body)
{
    return session_metadata_changed{.metadata = from.ciphertext(body.metadata())};
}
event_body read(field_reader& from, const fb::AgentStateChanged& body)
{
    return agent_state_changed{.state = from.optional_ciphertext(body.state())};
}
event_body read(field_reader& from, const fb::MachineRegistered& body)
{
    return machine_registered{
        .creator = from.id<device_id>(body.creator()),
        .machine_id = from.text(body.machine_id()),
        .metadata = from.ciphertext(body.metadata()),
        .daemon_state = from.optional_ciphertext(body.daemon_state()),
        .data_key = from.optional_ciphertext(body.data_key())};
}
event_body read(field_reader& from, const fb::MachineMetadataChanged& body)
{
    return machine_metadata_changed{.metadata = from.ciphertext(body.metadata())};
}
event_body read(field_reader& from, const fb::DaemonStateChanged& body)
{
    return daemon_state_changed{.state = from.ciphertext(body.state())};
}
event_body read(field_reader& from, const fb::MachineRemoved& body)
{
    return machine_removed{.machine_id = from.text(body.machine_id())};
}

template <class Table>
result<event_body> read_union(const fb::Event& event, field_reader from)
{
    const auto* body = static_cast<const Table*>(event.body());
    auto out = read(from, *body);
    if (!from.good())
        return fail(errc::corrupt, "event body: a field is missing or has the wrong length");
    return out;
}

result<event_body> read_compact(const fb::Event& event, field_reader from)
{
    const auto& ids = *static_cast<const fb::CompactMessage*>(event.body());
    const auto id = [](const auto* field) { return to_array<16>({field->data(), field->size()}); };
    message_appended out{
        .id = {id(ids.id())},
        .local_id = from.uuid(id(ids.local_id())),
        .content = from.packed(event.packed(), /*packed=*/true)};
    if (!from.good())
        return fail(errc::corrupt, "event body: a field is missing or has the wrong length");
    return out;
}

result<event_body> read_event(const fb::Event& event, field_reader from)
{
    if (event.body_type() != fb::Body::NONE && event.body() == nullptr)
        return fail(errc::corrupt, "event body: empty");
    switch (event.body_type())
    {
    case fb::Body::AccountCreated:
        return read_union<fb::AccountCreated>(event, from);
    case fb::Body::DeviceAdded:
        return read_union<fb::DeviceAdded>(event, from);
    case fb::Body::DeviceRenamed:
        return read_union<fb::DeviceRenamed>(event, from);
    case fb::Body::PairingApproved:
        return read_union<fb::PairingApproved>(event, from);
    case fb::Body::SessionCreated:
        return read_union<fb::SessionCreated>(event, from);
    case fb::Body::MessageAppended:
        return read_union<fb::MessageAppended>(event, from);
    case fb::Body::SessionMetadataChanged:
        return read_union<fb::SessionMetadataChanged>(event, from);
    case fb::Body::AgentStateChanged:
        return read_union<fb::AgentStateChanged>(event, from);
    case fb::Body::MachineRegistered:
        return read_union<fb::MachineRegistered>(event, from);
    case fb::Body::MachineMetadataChanged:
        return read_union<fb::MachineMetadataChanged>(event, from);
    case fb::Body::DaemonStateChanged:
        return read_union<fb::DaemonStateChanged>(event, from);
    case fb::Body::MachineRemoved:
        return read_union<fb::MachineRemoved>(event, from);
    case fb::Body::CompactMessage:
        return read_compact(event, from);
    case fb::Body::NONE:
    case fb::Body::NoBody:
        return fail(errc::corrupt, "event body: none, though the record has one");
    }
    return fail(errc::newer_version, "event body: of a kind this version does not know");
}

std::size_t size_of(const std::optional<std::string>& text) noexcept
{
    return text ? text->size() : 0;
}

} // namespace

bool body_fits(event_type type, const event_body& body) noexcept
{
    switch (type)
    {
    case event_type::account_created:
        return std::holds_alternative<account_created>(body);
    case event_type::device_added:
        return std::holds_alternative<device_added>(body);
    case event_type::session_created:
        return std::holds_alternative<session_created>(body);
    case event_type::message_appended:
        return std::holds_alternative<message_appended>(body);
    case event_type::session_metadata_changed:
        return std::holds_alternative<session_metadata_changed>(body);
    case event_type::agent_state_changed:
        return std::holds_alternative<agent_state_changed>(body);
    case event_type::machine_registered:
        return std::holds_alternative<machine_registered>(body);
    case event_type::machine_metadata_changed:
        return std::holds_alternative<machine_metadata_changed>(body);
    case event_type::daemon_state_changed:
        return std::holds_alternative<daemon_state_changed>(body);
    case event_type::device_renamed:
        return std::holds_alternative<device_renamed>(body);
    case event_type::pairing_approved:
        return std::holds_alternative<pairing_approved>(body);
    case event_type::machine_removed:
        return std::holds_alternative<machine_removed>(body);
    case event_type::session_ended:
    case event_type::session_deleted:
    case event_type::machine_online:
    case event_type::machine_offline:
    case event_type::device_revoked:
    case event_type::account_deleted:
    case event_type::session_resumed:
        return std::holds_alternative<no_body>(body);
    }
    return false;
}

std::size_t body_size_estimate(const event_body& body) noexcept
{
    constexpr std::size_t tables = 192; // vtables, offsets, ids and keys of any body
    return tables +
           std::visit(
               overloaded{
                   [](const device_added& b) { return b.sealed_name.size(); }, [](const device_renamed& b)
                   { return b.sealed_name.size(); }, [](const pairing_approved& b) { return b.response.size(); },
                   [](const session_created& b) { return b.tag.size() + b.metadata.size() + size_of(b.data_key); },
                   [](const message_appended& b) { return b.content.size() + size_of(b.local_id); },
                   [](const session_metadata_changed& b) { return b.metadata.size(); },
                   [](const agent_state_changed& b) { return size_of(b.state); }, [](const machine_registered& b)
                   { return b.machine_id.size() + b.metadata.size() + size_of(b.daemon_state) + size_of(b.data_key); },
                   [](const machine_metadata_changed& b) { return b.metadata.size(); },
                   [](const daemon_state_changed& b) { return b.state.size(); }, [](const machine_removed& b)
                   { return b.machine_id.size(); }, [](const auto&) { return std::size_t{0}; }},
               body);
}

byte_view body_encoder::encode(const event_body& body)
{
    if (std::holds_alternative<no_body>(body))
        return {};
    builder_.Clear();
    if (const auto* message = std::get_if<message_appended>(&body))
        if (const auto compact = write_compact(builder_, *message))
        {
            builder_.Finish(*compact);
            return {builder_.GetBufferPointer(), builder_.GetSize()};
        }
    const auto [type, offset] = write_body(builder_, body);
    builder_.Finish(fb::CreateEvent(builder_, type, offset));
    return {builder_.GetBufferPointer(), builder_.GetSize()};
}

namespace
{

result<event_body> decode(event_type type, byte_view encoded, field_reader::texts wanted)
{
    if (!is_known(type))
        return fail(errc::newer_version, "event type " + std::to_string(static_cast<unsigned>(type)) + " is unknown");
    event_body body;
    if (!encoded.empty())
    {
        flatbuffers::Verifier verifier(encoded.data(), encoded.size());
        if (!fb::VerifyEventBuffer(verifier))
            return fail(errc::corrupt, "event body: not a valid FlatBuffer");
        auto read = read_event(*fb::GetEvent(encoded.data()), field_reader(wanted));
        if (!read)
            return std::unexpected(read.error());
        body = std::move(*read);
    }
    if (!body_fits(type, body))
        return fail(errc::corrupt, "event body: of another kind than its type " + std::string(name(type)));
    return body;
}

} // namespace

result<event_body> decode_body(event_type type, byte_view encoded)
{
    return decode(type, encoded, field_reader::texts::read);
}

result<void> check_body(event_type type, byte_view encoded)
{
    if (auto body = decode(type, encoded, field_reader::texts::leave_empty); !body)
        return std::unexpected(body.error());
    return {};
}

std::string_view name(event_type type) noexcept
{
    switch (type)
    {
    case event_type::account_created:
        return "account_created";
    case event_type::device_added:
        return "device_added";
    case event_type::session_created:
        return "session_created";
    case event_type::message_appended:
        return "message_appended";
    case event_type::session_metadata_changed:
        return "session_metadata_changed";
    case event_type::agent_state_changed:
        return "agent_state_changed";
    case event_type::session_ended:
        return "session_ended";
    case event_type::session_deleted:
        return "session_deleted";
    case event_type::machine_registered:
        return "machine_registered";
    case event_type::machine_metadata_changed:
        return "machine_metadata_changed";
    case event_type::daemon_state_changed:
        return "daemon_state_changed";
    case event_type::machine_online:
        return "machine_online";
    case event_type::machine_offline:
        return "machine_offline";
    case event_type::machine_removed:
        return "machine_removed";
    case event_type::device_renamed:
        return "device_renamed";
    case event_type::device_revoked:
        return "device_revoked";
    case event_type::pairing_approved:
        return "pairing_approved";
    case event_type::account_deleted:
        return "account_deleted";
    case event_type::session_resumed:
        return "session_resumed";
    }
    return {};
}

bool is_known(event_type type) noexcept
{
    return !name(type).empty();
}

} // namespace consortium::log
