#include "api/http.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/projections/commands.hpp"

/// Login: docs/protocol.md, "Login".
namespace consortium::relay::api
{
namespace
{

log::device_kind kind_of(v1::device_kind kind)
{
    return kind == v1::device_kind::agent ? log::device_kind::agent : log::device_kind::browser;
}

asio::awaitable<net::http_response> make_challenge(call given)
{
    auto& shared = given.shared;
    if (auto allowed = shared.guests.take(rate_key(given.from.remote_address)); !allowed)
        co_return refuse(allowed.error());
    const auto asked = read_body(given, v1::read_challenge_request);
    if (!asked)
        co_return refuse(asked.error());

    std::string origin;
    if (asked->origin)
    {
        if (auto accepted = shared.origins.check(*asked->origin); !accepted)
            co_return refuse(accepted.error());
        origin = *asked->origin;
    }
    else
    {
        auto named = shared.origins.of_host(given.request.header("Host").value_or(std::string_view()), given.from.tls);
        if (!named)
            co_return refuse(named.error());
        origin = std::move(*named);
    }
    const auto made = shared.challenges.make(origin, asked->public_key);
    std::string json;
    v1::json_writer(json)
        .begin_object()
        .field("challenge", base64_encode(made.text))
        .field("expiresAt", made.expires_at)
        .end_object();
    co_return ok(std::move(json));
}

/// With a device both keys sign challenge ‖ device public key: neither signature fits another device.
result<void> check_signatures(const v1::login_request& asked)
{
    auto signed_text = asked.challenge;
    if (asked.device)
    {
        append(signed_text, byte_view(asked.device->public_key));
        if (!ed25519_verify(asked.device->public_key, signed_text, asked.device_signature))
            return fail(errc::unauthorized, "Invalid signature");
    }
    if (!ed25519_verify(asked.public_key, signed_text, asked.signature))
        return fail(errc::unauthorized, "Invalid signature");
    return {};
}

asio::awaitable<net::http_response> login(call given)
{
    auto& shared = given.shared;
    if (auto allowed = shared.guests.take(rate_key(given.from.remote_address)); !allowed)
        co_return refuse(allowed.error());
    const auto asked = read_body(given, v1::read_login_request);
    if (!asked)
        co_return refuse(asked.error());
    if (auto known = shared.challenges.check(asked->challenge, asked->public_key); !known)
        co_return refuse(known.error());
    if (auto valid = check_signatures(*asked); !valid)
        co_return refuse(valid.error());
    if (auto first = shared.challenges.use(asked->challenge); !first)
        co_return refuse(first.error());

    const auto now = shared.clock.now();
    auto wanted = std::make_shared<projections::login>();
    wanted->public_key = asked->public_key;
    if (asked->device)
    {
        wanted->device_key = to_bytes(asked->device->public_key);
        wanted->kind = kind_of(asked->device->kind);
        wanted->sealed_name = asked->device->sealed_name;
    }
    if (asked->account)
        wanted->expected = parse_uuid<account_id>(*asked->account).value_or(account_id{});
    wanted->new_account = account_id{make_uuid_v7(now)};
    wanted->new_device = device_id{make_uuid_v7(now)};
    const auto done = co_await shared.commits.append(wanted);
    if (!done)
        co_return refuse(done.error());
    std::string json;
    v1::json_writer(json)
        .begin_object()
        .field("success", true)
        .field("token", shared.tokens.issue({wanted->found_account, wanted->found_device}, now))
        .field("accountId", to_string(wanted->found_account))
        .field("deviceId", to_string(wanted->found_device))
        .end_object();
    co_return ok(std::move(json));
}

constexpr route routes[] = {
    {"POST", "/v1/auth/challenge", access::anyone, make_challenge},
    {"POST", "/v1/auth", access::anyone, login},
};

} // namespace

std::span<const route> auth_routes()
{
    return routes;
}

} // namespace consortium::relay::api
