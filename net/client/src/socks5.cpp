#include "socks5.hpp"
#include "consortium/common/error.hpp"
#include <boost/asio/ip/address.hpp>
#include <utility>

namespace consortium::net
{
namespace
{
// RFC 1928 sections 3 to 6.
constexpr char version = 5;
constexpr char no_login = 0;
constexpr char user_and_password = 2;
constexpr char none_acceptable = static_cast<char>(0xff);
constexpr char command_connect = 1;
constexpr char address_v4 = 1;
constexpr char address_name = 3;
constexpr char address_v6 = 4;
// RFC 1929 section 2.
constexpr char login_version = 1;

constexpr std::size_t port_bytes = 2;

std::string_view reason(char reply)
{
    switch (reply)
    {
    case 2:
        return "does not allow this connection";
    case 3:
    case 4:
        return "cannot reach that host";
    case 5:
        return "was refused by that host";
    case 6:
        return "gave up reaching that host";
    default:
        return "failed to connect";
    }
}

std::string with_length(std::string_view text)
{
    return std::string(1, static_cast<char>(text.size())).append(text);
}
} // namespace

socks5_handshake::socks5_handshake(std::string host, std::uint16_t port, std::optional<proxy::login> credentials)
    : host_(std::move(host)), port_(port), credentials_(std::move(credentials))
{
    CONSORTIUM_ASSERT(host_.size() <= 255);
}

std::string socks5_handshake::hello() const
{
    if (credentials_)
        return {version, 2, no_login, user_and_password};
    return {version, 1, no_login};
}

void socks5_handshake::await(step at, std::size_t bytes)
{
    at_ = at;
    wanted_ = bytes;
}

std::string socks5_handshake::request() const
{
    std::string out{version, command_connect, 0};
    boost::system::error_code is_name;
    const auto address = boost::asio::ip::make_address(host_, is_name);
    const auto append = [&out](char kind, const auto& bytes)
    {
        out += kind;
        out.append(bytes.begin(), bytes.end());
    };
    if (is_name)
        append(address_name, with_length(host_));
    else if (address.is_v4())
        append(address_v4, address.to_v4().to_bytes());
    else
        append(address_v6, address.to_v6().to_bytes());
    out += static_cast<char>(port_ >> 8);
    out += static_cast<char>(port_ & 0xff);
    return out;
}

result<std::string> socks5_handshake::next(std::string_view input)
{
    CONSORTIUM_ASSERT(input.size() == wanted_);
    switch (at_)
    {
    case step::method:
        if (input[0] != version)
            return fail(errc::corrupt, "does not speak SOCKS5");
        if (input[1] == no_login)
        {
            await(step::reply, 4);
            return request();
        }
        if (input[1] == user_and_password && credentials_)
        {
            await(step::login, 2);
            return std::string(1, login_version) + with_length(credentials_->user) +
                   with_length(credentials_->password);
        }
        if (input[1] == none_acceptable)
            return fail(
                errc::io, credentials_ ? "takes none of the ways to log in that are supported" : "wants a login");
        return fail(errc::corrupt, "chose a way to log in that was not offered");
    case step::login:
        // The version is not looked at: some send the protocol's, and the status says all.
        if (input[1] != 0)
            return fail(errc::io, "refuses the user or the password");
        await(step::reply, 4);
        return request();
    case step::reply:
        return read_reply(input);
    case step::name_length:
        await(step::rest, static_cast<unsigned char>(input[0]) + port_bytes);
        return std::string();
    case step::rest:
        await(step::done, 0);
        return std::string();
    case step::done:
        break;
    }
    std::unreachable();
}

result<std::string> socks5_handshake::read_reply(std::string_view input)
{
    if (input[0] != version)
        return fail(errc::corrupt, "does not speak SOCKS5");
    if (input[1] != 0)
        return fail(errc::io, std::string(reason(input[1])));
    switch (input[3])
    {
    case address_v4:
        await(step::rest, 4 + port_bytes);
        break;
    case address_v6:
        await(step::rest, 16 + port_bytes);
        break;
    case address_name:
        await(step::name_length, 1);
        break;
    default:
        return fail(errc::corrupt, "answered in an unknown form");
    }
    return std::string();
}

} // namespace consortium::net
