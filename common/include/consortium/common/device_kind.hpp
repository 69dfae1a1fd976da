#pragma once
#include <cstdint>

namespace consortium
{

/// The numbers are those of statements, of pairing requests and of stored events.
enum class device_kind : std::uint8_t
{
    agent = 1,   ///< reaches only the sessions and machines it created
    browser = 2, ///< reaches everything of its account
    unnamed = 3, ///< a login without a device key (existing clients): one per account, reaches everything
};

} // namespace consortium
