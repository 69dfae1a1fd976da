#include "auth/invitations.hpp"
#include "api/http.hpp"
#include "consortium/common/invitation.hpp"

/// Invitations: docs/protocol.md 2.9.
namespace consortium::relay::api
{
namespace
{

/// Where people find this relay: as it was told, or as whoever asks found it.
std::string address_of(const call& given)
{
    const auto& origins = given.shared.origins;
    if (const auto url = origins.first_public_url(); !url.empty())
        return std::string(url);
    return origins.of_host(given.request.header("Host").value_or(std::string_view()), given.from.tls).value_or("");
}

asio::awaitable<net::http_response> make_one(call given)
{
    const auto made = co_await invite(given.shared, given.who);
    if (!made)
        co_return refuse(made.error());
    std::string json;
    v1::json_writer(json)
        .begin_object()
        .field("code", made->code)
        .field("link", invitation_link(address_of(given), made->code))
        .field("expiresAt", made->expires)
        .end_object();
    co_return ok(std::move(json));
}

constexpr route routes[] = {
    {"POST", "/v1/invitations", access::token, &body_bounds::small, make_one},
};

} // namespace

std::span<const route> invitation_routes()
{
    return routes;
}

} // namespace consortium::relay::api
