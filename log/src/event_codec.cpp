#include "event_codec.hpp"
#include "consortium/common/limits.hpp"
#include "event_generated.h"
#include "text_packing.hpp"
#include <memory>

namespace consortium::log
{
namespace
{

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;
using byte_vector = flatbuffers::Vector<std::uint8_t>;

// Writing.

Offset<byte_vector> put(FlatBufferBuilder& to, byte_view data)
{
    return to.CreateVector(data.data(), data.size());
}
Offset<flatbuffers::String> put(FlatBufferBuilder& to, std::string_view text)
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
        return {put(to, data), true};
    return {put(to, view(text)), false};
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

std::size_t size_of(const std::optional<std::string>& text) noexcept
{
    return text ? text->size() : 0;
}

// The bodies. Each has a codec: its table of event.fbs, how it is written there and read, and the bytes of its texts.

template <class Body>
struct codec;

template <>
struct codec<account_created>
{
    static Offset<fb::AccountCreated> write(FlatBufferBuilder& to, const account_created& b)
    {
        const auto key = put(to, b.public_key);
        return fb::CreateAccountCreated(to, key);
    }
    static account_created read(field_reader& from, const fb::AccountCreated& b)
    {
        return account_created{.public_key = from.array<32>(b.public_key())};
    }
    static std::size_t text_bytes(const account_created&) { return 0; }
};

template <>
struct codec<device_added>
{
    static Offset<fb::DeviceAdded> write(FlatBufferBuilder& to, const device_added& b)
    {
        const auto key = put(to, b.public_key);
        const auto name = put(to, b.sealed_name);
        return fb::CreateDeviceAdded(to, key, static_cast<std::uint8_t>(b.kind), name);
    }
    static device_added read(field_reader& from, const fb::DeviceAdded& b)
    {
        device_added out{
            .public_key = to_bytes(from.data(b.public_key())),
            .kind = static_cast<device_kind>(b.kind()),
            .sealed_name = from.text(b.sealed_name())};
        from.check(out.kind >= device_kind::agent && out.kind <= device_kind::unnamed);
        from.check(out.public_key.size() == (out.kind == device_kind::unnamed ? 0u : 32u));
        return out;
    }
    static std::size_t text_bytes(const device_added& b) { return b.sealed_name.size(); }
};

template <>
struct codec<device_renamed>
{
    static Offset<fb::DeviceRenamed> write(FlatBufferBuilder& to, const device_renamed& b)
    {
        const auto name = put(to, b.sealed_name);
        return fb::CreateDeviceRenamed(to, name);
    }
    static device_renamed read(field_reader& from, const fb::DeviceRenamed& b)
    {
        return device_renamed{.sealed_name = from.text(b.sealed_name())};
    }
    static std::size_t text_bytes(const device_renamed& b) { return b.sealed_name.size(); }
};

template <>
struct codec<pairing_approved>
{
    static Offset<fb::PairingApproved> write(FlatBufferBuilder& to, const pairing_approved& b)
    {
        const auto key = put(to, b.request_key);
        const auto device = put(to, b.device.view());
        const auto approver = put(to, b.approver.view());
        const auto response = put(to, b.response);
        return fb::CreatePairingApproved(to, key, device, approver, response);
    }
    static pairing_approved read(field_reader& from, const fb::PairingApproved& b)
    {
        return pairing_approved{
            .request_key = from.array<32>(b.request_key()),
            .device = from.id<device_id>(b.device()),
            .approver = from.id<device_id>(b.approver()),
            .response = from.text(b.response())};
    }
    static std::size_t text_bytes(const pairing_approved& b) { return b.response.size(); }
};

template <>
struct codec<session_created>
{
    static Offset<fb::SessionCreated> write(FlatBufferBuilder& to, const session_created& b)
    {
        const auto creator = put(to, b.creator.view());
        const auto tag = put(to, b.tag);
        const auto metadata = write_ciphertext(to, b.metadata);
        const auto key = write_optional(to, b.data_key);
        return fb::CreateSessionCreated(to, creator, tag, metadata, key);
    }
    static session_created read(field_reader& from, const fb::SessionCreated& b)
    {
        return session_created{
            .creator = from.id<device_id>(b.creator()),
            .tag = from.text(b.tag()),
            .metadata = from.ciphertext(b.metadata()),
            .data_key = from.optional_ciphertext(b.data_key())};
    }
    static std::size_t text_bytes(const session_created& b)
    {
        return b.tag.size() + b.metadata.size() + size_of(b.data_key);
    }
};

template <>
struct codec<message_appended>
{
    static Offset<fb::MessageAppended> write(FlatBufferBuilder& to, const message_appended& b)
    {
        const auto id = put(to, b.id.view());
        const auto local = b.local_id ? put(to, *b.local_id) : Offset<flatbuffers::String>();
        const auto [data, packed] = write_packed(to, b.content);
        return fb::CreateMessageAppended(to, id, local, data, packed);
    }
    static message_appended read(field_reader& from, const fb::MessageAppended& b)
    {
        return message_appended{
            .id = from.id<message_id>(b.id()),
            .local_id = b.local_id() ? std::optional(from.text(b.local_id())) : std::nullopt,
            .content = from.packed(b.data(), b.packed())};
    }
    static std::size_t text_bytes(const message_appended& b) { return b.content.size() + size_of(b.local_id); }
};

template <>
struct codec<session_metadata_changed>
{
    static Offset<fb::SessionMetadataChanged> write(FlatBufferBuilder& to, const session_metadata_changed& b)
    {
        const auto metadata = write_ciphertext(to, b.metadata);
        return fb::CreateSessionMetadataChanged(to, metadata);
    }
    static session_metadata_changed read(field_reader& from, const fb::SessionMetadataChanged& b)
    {
        return session_metadata_changed{.metadata = from.ciphertext(b.metadata())};
    }
    static std::size_t text_bytes(const session_metadata_changed& b) { return b.metadata.size(); }
};

template <>
struct codec<agent_state_changed>
{
    static Offset<fb::AgentStateChanged> write(FlatBufferBuilder& to, const agent_state_changed& b)
    {
        const auto state = write_optional(to, b.state);
        return fb::CreateAgentStateChanged(to, state);
    }
    static agent_state_changed read(field_reader& from, const fb::AgentStateChanged& b)
    {
        return agent_state_changed{.state = from.optional_ciphertext(b.state())};
    }
    static std::size_t text_bytes(const agent_state_changed& b) { return size_of(b.state); }
};

template <>
struct codec<machine_registered>
{
    static Offset<fb::MachineRegistered> write(FlatBufferBuilder& to, const machine_registered& b)
    {
        const auto creator = put(to, b.creator.view());
        const auto id = put(to, b.machine_id);
        const auto metadata = write_ciphertext(to, b.metadata);
        const auto state = write_optional(to, b.daemon_state);
        const auto key = write_optional(to, b.data_key);
        return fb::CreateMachineRegistered(to, creator, id, metadata, state, key);
    }
    static machine_registered read(field_reader& from, const fb::MachineRegistered& b)
    {
        return machine_registered{
            .creator = from.id<device_id>(b.creator()),
            .machine_id = from.text(b.machine_id()),
            .metadata = from.ciphertext(b.metadata()),
            .daemon_state = from.optional_ciphertext(b.daemon_state()),
            .data_key = from.optional_ciphertext(b.data_key())};
    }
    static std::size_t text_bytes(const machine_registered& b)
    {
        return b.machine_id.size() + b.metadata.size() + size_of(b.daemon_state) + size_of(b.data_key);
    }
};

template <>
struct codec<machine_metadata_changed>
{
    static Offset<fb::MachineMetadataChanged> write(FlatBufferBuilder& to, const machine_metadata_changed& b)
    {
        const auto metadata = write_ciphertext(to, b.metadata);
        return fb::CreateMachineMetadataChanged(to, metadata);
    }
    static machine_metadata_changed read(field_reader& from, const fb::MachineMetadataChanged& b)
    {
        return machine_metadata_changed{.metadata = from.ciphertext(b.metadata())};
    }
    static std::size_t text_bytes(const machine_metadata_changed& b) { return b.metadata.size(); }
};

template <>
struct codec<daemon_state_changed>
{
    static Offset<fb::DaemonStateChanged> write(FlatBufferBuilder& to, const daemon_state_changed& b)
    {
        const auto state = write_ciphertext(to, b.state);
        return fb::CreateDaemonStateChanged(to, state);
    }
    static daemon_state_changed read(field_reader& from, const fb::DaemonStateChanged& b)
    {
        return daemon_state_changed{.state = from.ciphertext(b.state())};
    }
    static std::size_t text_bytes(const daemon_state_changed& b) { return b.state.size(); }
};

template <>
struct codec<machine_removed>
{
    static Offset<fb::MachineRemoved> write(FlatBufferBuilder& to, const machine_removed& b)
    {
        const auto id = put(to, b.machine_id);
        return fb::CreateMachineRemoved(to, id);
    }
    static machine_removed read(field_reader& from, const fb::MachineRemoved& b)
    {
        return machine_removed{.machine_id = from.text(b.machine_id())};
    }
    static std::size_t text_bytes(const machine_removed& b) { return b.machine_id.size(); }
};

template <>
struct codec<device_stated>
{
    static Offset<fb::DeviceStated> write(FlatBufferBuilder& to, const device_stated& b)
    {
        const auto statement = put(to, b.statement);
        return fb::CreateDeviceStated(to, statement);
    }
    static device_stated read(field_reader& from, const fb::DeviceStated& b)
    {
        return {.statement = to_bytes(from.data(b.statement()))};
    }
    static std::size_t text_bytes(const device_stated& b) { return b.statement.size(); }
};

template <>
struct codec<session_deletion_signed>
{
    static Offset<fb::SessionDeletionSigned> write(FlatBufferBuilder& to, const session_deletion_signed& b)
    {
        const auto device = put(to, b.device);
        const auto signature = put(to, b.signature);
        return fb::CreateSessionDeletionSigned(to, device, signature);
    }
    static session_deletion_signed read(field_reader& from, const fb::SessionDeletionSigned& b)
    {
        return {.device = from.array<32>(b.device()), .signature = from.array<64>(b.signature())};
    }
    static std::size_t text_bytes(const session_deletion_signed&) { return 0; }
};

template <>
struct codec<invitation_made>
{
    static Offset<fb::InvitationMade> write(FlatBufferBuilder& to, const invitation_made& b)
    {
        const auto creator = put(to, b.creator.view());
        return fb::CreateInvitationMade(to, creator, b.expires);
    }
    static invitation_made read(field_reader& from, const fb::InvitationMade& b)
    {
        return {.creator = from.id<device_id>(b.creator()), .expires = b.expires()};
    }
    static std::size_t text_bytes(const invitation_made&) { return 0; }
};

template <class>
struct table_in;
template <class Table>
struct table_in<Offset<Table>>
{
    using type = Table;
};
template <class Body>
using table_of =
    table_in<decltype(codec<Body>::write(std::declval<FlatBufferBuilder&>(), std::declval<const Body&>()))>::type;

/// The short form of a message, if it has one: the event's offset.
std::optional<Offset<fb::Event>> write_compact(FlatBufferBuilder& to, const message_appended& message)
{
    const auto local_id = message.local_id ? pack_uuid(*message.local_id) : std::nullopt;
    if (!local_id)
        return std::nullopt;
    const auto content = packed(message.content);
    if (content.empty())
        return std::nullopt;
    const auto data = put(to, content);
    const fb::CompactMessage ids(flatbuffers::make_span(message.id.value), flatbuffers::make_span(*local_id));
    const auto body = to.CreateStruct(ids).Union();
    return fb::CreateEvent(to, fb::Body::CompactMessage, body, data);
}

/// A message in its short form, if it has one; else the body in its table.
Offset<fb::Event> write_event(FlatBufferBuilder& to, const event_body& body)
{
    return std::visit(
        [&]<class Body>(const Body& b) -> Offset<fb::Event>
        {
            if constexpr (std::is_same_v<Body, no_body>)
                return fb::CreateEvent(to);
            else
            {
                if constexpr (std::is_same_v<Body, message_appended>)
                    if (const auto compact = write_compact(to, b))
                        return *compact;
                const auto offset = codec<Body>::write(to, b);
                return fb::CreateEvent(to, fb::BodyTraits<table_of<Body>>::enum_value, offset.Union());
            }
        },
        body);
}

template <class Body>
result<event_body> read_union(const fb::Event& event, field_reader from)
{
    event_body out = codec<Body>::read(from, *static_cast<const table_of<Body>*>(event.body()));
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

/// As whichever of the alternatives the buffer names.
template <std::size_t Index = 0>
result<event_body> read_alternative(const fb::Event& event, field_reader from)
{
    if constexpr (Index == std::variant_size_v<event_body>)
        return fail(errc::newer_version, "event body: of a kind this version does not know");
    else
    {
        using body = std::variant_alternative_t<Index, event_body>;
        if constexpr (!std::is_same_v<body, no_body>)
            if (event.body_type() == fb::BodyTraits<table_of<body>>::enum_value)
                return read_union<body>(event, from);
        return read_alternative<Index + 1>(event, from);
    }
}

result<event_body> read_event(const fb::Event& event, field_reader from)
{
    if (event.body_type() == fb::Body::NONE || event.body_type() == fb::Body::NoBody)
        return fail(errc::corrupt, "event body: none, though the record has one");
    if (event.body() == nullptr)
        return fail(errc::corrupt, "event body: empty");
    if (event.body_type() == fb::Body::CompactMessage)
        return read_compact(event, from);
    return read_alternative(event, from);
}

} // namespace

std::size_t body_size_estimate(const event_body& body) noexcept
{
    constexpr std::size_t tables = 192; // vtables, offsets, ids and keys of any body
    const auto texts = std::visit(
        []<class Body>(const Body& b) -> std::size_t
        {
            if constexpr (std::is_same_v<Body, no_body>)
                return 0;
            else
                return codec<Body>::text_bytes(b);
        },
        body);
    return tables + texts;
}

byte_view body_encoder::encode(const event_body& body)
{
    if (std::holds_alternative<no_body>(body))
        return {};
    builder_.Clear();
    builder_.Finish(write_event(builder_, body));
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

} // namespace consortium::log
