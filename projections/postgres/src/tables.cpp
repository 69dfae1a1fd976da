#include "tables.hpp"
#include "consortium/common/base64.hpp"
#include <algorithm>

namespace consortium::postgres
{
namespace
{

using log::event;

/// Of an optional text: null, and no bytes, when there is none.
struct maybe_content
{
    explicit maybe_content(const maybe_text& text)
    {
        if (!text)
            return;
        content held(*text);
        hex = std::move(held.hex);
        size = held.size;
    }
    maybe_text hex;
    std::size_t size = 0;
};

std::string account_of(const event& happened)
{
    return to_string(happened.header.account);
}
std::string stream_of(const event& happened)
{
    return to_string(happened.header.stream);
}
std::string time_of(const event& happened)
{
    return iso_time(happened.header.time);
}

version_row version_of(const event& happened, const maybe_text& value)
{
    maybe_content held(value);
    return {
        {std::move(held.hex), account_of(happened), stream_of(happened), happened.header.rev.value,
         happened.number.value, time_of(happened), held.size}};
}

} // namespace

content::content(const std::string& text)
{
    const auto decoded = base64_decode(text);
    const auto raw = decoded ? byte_view(*decoded) : view(text);
    size = raw.size();
    hex = "\\x" + hex_encode(raw);
}

std::string storable(std::string text)
{
    for (auto at = text.find('\0'); at != std::string::npos; at = text.find('\0', at))
        text.replace(at, 1, "\xef\xbf\xbd");
    return text;
}

accounts_table::row_type accounts_table::row(const event& happened)
{
    if (happened.as<log::account_created>() == nullptr)
        return std::nullopt;
    return {{account_of(happened), happened.number.value, time_of(happened)}};
}

sessions_table::row_type sessions_table::row(const event& happened)
{
    const auto* body = happened.as<log::session_created>();
    if (body == nullptr)
        return std::nullopt;
    const auto time = time_of(happened);
    return {
        {account_of(happened), stream_of(happened), to_string(body->creator), happened.number.value,
         /*seq=*/0, time, time, /*active=*/true, time, happened.header.rev.value, /*agent_state_version=*/0}};
}

messages_table::row_type messages_table::row(const event& happened)
{
    const auto* body = happened.as<log::message_appended>();
    if (body == nullptr)
        return std::nullopt;
    content held(body->content);
    return {
        {std::move(held.hex), happened.number.value, account_of(happened), stream_of(happened), happened.header.seq,
         to_string(body->id), body->local_id.transform(storable), time_of(happened), happened.header.rev.value,
         held.size}};
}

version_row metadata_versions_table::row(const event& happened)
{
    if (const auto* created = happened.as<log::session_created>())
        return version_of(happened, created->metadata);
    if (const auto* changed = happened.as<log::session_metadata_changed>())
        return version_of(happened, changed->metadata);
    return std::nullopt;
}

version_row agent_state_versions_table::row(const event& happened)
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
    const auto time = time_of(happened);
    const auto version = happened.header.rev.value;
    return {
        {account_of(happened), stream_of(happened), storable(body->machine_id), to_string(body->creator),
         happened.number.value, time, time, /*active=*/false, time, version, body->daemon_state ? version : 0}};
}

machine_events_table::row_type machine_events_table::row(const event& happened)
{
    const auto type = happened.header.type;
    const auto known = log::describe(type);
    if (known.about != about || known.destroys_key() || happened.shredded())
        return std::nullopt;
    maybe_text metadata;
    maybe_text daemon_state;
    if (const auto* registered = happened.as<log::machine_registered>())
    {
        metadata = registered->metadata;
        daemon_state = registered->daemon_state;
    }
    else if (const auto* changed = happened.as<log::machine_metadata_changed>())
        metadata = changed->metadata;
    else if (const auto* said = happened.as<log::daemon_state_changed>())
        daemon_state = said->state;
    maybe_content first(metadata);
    maybe_content second(daemon_state);
    return {
        {std::move(first.hex), std::move(second.hex), account_of(happened), stream_of(happened),
         happened.header.rev.value, happened.number.value, std::string(log::name(type)), time_of(happened),
         first.size + second.size}};
}

} // namespace consortium::postgres
