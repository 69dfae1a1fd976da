#pragma once
#include "consortium/common/error.hpp"
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Engine.IO protocol 4 (https://socket.io/docs/v4/engine-io-protocol/): packets as text. Pure functions.
namespace consortium::protocol::engine_io
{

enum class packet_type : char
{
    open = '0',
    close = '1',
    ping = '2',
    pong = '3',
    message = '4',
    upgrade = '5',
    noop = '6',
    binary = 'b', ///< a message of bytes: on a WebSocket a binary frame; in text, base64
};

/// `data` points into the text it was parsed from.
struct packet
{
    packet_type type = packet_type::noop;
    std::string_view data;

    friend bool operator==(const packet&, const packet&) = default;
};

/// One packet: a WebSocket text frame, or a part of a polling body. Errors: errc::bad_request (empty, unknown type).
result<packet> parse(std::string_view text);
std::string write(const packet& value);

/// A message of bytes as text. Errors: errc::bad_request (not the base64 of anything).
std::string write_binary(std::string_view bytes);
result<std::string> read_binary(const packet& value);

/// Walks the packets of a polling body without copying them; they are joined by 0x1e.
class payload_reader
{
public:
    explicit payload_reader(std::string_view body) : rest_(body) {}

    /// Empty after the last packet. An error ends the walk.
    std::optional<result<packet>> next();

private:
    std::string_view rest_;
    bool done_ = false;
};

/// Appends one packet, already written, to a polling body.
void append_to_payload(std::string& body, std::string_view packet_text);

/// What the first packet says (type `open`).
struct handshake
{
    std::string sid;
    std::vector<std::string> upgrades;
    std::chrono::milliseconds ping_interval{};
    std::chrono::milliseconds ping_timeout{};
    std::size_t max_payload = 0;

    friend bool operator==(const handshake&, const handshake&) = default;
};

/// The JSON text of the open packet's data.
std::string write_handshake(const handshake& value);
/// Errors: errc::bad_request.
result<handshake> parse_handshake(std::string_view data);

} // namespace consortium::protocol::engine_io
