#pragma once
#include "consortium/common/bytes.hpp"
#include "consortium/common/error.hpp"
#include <compare>
#include <functional>
#include <string>
#include <string_view>

namespace consortium
{

/// A 16-byte id of its own type. Text form: RFC 9562, lower case.
template <class Tag>
struct uuid
{
    byte_array<16> value{};

    bool is_nil() const noexcept { return value == byte_array<16>{}; }
    byte_view view() const noexcept { return value; }
    friend auto operator<=>(const uuid&, const uuid&) = default;

    /// The same bytes as another kind of id, where a format says so.
    template <class Other>
    Other as() const noexcept
    {
        return Other{value};
    }
};

using account_id = uuid<struct account_tag>;
using device_id = uuid<struct device_tag>;
using session_id = uuid<struct session_tag>;
/// The relay's own id of a machine; clients know the machine by the id they chose.
using machine_row_id = uuid<struct machine_tag>;
using message_id = uuid<struct message_tag>;
/// The hash of an invitation's code: invitation.hpp.
using invitation_id = uuid<struct invitation_tag>;
/// What an event is about: a session, a machine, a device, an account or an invitation.
using stream_id = uuid<struct stream_tag>;
/// Names a data key in the log's key ring.
using key_id = uuid<struct key_tag>;
/// Made with the log, and anew after a restore from backup.
using log_id = uuid<struct log_tag>;

/// A counter of its own type; 0 means "none yet".
template <class Tag>
struct counter
{
    std::uint64_t value = 0;

    counter next() const noexcept { return {value + 1}; }
    friend auto operator<=>(const counter&, const counter&) = default;
};

/// Position in the log, contiguous from 1.
using lsn = counter<struct lsn_tag>;
/// Position in one account's stream, contiguous from 1. Every version on the wire is one.
using revision = counter<struct revision_tag>;

namespace detail
{
std::string uuid_text(const byte_array<16>& value);
result<byte_array<16>> uuid_parse(std::string_view text);
} // namespace detail

template <class Tag>
std::string to_string(const uuid<Tag>& id)
{
    return detail::uuid_text(id.value);
}
/// errc::bad_request for anything but the canonical text form.
template <class Id>
result<Id> parse_uuid(std::string_view text)
{
    auto value = detail::uuid_parse(text);
    if (!value)
        return std::unexpected(value.error());
    return Id{*value};
}

/// RFC 9562 version 7: ids made later in this process sort later. Thread-safe. `unix_ms`: the time it shall carry.
byte_array<16> make_uuid_v7(std::int64_t unix_ms);
/// RFC 9562 version 4.
byte_array<16> make_uuid_v4();

} // namespace consortium

template <class Tag>
struct std::hash<consortium::uuid<Tag>>
{
    std::size_t operator()(const consortium::uuid<Tag>& id) const noexcept
    {
        // The tail of every version is random: it is a hash already.
        return consortium::load_little_endian<std::size_t>(consortium::byte_view(id.value).subspan(8));
    }
};
template <class Tag>
struct std::hash<consortium::counter<Tag>>
{
    std::size_t operator()(const consortium::counter<Tag>& number) const noexcept { return number.value; }
};
