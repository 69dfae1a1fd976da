#pragma once
#include "drivers/driver.hpp"
#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace consortium::agent::claude
{
namespace json = boost::json;

/// Follows the stream events of the main thread: which block is open, what was written in it. Pieces are gathered until
/// take(), so that the caller decides how often they travel.
class partial_tracker
{
public:
    /// `event` is the Messages API event inside a `stream_event` line.
    void on_event(const json::object& event);
    /// The block that a finished `assistant` line of this message is; its unsent pieces are dropped: the line has them.
    std::string finish_block(const std::string& message_id);
    /// Everything new since the last call, in order.
    std::vector<partial_text> take();
    bool pending() const noexcept { return !pieces_.empty(); }
    void reset();

private:
    void add(std::string_view text, std::string_view kind);

    std::string message_;
    std::optional<std::int64_t> open_; ///< index of the open block
    std::uint64_t offset_ = 0;
    std::vector<partial_text> pieces_;
    std::string counted_message_;
    std::int64_t counted_ = 0; ///< finished lines of `counted_message_`
};

/// How many UTF-16 code units a UTF-8 text has in JavaScript.
std::uint64_t utf16_units(std::string_view text) noexcept;

} // namespace consortium::agent::claude
