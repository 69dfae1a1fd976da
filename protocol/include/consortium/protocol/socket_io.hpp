#pragma once
#include "consortium/common/error.hpp"
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// Socket.IO protocol 5 (https://socket.io/docs/v4/socket-io-protocol/): packets as text, the payload of Engine.IO
/// messages. The attachments of binary packets follow as messages of their own (socket_io_assembler.hpp). Pure
/// functions.
namespace consortium::protocol::socket_io
{

enum class packet_type : char
{
    connect = '0',
    disconnect = '1',
    event = '2',
    ack = '3',
    connect_error = '4',
    binary_event = '5',
    binary_ack = '6',
};

/// Whether it is an event, or an acknowledgement, with attachments or without.
constexpr bool is_event(packet_type type)
{
    return type == packet_type::event || type == packet_type::binary_event;
}
constexpr bool is_ack(packet_type type)
{
    return type == packet_type::ack || type == packet_type::binary_ack;
}
constexpr bool is_binary(packet_type type)
{
    return type == packet_type::binary_event || type == packet_type::binary_ack;
}

/// The largest acknowledgement id: what a JavaScript number holds exactly.
inline constexpr std::uint64_t ack_id_max = (1ull << 53) - 1;
inline constexpr std::size_t name_space_bytes_max = 256;

/// The frame of a packet; its JSON is not read yet. The views point into the text it was parsed from.
struct packet
{
    packet_type type = packet_type::event;
    std::string_view name_space = "/";
    std::optional<std::uint64_t> id;
    std::size_t attachments = 0; ///< of a binary packet: so many messages of bytes follow
    /// JSON text: an array for events and acks, an object for connect, an object or a string for connect_error; or
    /// empty.
    std::string_view data;

    friend bool operator==(const packet&, const packet&) = default;
};

/// Finds type, number of attachments, namespace and acknowledgement id. Errors: errc::bad_request (unknown type, more
/// than limits::attachments_max, an id above ack_id_max, a namespace above name_space_bytes_max, data missing or not of
/// the kind its type asks for).
result<packet> parse(std::string_view text);
/// Appends the packet's text; `data` goes out as it is.
void append(std::string& out, const packet& value);
std::string write(const packet& value);

struct event
{
    std::string name;
    boost::json::array args; ///< without the name
};

/// Where an attachment belongs, its arguments have a placeholder: `{"_placeholder":true,"num":N}`. A binary packet has
/// one for each of its attachments; in others the word means nothing. Errors: errc::bad_request (not a JSON array,
/// placeholders that are not 0..n-1 once each, first element no string, or a name that Socket.IO reserves).
result<event> parse_event(const packet& value);
/// The arguments of an ack. Errors: errc::bad_request.
result<boost::json::array> parse_args(const packet& value);
/// The data of a connect packet; absent is an empty object. Errors: errc::bad_request.
result<boost::json::object> parse_object(const packet& value);

/// How many placeholders it holds.
std::size_t count_placeholders(const boost::json::value& in);

/// Appends the JSON text of `value`.
void append_json(std::string& out, const boost::json::value& value);
void append_json_string(std::string& out, std::string_view text);

/// The packets that we send, each ready to be an Engine.IO message: they begin with its `4`. With attachments they are
/// binary packets, and the attachments are to follow.
std::string message_event(std::string_view name, const boost::json::value& arg, std::optional<std::uint64_t> id = {});
/// An event with any number of arguments.
std::string message_event_args(
    std::string_view name, const boost::json::array& args, std::optional<std::uint64_t> id = {},
    std::size_t attachments = 0);
std::string message_ack(std::uint64_t id, const boost::json::array& args, std::size_t attachments = 0);
/// With one argument, given as JSON text.
std::string message_ack_of(std::uint64_t id, std::string_view json);
std::string message_connect(const boost::json::object& data);
/// `44{"message":..}`, with `data` when it is not null.
std::string message_connect_error(std::string_view text, const boost::json::value& data);
std::string message_disconnect();

} // namespace consortium::protocol::socket_io
