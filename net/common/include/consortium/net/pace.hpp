#pragma once
#include <chrono>
#include <cstddef>

namespace consortium::net
{

/// Whether something comes, or goes, fast enough, whatever it did before: each span must bring its part.
class pace
{
public:
    using clock = std::chrono::steady_clock;

    pace(std::chrono::milliseconds span, std::size_t bytes_per_second_min)
        : span_(span), least_(bytes_per_second_min * static_cast<std::size_t>(span.count()) / 1000)
    {
    }

    /// So much was moved just now. False: too slow. Call at least once in each span.
    bool moved(std::size_t bytes, clock::time_point now)
    {
        if (now >= began_ + span_)
        {
            if (bytes_ < least_)
                return false;
            began_ = now;
            bytes_ = 0;
        }
        bytes_ += bytes;
        return true;
    }
    /// After so long without a byte it will have been too slow.
    std::chrono::milliseconds patience(clock::time_point now) const
    {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(began_ + span_ - now);
        return bytes_ < least_ ? left : left + span_;
    }

private:
    std::chrono::milliseconds span_;
    std::size_t least_;
    clock::time_point began_ = clock::now();
    std::size_t bytes_ = 0;
};

} // namespace consortium::net
