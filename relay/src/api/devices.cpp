#include "api/http.hpp"
#include "consortium/projections/commands.hpp"
#include "consortium/projections/views.hpp"

namespace consortium::relay::api
{
namespace
{

asio::awaitable<net::http_response> list_devices(call given)
{
    auto& shared = given.shared;
    const auto at = shared.log.read();
    const auto devices = projections::list_devices(*at, given.who.account);
    if (!devices)
        co_return refuse(devices.error());
    const auto reflects = projections::last_revision(*at, given.who.account);
    std::string json;
    v1::json_writer out(json);
    out.begin_object().key("devices").begin_array();
    for (const auto& device : *devices)
        v1::write(
            out, v1::device_object{
                     .id = to_string(device.id),
                     .public_key = device.public_key,
                     .kind = wire_name(device.kind),
                     .sealed_name = device.sealed_name,
                     .created_at = device.created_at,
                     .revoked_at = device.revoked_at});
    out.end_array();
    write_stamp(out, shared, reflects);
    out.end_object();
    auto answer = ok(std::move(json));
    stamp(answer, shared, reflects);
    co_return answer;
}

asio::awaitable<net::http_response> revoke_device(call given)
{
    auto wanted = std::make_shared<projections::revoke_device>();
    wanted->who = given.who;
    wanted->device = id_of<device_id>(given.segments[0]);
    const auto done = co_await given.shared.commits.append(wanted);
    if (done)
        co_return success();
    if (done.error() == errc::not_found)
        co_return refuse(done.error(), "Device not found");
    co_return refuse(done.error());
}

constexpr route routes[] = {
    {"GET", "/v1/devices", access::token, list_devices},
    {"DELETE", "/v1/devices/:id", access::token, revoke_device},
};

} // namespace

std::span<const route> device_routes()
{
    return routes;
}

} // namespace consortium::relay::api
