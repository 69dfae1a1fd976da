#include "consortium/common/bytes.hpp"
#include "consortium/common/error.hpp"
#include "http_reader.hpp"

namespace
{
using namespace consortium;
using namespace consortium::net;

/// Method, target and body of the first request, or the status that refuses it.
std::string outcome(std::string_view input, std::size_t step)
{
    request_reader reader(1024, 1024);
    std::string unread;
    std::size_t at = 0;
    while (true)
    {
        std::size_t used = 0;
        const auto state = reader.feed(unread, used);
        CONSORTIUM_ASSERT(used <= unread.size());
        unread.erase(0, used);
        if (state == read_state::failed)
            return std::to_string(reader.status());
        if (state == read_state::done)
        {
            const auto request = reader.take();
            return request.method + " " + request.target + " " + request.body;
        }
        if (state == read_state::header_done && !unread.empty())
            continue;
        if (at == input.size())
            return "more";
        const auto count = std::min(step, input.size() - at);
        unread += input.substr(at, count);
        at += count;
    }
}
} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const auto input = text(byte_view(data, size));
    // Requests must mean the same however the network cuts them: else a proxy and we could disagree.
    const auto whole = outcome(input, std::max<std::size_t>(size, 1));
    const auto pieces = outcome(input, 1);
    // A refusal may come earlier, by another status, when bytes trickle in.
    const bool refused = whole.size() == 3 || pieces.size() == 3;
    CONSORTIUM_ASSERT(refused || whole == pieces);
    return 0;
}
