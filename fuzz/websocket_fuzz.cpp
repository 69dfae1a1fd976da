#include "consortium/common/bytes.hpp"
#include "websocket_frames.hpp"
#include <vector>

namespace
{
using namespace consortium;
using namespace consortium::net;

/// Everything a decoder finds when the input comes in pieces of `step` bytes.
std::vector<std::string> found(std::string_view input, bool masked, std::size_t step)
{
    std::vector<std::string> out;
    frame_decoder decoder(masked, 4096);
    std::string unread;
    for (std::size_t at = 0; at < input.size(); at += step)
    {
        unread += input.substr(at, step);
        while (true)
        {
            std::size_t used = 0;
            const auto event = decoder.next(std::span(unread.data(), unread.size()), used);
            if (event)
            {
                CONSORTIUM_ASSERT(event->payload.size() <= 4096);
                out.emplace_back(event->payload);
                out.back() += static_cast<char>(event->what);
            }
            unread.erase(0, used);
            if (!event)
                break;
        }
    }
    if (decoder.violation())
        out.emplace_back(decoder.violation()->reason);
    return out;
}
} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    if (size == 0)
        return 0;
    // The first byte chooses the side; how reads cut the input must not matter.
    const bool masked = (data[0] & 1) != 0;
    const auto input = text(byte_view(data, size).subspan(1));
    const auto whole = found(input, masked, std::max<std::size_t>(input.size(), 1));
    CONSORTIUM_ASSERT(whole == found(input, masked, 1));
    CONSORTIUM_ASSERT(whole == found(input, masked, 7));
    return 0;
}
