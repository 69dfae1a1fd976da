#include "drivers/claude/line_buffer.hpp"
#include <algorithm>

namespace consortium::agent::claude
{

std::span<char> line_buffer::prepare(std::size_t size)
{
    if (begin_ != 0)
    {
        std::copy(
            storage_.begin() + static_cast<std::ptrdiff_t>(begin_),
            storage_.begin() + static_cast<std::ptrdiff_t>(used_), storage_.begin());
        used_ -= begin_;
        scanned_ -= begin_;
        begin_ = 0;
    }
    if (storage_.size() < used_ + size)
        storage_.resize(std::max(used_ + size, storage_.size() * 2));
    return {storage_.data() + used_, storage_.size() - used_};
}

std::optional<std::string_view> line_buffer::next()
{
    const std::string_view data(storage_.data(), used_);
    const auto end = data.find('\n', scanned_);
    if (end == std::string_view::npos)
    {
        scanned_ = used_;
        return std::nullopt;
    }
    const auto line = data.substr(begin_, end - begin_);
    begin_ = scanned_ = end + 1;
    return line;
}

} // namespace consortium::agent::claude
