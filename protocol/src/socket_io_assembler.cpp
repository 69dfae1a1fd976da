#include "consortium/protocol/socket_io_assembler.hpp"
#include <utility>

namespace consortium::protocol::socket_io
{

result<std::optional<assembler::whole>> assembler::take(std::string_view text)
{
    if (held_bytes_ > 0)
        return fail(errc::bad_request, "text where an attachment has to come");
    const auto head = parse(text);
    if (!head)
        return std::unexpected(head.error());
    if (head->attachments == 0)
        return whole{text, *head, {}};
    if (text.size() > bytes_max_)
        return fail(errc::too_large, "the packet is too large");
    text_ = text;
    head_ = *parse(text_);
    held_bytes_ = text_.size();
    return std::nullopt;
}

result<std::optional<assembler::whole>> assembler::take_attachment(std::string bytes)
{
    if (held_bytes_ == 0)
        return fail(errc::bad_request, "an attachment of nothing");
    if (bytes.size() > bytes_max_ - held_bytes_)
        return fail(errc::too_large, "the packet is too large");
    held_bytes_ += bytes.size();
    attachments_.push_back(std::move(bytes));
    if (attachments_.size() < head_.attachments)
        return std::nullopt;
    held_bytes_ = 0;
    return whole{text_, head_, std::exchange(attachments_, {})};
}

} // namespace consortium::protocol::socket_io
