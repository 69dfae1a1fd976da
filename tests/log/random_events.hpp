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

struct typed_body
{
    event_type type{};
    event_body body;
};

inline typed_body random_body()
{
    const auto type = static_cast<event_type>(*rc::gen::inRange<int>(1, 20));
    switch (type)
    {
    case event_type::account_created:
        return {type, account_created{.public_key = *any_array<32>()}};
    case event_type::device_added:
    {
        const auto kind = static_cast<device_kind>(*rc::gen::inRange<int>(1, 4));
        const auto key = kind == device_kind::unnamed ? bytes() : to_bytes(*any_array<32>());
        return {type, device_added{.public_key = key, .kind = kind, .sealed_name = *any_text()}};
    }
    case event_type::device_renamed:
        return {type, device_renamed{.sealed_name = *any_text()}};
    case event_type::pairing_approved:
        return {
            type, pairing_approved{
                      .request_key = *any_array<32>(),
                      .device = *any_id<device_id>(),
                      .approver = *any_id<device_id>(),
                      .response = *any_text()}};
    case event_type::session_created:
        return {
            type, session_created{
                      .creator = *any_id<device_id>(),
                      .tag = *any_text(),
                      .metadata = *any_text(),
                      .data_key = *any_optional_text()}};
    case event_type::message_appended:
        return {
            type, message_appended{.id = *any_id<message_id>(), .local_id = *any_local_id(), .content = *any_text()}};
    case event_type::session_metadata_changed:
        return {type, session_metadata_changed{.metadata = *any_text()}};
    case event_type::agent_state_changed:
        return {type, agent_state_changed{.state = *any_optional_text()}};
    case event_type::machine_registered:
        return {
            type, machine_registered{
                      .creator = *any_id<device_id>(),
                      .machine_id = *any_text(),
                      .metadata = *any_text(),
                      .daemon_state = *any_optional_text(),
                      .data_key = *any_optional_text()}};
    case event_type::machine_metadata_changed:
        return {type, machine_metadata_changed{.metadata = *any_text()}};
    case event_type::daemon_state_changed:
        return {type, daemon_state_changed{.state = *any_text()}};
    case event_type::machine_removed:
        return {type, machine_removed{.machine_id = *any_text()}};
    default:
        return {type, no_body{}};
    }
}

} // namespace consortium::log::testing
