#pragma once
#include "consortium/common/base64.hpp"
#include "consortium/common/secret.hpp"
#include "consortium/log/event.hpp"
#include <rapidcheck.h>

/// Random events for property tests.
namespace consortium::log::testing
{

template <std::size_t N>
rc::Gen<byte_array<N>> any_array()
{
    return rc::gen::map(
        rc::gen::container<bytes>(N, rc::gen::arbitrary<std::uint8_t>()),
        [](const bytes& data) { return to_array<N>(data); });
}
template <class Id>
rc::Gen<Id> any_id()
{
    return rc::gen::map(any_array<16>(), [](const byte_array<16>& value) { return Id{value}; });
}
/// Half of them base64, as clients' ciphertext is.
inline rc::Gen<std::string> any_text()
{
    return rc::gen::oneOf(
        rc::gen::arbitrary<std::string>(),
        rc::gen::map(rc::gen::arbitrary<bytes>(), [](const bytes& data) { return base64_encode(data); }));
}
inline rc::Gen<std::optional<std::string>> any_optional_text()
{
    return rc::gen::oneOf(
        rc::gen::just(std::optional<std::string>()),
        rc::gen::map(any_text(), [](std::string text) { return std::optional(std::move(text)); }));
}

/// Half of them UUIDs, as clients' local ids are; some nearly.
inline rc::Gen<std::optional<std::string>> any_local_id()
{
    const auto uuid = rc::gen::map(any_id<message_id>(), [](message_id id) { return std::optional(to_string(id)); });
    return rc::gen::oneOf(
        any_optional_text(), uuid, uuid,
        rc::gen::map(
            rc::gen::pair(uuid, rc::gen::inRange<std::size_t>(0, 36)),
            [](std::pair<std::optional<std::string>, std::size_t> text)
            {
                text.first->at(text.second) = "A-g0"[text.second % 4];
                return text.first;
            }));
}

/// One specialisation for each body.
template <class Body>
Body any_body();

template <>
inline no_body any_body<no_body>()
{
    return {};
}
template <>
inline account_created any_body<account_created>()
{
    return {.public_key = *any_array<32>()};
}
template <>
inline device_added any_body<device_added>()
{
    const auto kind = static_cast<device_kind>(*rc::gen::inRange<int>(1, 4));
    const auto key = kind == device_kind::unnamed ? bytes() : to_bytes(*any_array<32>());
    return {.public_key = key, .kind = kind, .sealed_name = *any_text()};
}
template <>
inline device_renamed any_body<device_renamed>()
{
    return {.sealed_name = *any_text()};
}
template <>
inline pairing_approved any_body<pairing_approved>()
{
    return {
        .request_key = *any_array<32>(),
        .device = *any_id<device_id>(),
        .approver = *any_id<device_id>(),
        .response = *any_text()};
}
template <>
inline session_created any_body<session_created>()
{
    return {
        .creator = *any_id<device_id>(), .tag = *any_text(), .metadata = *any_text(), .data_key = *any_optional_text()};
}
template <>
inline message_appended any_body<message_appended>()
{
    return {.id = *any_id<message_id>(), .local_id = *any_local_id(), .content = *any_text()};
}
template <>
inline session_metadata_changed any_body<session_metadata_changed>()
{
    return {.metadata = *any_text()};
}
template <>
inline agent_state_changed any_body<agent_state_changed>()
{
    return {.state = *any_optional_text()};
}
template <>
inline machine_registered any_body<machine_registered>()
{
    return {
        .creator = *any_id<device_id>(),
        .machine_id = *any_text(),
        .metadata = *any_text(),
        .daemon_state = *any_optional_text(),
        .data_key = *any_optional_text()};
}
template <>
inline machine_metadata_changed any_body<machine_metadata_changed>()
{
    return {.metadata = *any_text()};
}
template <>
inline daemon_state_changed any_body<daemon_state_changed>()
{
    return {.state = *any_text()};
}
template <>
inline machine_removed any_body<machine_removed>()
{
    return {.machine_id = *any_text()};
}

template <>
inline device_stated any_body<device_stated>()
{
    return {.statement = *rc::gen::arbitrary<bytes>()};
}
template <>
inline session_deletion_signed any_body<session_deletion_signed>()
{
    return {.device = *any_array<32>(), .signature = *any_array<64>()};
}

template <>
inline invitation_made any_body<invitation_made>()
{
    return {.creator = *any_id<device_id>(), .expires = *rc::gen::arbitrary<unix_millis>()};
}

inline event_type any_type()
{
    return static_cast<event_type>(*rc::gen::inRange<int>(1, event_type_count + 1));
}

struct typed_body
{
    event_type type{};
    event_body body;
};

inline typed_body random_body()
{
    typed_body out{.type = any_type(), .body = {}};
    with_tag(
        out.type, [&]<event_type Type>(event_tag<Type>)
        { out.body = any_body<std::variant_alternative_t<describe(Type).body, event_body>>(); });
    return out;
}

} // namespace consortium::log::testing
