#include "api/statements.hpp"
#include "consortium/projections/commands.hpp"
#include <algorithm>

/// The devices of an account and the chain that says so: docs/protocol.md, "The device chain".
namespace consortium::relay::api
{
namespace
{

net::http_response read_devices(const call& given)
{
    auto& shared = given.shared;
    const auto at = shared.log.read();
    if (auto reached = projections::reach(*at, given.who, projections::account_target::devices, intent::see); !reached)
        return refuse(reached.error());
    const auto devices = projections::list_devices(*at, given.who.account);
    if (!devices)
        return refuse(devices.error());
    const auto statements = projections::list_statements(*at, given.who.account);
    if (!statements)
        return refuse(statements.error());
    return stamped(
        given, *at,
        [&](v1::json_writer& out)
        {
            out.key("devices").begin_array();
            for (const auto& device : *devices)
                v1::write(
                    out, v1::device_object{
                             .id = to_string(device.id),
                             .public_key = device.public_key,
                             .kind = v1::name(device.kind),
                             .created_at = device.created_at,
                             .revoked_at = device.revoked_at,
                             .stated = device.stated});
            out.end_array();
            v1::write_statements(out, *statements);
        });
}

asio::awaitable<net::http_response> list_devices(call given)
{
    co_return co_await on_reader(std::move(given), read_devices);
}

/// They prove themselves: whoever brings them adds nothing to what their signer said.
asio::awaitable<net::http_response> post_statements(call given)
{
    auto& shared = given.shared;
    const auto asked = read_body(given, v1::read_statements_request);
    if (!asked)
        co_return refuse(asked.error());
    const auto first = parse_statement(asked->front());
    if (!first)
        co_return refuse(first.error());
    const auto account = projections::find_account(*shared.log.read(), first->account);
    if (!account)
        co_return refuse(account.error());
    // Those before one that is refused are taken: when a commit fails as a whole, its statements go one by one.
    std::span<const bytes> rest(*asked);
    std::size_t at_once = limits::statements_per_commit_max;
    while (!rest.empty())
    {
        const auto part = rest.first(std::min(at_once, rest.size()));
        const auto done = co_await append_statements(shared, *account, part);
        if (done)
            rest = rest.subspan(part.size());
        else if (part.size() > 1)
            at_once = 1;
        else if (done.error() == errc::conflict)
            co_return refuse_with_chain(shared, done.error(), account->id);
        else
            co_return refuse(done.error());
    }
    co_return success();
}

constexpr route routes[] = {
    {"GET", "/v1/devices", access::token_of_revoked, &body_bounds::small, list_devices},
    {"POST", "/v1/devices/statements", access::anyone, &body_bounds::statements, post_statements, rate::guests},
};

} // namespace

asio::awaitable<result<void>>
append_statements(services& shared, projections::account_view account, std::span<const bytes> statements)
{
    auto wanted = std::make_shared<projections::append_statements>();
    wanted->of = account.id;
    wanted->account_key = account.public_key;
    for (const auto& statement : statements)
        wanted->items.push_back({statement, device_id{make_uuid_v7(shared.clock.now())}});
    const auto done = co_await shared.commits.append(wanted);
    if (!done)
        co_return std::unexpected(done.error());
    co_return result<void>();
}

std::span<const route> device_routes()
{
    return routes;
}

} // namespace consortium::relay::api
