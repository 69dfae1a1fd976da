#include "listen_address.hpp"
#include <boost/asio/ip/address.hpp>
#include <charconv>

namespace consortium::relay
{

result<listen_address> listen_address::parse(std::string_view text)
{
    const auto wrong = []
    { return fail(errc::bad_request, "not a numeric address with a port, like 127.0.0.1:9464 or [::1]:9464"); };
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos)
        return wrong();
    auto host = text.substr(0, colon);
    const bool bracketed = host.starts_with('[') && host.ends_with(']');
    if (bracketed)
        host = host.substr(1, host.size() - 2);
    listen_address out{.host = std::string(host), .port = 0};
    boost::system::error_code unknown;
    const auto address = boost::asio::ip::make_address(out.host, unknown);
    const auto port = text.substr(colon + 1);
    const auto [end, ec] = std::from_chars(port.data(), port.data() + port.size(), out.port);
    if (unknown || address.is_v6() != bracketed || ec != std::errc() || end != port.data() + port.size())
        return wrong();
    return out;
}

} // namespace consortium::relay
