#include "api/http.hpp"
#include "api/objects.hpp"
#include "consortium/projections/commands.hpp"

namespace consortium::relay::api
{
namespace
{

net::http_response refuse_machine(const error& why)
{
    return why == errc::not_found ? refuse(why, "Machine not found") : refuse(why);
}

asio::awaitable<net::http_response> register_machine(call given)
{
    auto& shared = given.shared;
    auto asked = read_body(given, v1::read_machine_request);
    if (!asked)
        co_return refuse(asked.error());
    auto wanted = std::make_shared<projections::register_machine>();
    wanted->who = given.who;
    wanted->new_machine = machine_row_id{make_uuid_v7(shared.clock.now())};
    wanted->machine_id = std::move(asked->id);
    wanted->metadata = std::move(asked->metadata);
    wanted->daemon_state = std::move(asked->daemon_state);
    wanted->data_key = std::move(asked->data_key);
    const auto done = co_await shared.commits.append(wanted);
    if (!done)
        co_return refuse(done.error());
    const auto at = shared.log.read();
    const auto row = projections::find_machine(*at, given.who.account, wanted->machine_id);
    if (!row)
        co_return refuse_machine(row.error());
    std::string json;
    v1::json_writer out(json);
    out.begin_object().key("machine");
    v1::write(out, object_of(*row), /*with_seq=*/false);
    out.end_object();
    co_return ok(std::move(json));
}

net::http_response read_list_machines(const call& given)
{
    auto& shared = given.shared;
    const auto at = shared.log.read();
    const auto rows = projections::list_machines(*at, given.who.account);
    if (!rows)
        return refuse(rows.error());
    const auto reflects = projections::last_revision(*at, given.who.account);
    if (!reflects)
        return refuse(reflects.error());
    std::string json;
    v1::json_writer out(json);
    out.begin_array();
    for (const auto& row : *rows)
        if (projections::reaches_made_by(given.who, row.creator))
            v1::write(out, object_of(row), /*with_seq=*/true);
    out.end_array();
    auto answer = ok(std::move(json));
    stamp(answer, shared, *reflects);
    return answer;
}

asio::awaitable<net::http_response> list_machines(call given)
{
    co_return co_await on_reader(std::move(given), read_list_machines);
}

asio::awaitable<net::http_response> find_machine(call given)
{
    auto& shared = given.shared;
    const auto at = shared.log.read();
    if (auto reached = projections::reach(*at, given.who, projections::machine_target{given.segments[0]}, intent::see);
        !reached)
        co_return refuse_machine(reached.error());
    const auto row = projections::find_machine(*at, given.who.account, given.segments[0]);
    if (!row)
        co_return refuse_machine(row.error());
    const auto reflects = projections::last_revision(*at, given.who.account);
    if (!reflects)
        co_return refuse(reflects.error());
    std::string json;
    v1::json_writer out(json);
    out.begin_object().key("machine");
    v1::write(out, object_of(*row), /*with_seq=*/true);
    out.end_object();
    auto answer = ok(std::move(json));
    stamp(answer, shared, *reflects);
    co_return answer;
}

asio::awaitable<net::http_response> remove_machine(call given)
{
    auto wanted = std::make_shared<projections::remove_machine>();
    wanted->who = given.who;
    wanted->machine_id = given.segments[0];
    const auto done = co_await given.shared.commits.append(wanted);
    co_return done ? success() : refuse_machine(done.error());
}

constexpr route routes[] = {
    {"POST", "/v1/machines", access::token, &body_bounds::fields, register_machine},
    {"GET", "/v1/machines", access::token, &body_bounds::small, list_machines},
    {"GET", "/v1/machines/:id", access::token, &body_bounds::small, find_machine},
    {"DELETE", "/v1/machines/:id", access::token, &body_bounds::small, remove_machine},
};

} // namespace

std::span<const route> machine_routes()
{
    return routes;
}

} // namespace consortium::relay::api
