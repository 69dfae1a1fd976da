#include "consortium/common/bytes.hpp"
#include "consortium/common/error.hpp"
#include "socks5.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace consortium;
    using namespace consortium::net;
    if (size == 0)
        return 0;
    // The first byte decides whether there is a login.
    const auto credentials = data[0] % 2 == 0 ? std::nullopt : std::optional(proxy::login{"user", "password"});
    socks5_handshake handshake("relay.example", 443, credentials);
    auto input = text(byte_view(data, size)).substr(1);
    int steps = 0;
    while (!handshake.done() && input.size() >= handshake.wanted())
    {
        CONSORTIUM_ASSERT(++steps <= 5 && handshake.wanted() > 0);
        const auto taken = input.substr(0, handshake.wanted());
        input.remove_prefix(taken.size());
        if (!handshake.next(taken))
            return 0;
    }
    return 0;
}
