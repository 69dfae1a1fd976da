#include "consortium/common/secret.hpp"
#include "consortium/common/error.hpp"
#include <sodium.h>

namespace consortium
{

void init_crypto()
{
    CONSORTIUM_ASSERT(sodium_init() >= 0);
}
void wipe(std::span<std::uint8_t> memory) noexcept
{
    if (!memory.empty()) // libsodium takes no null pointers
        sodium_memzero(memory.data(), memory.size());
}
void fill_random(std::span<std::uint8_t> out)
{
    if (!out.empty())
        randombytes_buf(out.data(), out.size());
}

} // namespace consortium
