#pragma once
#include "consortium/net/proxy.hpp"
#include <string>
#include <string_view>

namespace consortium::net
{

/// The client's side of SOCKS5 (RFC 1928, RFC 1929) as a pure function of bytes: send hello(), then offer exactly
/// wanted() bytes and send what next() gives back, until done().
class socks5_handshake
{
public:
    /// `host`: a numeric address, or a name of at most 255 bytes that the proxy looks up.
    socks5_handshake(std::string host, std::uint16_t port, std::optional<proxy::login> credentials);

    std::string hello() const;
    std::size_t wanted() const noexcept { return wanted_; }
    bool done() const noexcept { return at_ == step::done; }
    /// Errors: errc::corrupt (no SOCKS5), errc::io (the proxy will not); `detail` goes on after "the proxy".
    result<std::string> next(std::string_view input);

private:
    enum class step
    {
        method,
        login,
        reply,
        name_length, ///< of the bound address, which nobody needs
        rest,
        done,
    };

    std::string request() const;
    void await(step at, std::size_t bytes);
    result<std::string> read_reply(std::string_view input);

    std::string host_;
    std::uint16_t port_;
    std::optional<proxy::login> credentials_;
    step at_ = step::method;
    std::size_t wanted_ = 2;
};

} // namespace consortium::net
