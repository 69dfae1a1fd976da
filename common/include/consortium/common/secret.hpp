#pragma once
#include "consortium/common/bytes.hpp"
#include <utility>

namespace consortium
{

/// Must be called before anything else of common/'s cryptography. Idempotent, thread-safe; ends the process on failure.
void init_crypto();

void wipe(std::span<std::uint8_t> memory) noexcept;
void fill_random(std::span<std::uint8_t> out);

template <std::size_t N>
byte_array<N> random_array()
{
    byte_array<N> out;
    fill_random(out);
    return out;
}

/// Key bytes that wipe themselves.
template <std::size_t N>
class secret_bytes
{
public:
    secret_bytes() = default;
    explicit secret_bytes(byte_array<N> value) noexcept : value_(value) { wipe(value); }
    secret_bytes(const secret_bytes&) = default;
    secret_bytes(secret_bytes&& other) noexcept : value_(other.value_) { wipe(other.value_); }
    secret_bytes& operator=(const secret_bytes&) = default;
    secret_bytes& operator=(secret_bytes&& other) noexcept
    {
        value_ = other.value_;
        if (this != &other)
            wipe(other.value_);
        return *this;
    }
    ~secret_bytes() { wipe(value_); }

    static secret_bytes random()
    {
        secret_bytes out;
        fill_random(out.value_);
        return out;
    }
    /// `data` must hold N bytes.
    static secret_bytes from(byte_view data) { return secret_bytes(to_array<N>(data)); }

    byte_view view() const noexcept { return value_; }
    std::span<std::uint8_t> writable() noexcept { return value_; }
    const std::uint8_t* data() const noexcept { return value_.data(); }
    static constexpr std::size_t size() noexcept { return N; }
    friend bool operator==(const secret_bytes& left, const secret_bytes& right) noexcept
    {
        return equal_constant_time(left.value_, right.value_);
    }

private:
    byte_array<N> value_{};
};

using key256 = secret_bytes<32>;

} // namespace consortium
