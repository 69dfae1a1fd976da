#pragma once
#include "api/http.hpp"
#include "transport/socket_server.hpp"

namespace consortium::relay
{

/// The one place where a request is admitted, on its header, before a byte of its body is read: address, route, origin,
/// token, rate, and what its body may have. Thread-safe.
class request_admission
{
public:
    explicit request_admission(services& shared);
    /// Before the first request.
    void attach(socket_server& sockets) { sockets_ = &sockets; }

    /// What was found out about an admitted request; goes with it.
    struct granted
    {
        const api::route* how = nullptr; ///< none: a page, a preflight, or the socket's
        projections::principal who;
        std::vector<std::string> segments;
        /// Of the body, as announced, or of all it may have when it comes in chunks.
        byte_budget::held bytes;
    };
    /// Of an admitted request.
    static granted& of(const net::http_request& request) { return *static_cast<granted*>(request.admitted.get()); }

    net::admission admit(const net::http_request& head, net::connection_info& from);
    /// Whose token it came with. Asked again once the body is there: a device may have been revoked meanwhile.
    result<projections::principal> authenticate(const net::http_request& request, api::access needs) const;

    /// What connections of an address are counted by; proxies speak for many.
    std::string counted_as(const std::string& address) const;
    void note_refusal(refused of, errc reason, std::string_view why, const std::string& address) const;

private:
    struct node
    {
        api::route how;
        std::vector<std::string_view> parts;
    };
    const node* find(std::string_view method, const std::vector<std::string>& path) const;
    result<net::admission> judge(const net::http_request& head, const net::connection_info& from);
    result<net::admission> judge_socket(const net::http_request& head, const net::connection_info& from);
    result<void> check_origin(const net::http_request& head, const api::route& how, bool with_token) const;
    /// Its token comes behind the header: to a page of somebody else there is no socket at all.
    result<void> check_origin_of_socket(const net::http_request& head) const;
    result<void> take_rate(api::rate of, const std::string& address);
    result<byte_budget::held>
    take_bytes(const net::http_request& head, std::size_t bytes_max, account_id of, const std::string& address);

    services& shared_;
    socket_server* sockets_ = nullptr;
    std::vector<node> nodes_;
    mutable std::atomic<bool> warned_of_proxy_ = false;
};

/// The answer to a request whose authenticate() failed.
net::http_response refuse_unauthenticated(const error& why);

} // namespace consortium::relay
