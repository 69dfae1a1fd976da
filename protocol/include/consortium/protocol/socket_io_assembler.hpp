#pragma once
#include "consortium/common/error.hpp"
#include "consortium/protocol/socket_io.hpp"
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace consortium::protocol::socket_io
{

/// Puts the packets of one peer together from its messages: a binary packet is whole when its attachments have come,
/// and nothing may come between them. Pure.
class assembler
{
public:
    struct whole
    {
        std::string_view text; ///< what parse() read `head` from
        packet head;
        std::vector<std::string> attachments;
    };

    /// `bytes_max`: of a packet that is not whole yet.
    explicit assembler(std::size_t bytes_max) : bytes_max_(bytes_max) {}

    /// A message of text, and one of bytes. Nothing: attachments are still to come. The views point into `text` or,
    /// with attachments, into this until the next call. Errors: errc::bad_request (no packet, or text where an
    /// attachment has to come), errc::too_large.
    result<std::optional<whole>> take(std::string_view text);
    result<std::optional<whole>> take_attachment(std::string bytes);

    /// What it holds of a packet that is not whole.
    std::size_t held_bytes() const noexcept { return held_bytes_; }

private:
    const std::size_t bytes_max_;
    std::string text_;
    packet head_; ///< points into text_
    std::vector<std::string> attachments_;
    std::size_t held_bytes_ = 0;
};

} // namespace consortium::protocol::socket_io
