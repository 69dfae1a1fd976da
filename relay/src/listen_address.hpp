#pragma once
#include "consortium/common/error.hpp"
#include <cstdint>
#include <string>
#include <string_view>

namespace consortium::relay
{

/// Where to listen: "127.0.0.1:9464", "[::1]:9464".
struct listen_address
{
    std::string host; ///< numeric
    std::uint16_t port = 0;

    /// errc::bad_request
    static result<listen_address> parse(std::string_view text);
};

} // namespace consortium::relay
