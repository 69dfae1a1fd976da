#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace consortium::agent::claude
{

/// Bytes in, whole lines out, of any length up to a bound that only a broken peer meets. Each byte is looked at once.
class line_buffer
{
public:
    /// Room for the next read; what next() returned is void from here on.
    std::span<char> prepare(std::size_t size = 64 * 1024);
    void commit(std::size_t size) { used_ += size; }
    /// The next complete line without its end. Empty: read more.
    std::optional<std::string_view> next();
    std::size_t held() const noexcept { return used_ - begin_; }

private:
    std::string storage_;
    std::size_t begin_ = 0;   ///< first byte not handed out
    std::size_t scanned_ = 0; ///< no line end before this
    std::size_t used_ = 0;
};

} // namespace consortium::agent::claude
