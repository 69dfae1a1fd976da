#pragma once
#include "consortium/common/error.hpp"
#include "consortium/net/websocket.hpp"
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

/// RFC 6455 framing as pure functions of bytes. No extensions.
namespace consortium::net
{

enum class opcode : std::uint8_t
{
    continuation = 0x0,
    text = 0x1,
    binary = 0x2,
    close = 0x8,
    ping = 0x9,
    pong = 0xa,
};

using mask_key = std::array<std::uint8_t, 4>;
inline constexpr std::size_t frame_header_bytes_max = 14;
inline constexpr std::size_t control_bytes_max = 125; ///< RFC 6455 section 5.5

/// Appends the header of a final frame.
void append_frame_header(std::string& out, opcode kind, std::size_t payload_size, std::optional<mask_key> mask);
/// XORs in place; its own inverse (RFC 6455 section 5.3).
void apply_mask(std::span<char> payload, const mask_key& mask) noexcept;
/// The payload of a close frame.
std::string close_payload(close_code code, std::string_view reason);

/// RFC 3629, whole strings only.
bool is_utf8(std::string_view text) noexcept;

/// The answer to a client's `Sec-WebSocket-Key` (RFC 6455 section 4.2.2).
std::string accept_key(std::string_view client_key);

/// A decoder's complaint, to be told to the peer.
struct frame_violation
{
    close_code code = close_code::protocol_error;
    std::string_view reason;
};

/// What a decoder found.
struct frame_event
{
    enum class kind
    {
        text,   ///< a complete message
        binary, ///< a complete message
        ping,
        pong,
        close, ///< payload as received, already validated
    };
    kind what = kind::text;
    std::string_view payload; ///< holds until the next feed()
};

/// Takes the bytes of one direction and finds messages in them, without copying where a message came in one frame.
class frame_decoder
{
public:
    /// `expect_mask`: true for a server's input.
    frame_decoder(bool expect_mask, std::size_t message_bytes_max)
        : expect_mask_(expect_mask), message_bytes_max_(message_bytes_max)
    {
    }

    /// The next event in `buffer`, which is the unread input, and how much of it is used up (also without an event).
    /// Unmasks in place, so `buffer` must be offered again from where it was left, with more behind it.
    /// No event and no violation: more input is needed.
    std::optional<frame_event> next(std::span<char> buffer, std::size_t& used);
    std::size_t message_bytes_max() const noexcept { return message_bytes_max_; }
    void set_message_bytes_max(std::size_t bytes) noexcept { message_bytes_max_ = bytes; }
    /// Nothing more is taken, for a reason of the caller's.
    void give_up(close_code code, std::string_view reason) { violation_ = frame_violation{code, reason}; }
    const std::optional<frame_violation>& violation() const noexcept { return violation_; }
    /// How many bytes the frame that begins at the unread input needs in all, as far as is known. A hint for the
    /// buffer.
    std::size_t wanted() const noexcept { return wanted_; }
    /// What it holds of a message whose end has not come.
    std::size_t held_bytes() const noexcept { return fragments_.size(); }

private:
    std::optional<frame_event> violate(close_code code, std::string_view reason);

    bool expect_mask_;
    std::size_t message_bytes_max_;
    std::size_t wanted_ = 2;
    std::string fragments_;
    std::optional<frame_event::kind> in_fragments_; ///< of what the message is whose end has not come
    bool release_fragments_ = false;
    std::optional<frame_violation> violation_;
};

} // namespace consortium::net
