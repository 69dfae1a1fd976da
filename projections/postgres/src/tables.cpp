#include "tables.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/hash.hpp"
#include <algorithm>
#include <openssl/evp.h>

namespace consortium::postgres
{
namespace
{

using log::event;

std::int32_t size_of(const content& held)
{
    return static_cast<std::int32_t>(held.raw.size());
}
std::int32_t size_of(const std::optional<content>& held)
{
    return held ? size_of(*held) : 0;
}
std::optional<content> content_of(const std::optional<std::string>& text)
{
    return text.transform([](const std::string& held) { return content(held); });
}
/// As base64_decode(), whose time tells nothing of what it decodes, and which takes nearly half of what the mirror
/// takes altogether. This is ciphertext: OpenSSL's is fast.
std::optional<bytes> decode_public(std::string_view text)
{
    if (text.size() % 4 != 0)
        return std::nullopt;
    bytes out(text.size() / 4 * 3);
    if (EVP_DecodeBlock(out.data(), view(text).data(), static_cast<int>(text.size())) != static_cast<int>(out.size()))
        return std::nullopt;
    const auto padding = text.ends_with("==") ? 2u : text.ends_with('=') ? 1u : 0u;
    out.resize(out.size() - padding);
    // It reads on over what is no base64: only what these bytes are written as is theirs.
    bytes again(text.size() + 1);
    EVP_EncodeBlock(again.data(), out.data(), static_cast<int>(out.size()));
    again.pop_back(); // its terminating zero
    if (!std::ranges::equal(again, view(text)))
        return std::nullopt;
    return out;
}

timestamp time_of(const event& happened)
{
    return {happened.header.time};
}

field_versions::row_type version_of(const event& happened, const std::optional<std::string>& value)
{
    const auto& header = happened.header;
    auto held = content_of(value);
    const auto size = size_of(held);
    return {
        {header.account, header.stream, header.rev.value, happened.number.value, std::move(held), time_of(happened),
         size}};
}

} // namespace

content::content(std::string_view text)
{
    auto decoded = decode_public(text);
    raw = decoded ? std::move(*decoded) : to_bytes(view(text));
}

std::string storable(std::string text)
{
    for (auto at = text.find('\0'); at != std::string::npos; at = text.find('\0', at))
        text.replace(at, 1, "\xef\xbf\xbd");
    return text;
}

std::string text_of(const content& field)
{
    return hex_encode(sha256({field.raw}));
}
std::string text_of(timestamp field)
{
    return iso_time(field.value);
}
std::string text_of(bool field)
{
    return field ? "true" : "false";
}
std::string text_of(std::uint64_t field)
{
    return std::to_string(field);
}
std::string text_of(std::int32_t field)
{
    return std::to_string(field);
}
std::string text_of(const std::string& field)
{
    return hex_encode(sha256({view(field)}));
}

accounts_table::row_type accounts_table::row(const event& happened)
{
    if (happened.as<log::account_created>() == nullptr)
        return std::nullopt;
    return {{happened.header.account, happened.number.value, time_of(happened)}};
}

sessions_table::row_type sessions_table::row(const event& happened)
{
    const auto* body = happened.as<log::session_created>();
    if (body == nullptr)
        return std::nullopt;
    const auto& header = happened.header;
    const auto time = time_of(happened);
    return {
        {header.account, header.stream, body->creator, happened.number.value, /*seq=*/0u, time, time, /*active=*/true,
         time, header.rev.value, /*agent_state_version=*/0u}};
}

messages_table::row_type messages_table::row(const event& happened)
{
    const auto* body = happened.as<log::message_appended>();
    if (body == nullptr)
        return std::nullopt;
    const auto& header = happened.header;
    content held(body->content);
    const auto size = size_of(held);
    return {
        {happened.number.value, header.account, header.stream, header.seq, body->id, body->local_id.transform(storable),
         std::move(held), time_of(happened), header.rev.value, size}};
}

field_versions::row_type metadata_versions_table::row(const event& happened)
{
    if (const auto* created = happened.as<log::session_created>())
        return version_of(happened, created->metadata);
    if (const auto* changed = happened.as<log::session_metadata_changed>())
        return version_of(happened, changed->metadata);
    return std::nullopt;
}

field_versions::row_type agent_state_versions_table::row(const event& happened)
{
    if (const auto* changed = happened.as<log::agent_state_changed>())
        return version_of(happened, changed->state);
    return std::nullopt;
}

machines_table::row_type machines_table::row(const event& happened)
{
    const auto* body = happened.as<log::machine_registered>();
    if (body == nullptr)
        return std::nullopt;
    const auto& header = happened.header;
    const auto time = time_of(happened);
    const auto version = header.rev.value;
    return {
        {header.account, header.stream, storable(body->machine_id), body->creator, happened.number.value, time, time,
         /*active=*/false, time, version, body->daemon_state ? version : 0}};
}

machine_events_table::row_type machine_events_table::row(const event& happened)
{
    const auto& header = happened.header;
    const auto known = log::describe(header.type);
    if (known.about != about || known.destroys_key() || happened.shredded())
        return std::nullopt;
    std::optional<content> metadata;
    std::optional<content> daemon_state;
    if (const auto* registered = happened.as<log::machine_registered>())
    {
        metadata = content(registered->metadata);
        daemon_state = content_of(registered->daemon_state);
    }
    else if (const auto* changed = happened.as<log::machine_metadata_changed>())
        metadata = content(changed->metadata);
    else if (const auto* said = happened.as<log::daemon_state_changed>())
        daemon_state = content_of(said->state);
    const auto size = size_of(metadata) + size_of(daemon_state);
    return {
        {header.account, header.stream, header.rev.value, happened.number.value, std::string(log::name(header.type)),
         std::move(metadata), std::move(daemon_state), time_of(happened), size}};
}

} // namespace consortium::postgres
