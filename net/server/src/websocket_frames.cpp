#include "websocket_frames.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/bytes.hpp"
#include <algorithm>
#include <cstring>
#include <openssl/evp.h>

namespace consortium::net
{
namespace
{
/// RFC 6455 section 7.4: codes that may be sent.
bool may_be_sent(unsigned code)
{
    return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
           (code >= 3000 && code <= 4999);
}
} // namespace

void append_frame_header(std::string& out, opcode kind, std::size_t payload_size, std::optional<mask_key> mask)
{
    const char mask_bit = mask ? static_cast<char>(0x80) : '\0';
    out += static_cast<char>(0x80 | static_cast<unsigned>(kind));
    if (payload_size < 126)
    {
        out += static_cast<char>(mask_bit | static_cast<char>(payload_size));
    }
    else if (payload_size <= 0xffff)
    {
        out += static_cast<char>(mask_bit | 126);
        out += text(big_endian(static_cast<std::uint16_t>(payload_size)));
    }
    else
    {
        out += static_cast<char>(mask_bit | 127);
        out += text(big_endian(static_cast<std::uint64_t>(payload_size)));
    }
    if (mask)
        out += text(*mask);
}

void apply_mask(std::span<char> payload, const mask_key& mask) noexcept
{
    std::uint32_t word = 0;
    std::memcpy(&word, mask.data(), 4);
    const std::uint64_t wide = (static_cast<std::uint64_t>(word) << 32) | word;
    std::size_t i = 0;
    for (; i + 8 <= payload.size(); i += 8)
    {
        std::uint64_t chunk = 0;
        std::memcpy(&chunk, payload.data() + i, 8);
        chunk ^= wide;
        std::memcpy(payload.data() + i, &chunk, 8);
    }
    for (; i < payload.size(); ++i)
        payload[i] = static_cast<char>(static_cast<std::uint8_t>(payload[i]) ^ mask[i % 4]);
}

std::string close_payload(close_code code, std::string_view reason)
{
    std::string out(text(big_endian(static_cast<std::uint16_t>(code))));
    out += reason.substr(0, control_bytes_max - 2);
    return out;
}

bool is_utf8(std::string_view string) noexcept
{
    const auto* at = reinterpret_cast<const std::uint8_t*>(string.data());
    const auto* const end = at + string.size();
    const auto follows = [&](std::ptrdiff_t count)
    {
        if (end - at <= count)
            return false;
        for (std::ptrdiff_t i = 1; i <= count; ++i)
            if ((at[i] & 0xc0) != 0x80)
                return false;
        return true;
    };
    while (at != end)
    {
        // Nearly everything here is ASCII: eight at a time.
        std::uint64_t chunk = 0;
        if (end - at >= 8 && (std::memcpy(&chunk, at, 8), (chunk & 0x8080808080808080u) == 0))
        {
            at += 8;
            continue;
        }
        const auto first = *at;
        if (first < 0x80)
        {
            ++at;
        }
        else if (first >= 0xc2 && first <= 0xdf)
        {
            if (!follows(1))
                return false;
            at += 2;
        }
        else if ((first & 0xf0) == 0xe0)
        {
            // No overlong forms, no surrogates.
            if (!follows(2) || (first == 0xe0 && at[1] < 0xa0) || (first == 0xed && at[1] > 0x9f))
                return false;
            at += 3;
        }
        else if (first >= 0xf0 && first <= 0xf4)
        {
            if (!follows(3) || (first == 0xf0 && at[1] < 0x90) || (first == 0xf4 && at[1] > 0x8f))
                return false;
            at += 4;
        }
        else
        {
            return false;
        }
    }
    return true;
}

std::string accept_key(std::string_view client_key)
{
    const std::string input = std::string(client_key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    byte_array<20> digest{};
    CONSORTIUM_ASSERT(EVP_Digest(input.data(), input.size(), digest.data(), nullptr, EVP_sha1(), nullptr) == 1);
    return base64_encode(digest);
}

std::optional<frame_event> frame_decoder::violate(close_code code, std::string_view reason)
{
    violation_ = frame_violation{code, reason};
    return {};
}

std::optional<frame_event> frame_decoder::next(std::span<char> buffer, std::size_t& used)
{
    used = 0;
    wanted_ = 2;
    if (violation_)
        return {};
    if (std::exchange(release_fragments_, false))
    {
        fragments_.clear();
        if (fragments_.capacity() > (1u << 20))
            fragments_.shrink_to_fit();
    }
    while (true)
    {
        const auto rest = buffer.subspan(used);
        if (rest.size() < 2)
            return {};
        const auto input = view(std::string_view(rest.data(), rest.size()));
        const auto kind = static_cast<opcode>(input[0] & 0x0f);
        const bool final = (input[0] & 0x80) != 0;
        const bool masked = (input[1] & 0x80) != 0;
        std::uint64_t size = input[1] & 0x7f;
        const bool control = (input[0] & 0x08) != 0;

        if ((input[0] & 0x70) != 0)
            return violate(close_code::protocol_error, "reserved bits are set");
        if (masked != expect_mask_)
            return violate(close_code::protocol_error, masked ? "a masked frame" : "an unmasked frame");
        if (control && (size > control_bytes_max || !final))
            return violate(close_code::protocol_error, "a long or fragmented control frame");

        std::size_t header = 2;
        if (size == 126)
        {
            header += 2;
            if (input.size() >= header)
                size = load_big_endian<std::uint16_t>(input.subspan(2));
        }
        else if (size == 127)
        {
            header += 8;
            if (input.size() >= header)
                size = load_big_endian<std::uint64_t>(input.subspan(2));
        }
        if (input.size() < header)
        {
            wanted_ = header;
            return {};
        }
        if ((header == 4 && size < 126) || (header == 10 && (size <= 0xffff || size >> 63 != 0)))
            return violate(close_code::protocol_error, "a length not in its shortest form");
        switch (kind)
        {
        case opcode::text:
        case opcode::binary:
            if (in_fragments_)
                return violate(close_code::protocol_error, "a new message inside a fragmented one");
            break;
        case opcode::continuation:
            if (!in_fragments_)
                return violate(close_code::protocol_error, "a continuation of nothing");
            break;
        case opcode::close:
        case opcode::ping:
        case opcode::pong:
            break;
        default:
            return violate(close_code::protocol_error, "an unknown opcode");
        }
        const std::size_t gathered = control ? 0 : fragments_.size();
        if (size > message_bytes_max_ - std::min(message_bytes_max_, gathered))
            return violate(close_code::too_big, "the message is too large");

        mask_key mask{};
        if (masked)
        {
            if (input.size() < header + 4)
            {
                wanted_ = header + 4;
                return {};
            }
            mask = to_array<4>(input.subspan(header));
            header += 4;
        }
        if (input.size() - header < size)
        {
            wanted_ = header + size;
            return {};
        }
        const auto payload = rest.subspan(header, size);
        if (masked)
            apply_mask(payload, mask);
        used += header + size;
        const std::string_view content(payload.data(), payload.size());

        if (kind == opcode::ping)
            return frame_event{frame_event::kind::ping, content};
        if (kind == opcode::pong)
            return frame_event{frame_event::kind::pong, content};
        if (kind == opcode::close)
        {
            if (content.size() == 1 ||
                (content.size() >= 2 && !may_be_sent(load_big_endian<std::uint16_t>(view(content)))))
                return violate(close_code::protocol_error, "a malformed close frame");
            if (content.size() > 2 && !is_utf8(content.substr(2)))
                return violate(close_code::invalid_utf8, "the close reason is not UTF-8");
            return frame_event{frame_event::kind::close, content};
        }
        const auto what =
            in_fragments_.value_or(kind == opcode::text ? frame_event::kind::text : frame_event::kind::binary);
        auto message = content;
        if (!final || in_fragments_)
        {
            in_fragments_ = what;
            fragments_ += content;
            if (!final)
                continue;
            in_fragments_.reset();
            release_fragments_ = true;
            message = fragments_;
        }
        if (what == frame_event::kind::text && !is_utf8(message))
            return violate(close_code::invalid_utf8, "the message is not UTF-8");
        return frame_event{what, message};
    }
}

} // namespace consortium::net
