#include "client_address.hpp"
#include "consortium/common/bytes.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace consortium;
    using namespace consortium::relay;
    static const auto proxies = trusted_proxies::make(std::array<std::string, 2>{"127.0.0.1", "10.0.0.0/8"}).value();
    const std::string said(text(byte_view(data, size)));
    for (const auto& headers :
         {net::http_headers{{"Forwarded", said}}, net::http_headers{{"X-Forwarded-For", said}},
          net::http_headers{{"X-Forwarded-For", said}, {"Forwarded", said}}})
    {
        // Whatever is said, somebody asks; and a stranger's word changes nothing.
        const auto client = proxies.client_of("127.0.0.1", headers);
        const auto parsed = parse_address(client);
        CONSORTIUM_ASSERT(parsed && to_string(*parsed) == client);
        CONSORTIUM_ASSERT(proxies.client_of("192.0.2.1", headers) == "192.0.2.1");
        // What a client puts before what its proxy wrote does not matter.
        auto prefixed = headers;
        prefixed.add("X-Forwarded-For", "198.51.100.7");
        prefixed.set("Forwarded", "for=198.51.100.7");
        CONSORTIUM_ASSERT(proxies.client_of("127.0.0.1", prefixed) == "198.51.100.7");
    }
    return 0;
}
