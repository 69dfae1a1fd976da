#pragma once
#include "consortium/common/secret.hpp"

/// `first`, `first` + 1 …: how the documents write test bytes.
template <std::size_t N>
consortium::byte_array<N> run_of(std::uint8_t first)
{
    consortium::byte_array<N> out;
    for (std::size_t i = 0; i < N; ++i)
        out[i] = static_cast<std::uint8_t>(first + i);
    return out;
}
inline consortium::key256 key_of(std::uint8_t first)
{
    return consortium::key256(run_of<32>(first));
}
