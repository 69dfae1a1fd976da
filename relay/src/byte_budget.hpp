#pragma once
#include "consortium/common/error.hpp"
#include <cstddef>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

namespace consortium::relay
{

/// Bytes of requests that are held for somebody: so many in all, so many for each. Thread-safe.
class byte_budget
{
public:
    struct bounds
    {
        std::size_t all;
        std::size_t each;
    };
    explicit byte_budget(bounds most) : most_(most) {}

    /// Some bytes, until it goes.
    class held
    {
    public:
        held() = default;
        held(held&& other) noexcept
            : from_(std::exchange(other.from_, nullptr)), of_(std::move(other.of_)), bytes_(other.bytes_)
        {
        }
        held& operator=(held&& other) noexcept
        {
            std::swap(from_, other.from_);
            std::swap(of_, other.of_);
            std::swap(bytes_, other.bytes_);
            return *this;
        }
        ~held()
        {
            if (from_)
                from_->give_back(of_, bytes_);
        }

    private:
        friend class byte_budget;
        held(byte_budget& from, std::string of, std::size_t bytes) : from_(&from), of_(std::move(of)), bytes_(bytes) {}

        byte_budget* from_ = nullptr;
        std::string of_;
        std::size_t bytes_ = 0;
    };

    /// errc::overloaded, and when to try again. Nothing is taken for no bytes. `of` empty: counts among all alone.
    result<held> take(const std::string& of, std::size_t bytes);
    std::size_t taken() const;

private:
    void give_back(const std::string& of, std::size_t bytes);

    const bounds most_;
    mutable std::mutex guard_;
    std::size_t all_ = 0;
    std::unordered_map<std::string, std::size_t> each_;
};

} // namespace consortium::relay
