#pragma once
#include "row_codec.hpp"
#include <vector>

namespace consortium::log
{

/// row_codec::prf() with the newest answers at hand: a message asks for the names of its account and session several
/// times, and each costs as much as a row. An answer stays until another falls on its place. Not thread-safe.
class prf_memo
{
public:
    explicit prf_memo(const row_codec& codec) : codec_(codec), places_(256) {}

    byte_array<16> operator()(byte_parts parts);

private:
    struct place
    {
        byte_array<79> asked{};
        std::uint8_t size = 0; ///< 0: empty
        byte_array<16> answer{};
    };

    const row_codec& codec_;
    std::vector<place> places_;
};

} // namespace consortium::log
