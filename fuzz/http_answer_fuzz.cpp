// Beast's own parser, as the client uses it: it is compiled without assertions (net/common/src/beast.cpp).
#include "consortium/common/bytes.hpp"
#include "consortium/common/error.hpp"
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>

namespace
{
using namespace consortium;
namespace http = boost::beast::http;

/// Status and body, "refused", or "more". The buffer holds what is unread and nothing behind it.
std::string outcome(std::string_view input, std::size_t step)
{
    http::response_parser<http::string_body> parser;
    parser.header_limit(1024);
    parser.body_limit(1024);
    parser.eager(true);
    std::string unread;
    std::size_t at = 0;
    while (!parser.is_done())
    {
        if (at == input.size())
            return "more";
        const auto count = std::min(step, input.size() - at);
        unread += input.substr(at, count);
        unread.shrink_to_fit();
        at += count;
        while (!unread.empty() && !parser.is_done())
        {
            boost::system::error_code failed;
            const auto used = parser.put(boost::asio::const_buffer(unread.data(), unread.size()), failed);
            CONSORTIUM_ASSERT(used <= unread.size());
            unread.erase(0, used);
            if (failed && failed != http::error::need_more)
                return "refused";
            if (failed || used == 0)
                break;
        }
    }
    CONSORTIUM_ASSERT(parser.get().body().size() <= 1024);
    return std::to_string(parser.get().result_int()) + " " + parser.get().body();
}
} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const auto input = text(byte_view(data, size));
    (void)outcome(input, std::max<std::size_t>(size, 1));
    (void)outcome(input, 1);
    (void)outcome(input, 3);
    return 0;
}
