#pragma once
#include <string_view>

namespace consortium::net
{

/// What came over a WebSocket. The view is good as long as whoever read it says.
struct websocket_message
{
    enum class kind
    {
        text, ///< UTF-8
        binary,
    };
    kind what = kind::text;
    std::string_view payload;
};

} // namespace consortium::net
