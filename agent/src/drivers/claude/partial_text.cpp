#include "drivers/claude/partial_text.hpp"
#include "base/json_access.hpp"
#include <algorithm>

namespace consortium::agent::claude
{

std::uint64_t utf16_units(std::string_view text) noexcept
{
    std::uint64_t units = 0;
    for (const char c : text)
    {
        const auto byte = static_cast<unsigned char>(c);
        if ((byte & 0xc0) != 0x80) // not a continuation
            units += byte >= 0xf0 ? 2 : 1;
    }
    return units;
}

void partial_tracker::reset()
{
    message_.clear();
    open_.reset();
    offset_ = 0;
    pieces_.clear();
}

void partial_tracker::on_event(const json::object& event)
{
    const auto type = text_at(event, "type");
    if (type == "message_start")
    {
        reset();
        if (const auto* message = object_at(event, "message"))
            message_ = text_at(*message, "id");
    }
    else if (type == "content_block_start")
    {
        open_ = number_at(event, "index");
        offset_ = 0;
    }
    else if (type == "content_block_delta" && open_)
    {
        const auto* delta = object_at(event, "delta");
        if (delta == nullptr)
            return;
        const auto kind = text_at(*delta, "type");
        if (kind == "text_delta")
            add(text_at(*delta, "text"), "text");
        else if (kind == "thinking_delta")
            add(text_at(*delta, "thinking"), "thinking");
    }
    else if (type == "content_block_stop")
        open_.reset();
}

void partial_tracker::add(std::string_view text, std::string_view kind)
{
    if (text.empty() || message_.empty())
        return;
    const auto block = message_ + ":" + std::to_string(*open_);
    if (!pieces_.empty() && pieces_.back().block == block && pieces_.back().kind == kind)
        pieces_.back().text += text;
    else
        pieces_.push_back({block, offset_, std::string(text), kind});
    offset_ += utf16_units(text);
}

std::string partial_tracker::finish_block(const std::string& message_id)
{
    if (counted_message_ != message_id)
    {
        counted_message_ = message_id;
        counted_ = 0;
    }
    const auto counted = counted_++;
    const bool is_open = message_id == message_ && open_;
    const auto block = message_id + ":" + std::to_string(is_open ? *open_ : counted);
    std::erase_if(pieces_, [&](const partial_text& each) { return each.block == block; });
    return block;
}

std::vector<partial_text> partial_tracker::take()
{
    return std::exchange(pieces_, {});
}

} // namespace consortium::agent::claude
