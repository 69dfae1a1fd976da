#include "api/http.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/invitation.hpp"
#include "consortium/projections/commands.hpp"
#include "consortium/projections/views.hpp"

/// Login and logout: docs/protocol.md, "Login" and "Tokens".
namespace consortium::relay::api
{
namespace
{

asio::awaitable<net::http_response> make_challenge(call given)
{
    auto& shared = given.shared;
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

/// What a device's key signs, and beside it the account's: neither signature fits another device.
bytes with_device(const bytes& challenge, const ed25519_public& device)
{
    auto out = challenge;
    append(out, byte_view(device));
    return out;
}

result<void> check_signatures(const v1::login_request& asked)
{
    const auto signed_text = asked.device ? with_device(asked.challenge, asked.device->public_key) : asked.challenge;
    if (asked.device && !ed25519_verify(asked.device->public_key, signed_text, asked.device_signature))
        return fail(errc::unauthorized, "Invalid signature");
    if (!ed25519_verify(asked.public_key, signed_text, asked.signature))
        return fail(errc::unauthorized, "Invalid signature");
    return {};
}

result<void> check_signatures(const v1::device_login_request& asked)
{
    const auto& key = asked.device.public_key;
    if (!ed25519_verify(key, with_device(asked.challenge, key), asked.device_signature))
        return fail(errc::unauthorized, "Invalid signature");
    return {};
}

/// The challenge is for `key`, the signatures are right, and nothing of it was used before.
template <class Asked>
result<void> prove(services& shared, const Asked& asked, const ed25519_public& key)
{
    if (auto known = shared.challenges.check(asked.challenge, key); !known)
        return known;
    if (auto valid = check_signatures(asked); !valid)
        return valid;
    return shared.challenges.use(asked.challenge);
}

net::http_response welcome(services& shared, const token_claims& claims)
{
    std::string json;
    v1::json_writer(json)
        .begin_object()
        .field("success", true)
        .field("token", shared.tokens.issue(claims, shared.clock.now()))
        .field("accountId", to_string(claims.account))
        .field("deviceId", to_string(claims.device))
        .end_object();
    return ok(std::move(json));
}

/// What the account's key has to sign before the device can enter: the end of its chain, under a new challenge.
net::http_response ask_for_statement(
    services& shared, const error& why, const projections::sign_in& wanted, const v1::login_request& asked)
{
    const auto statements = projections::list_statements(*shared.log.read(), wanted.found_account);
    if (!statements)
        return refuse(statements.error());
    const auto next = shared.challenges.renew(asked.challenge);
    // The id that an account would get belongs to one challenge.
    const bool is_new = wanted.found_account == wanted.new_account;
    const auto account = is_new ? shared.challenges.account_of(next.text) : wanted.found_account;
    return refuse_with(
        why,
        [&](v1::json_writer& out)
        {
            out.field("accountId", to_string(account));
            v1::write_statements(out, *statements);
            out.field("challenge", base64_encode(next.text)).field("expiresAt", next.expires_at);
        });
}

asio::awaitable<net::http_response> login(services& shared, v1::login_request asked)
{
    // Whatever it is about, and whether or not there is such an account.
    if (asked.statement)
        if (const auto said = parse_statement(*asked.statement); !said)
            co_return refuse(said.error());
    if (auto proved = prove(shared, asked, asked.public_key); !proved)
        co_return refuse(proved.error());
    auto wanted = std::make_shared<projections::sign_in>();
    wanted->account_key = asked.public_key;
    if (asked.device)
        wanted->device = projections::sign_in::named_device{
            asked.device->public_key, asked.device->kind, asked.statement.value_or(bytes{})};
    wanted->new_account = shared.challenges.account_of(asked.challenge);
    wanted->new_device = device_id{make_uuid_v7(shared.clock.now())};
    wanted->create = asked.create;
    wanted->allowed = shared.registration;
    if (asked.invitation)
        wanted->invitation = invitation_of(*asked.invitation).value_or(invitation_id{}); // nil: nobody's
    wanted->expected = asked.account;
    const auto done = co_await shared.commits.append(wanted);
    if (!done && wanted->shows_chain)
        co_return ask_for_statement(shared, done.error(), *wanted, asked);
    if (!done)
        co_return refuse(done.error());
    co_return welcome(shared, {wanted->found_account, wanted->found_device, wanted->sign_outs});
}

net::http_response login(services& shared, const v1::device_login_request& asked)
{
    if (auto proved = prove(shared, asked, asked.device.public_key); !proved)
        return refuse(proved.error());
    const auto known = projections::find_stated_device(*shared.log.read(), asked.account, asked.device.public_key);
    if (!known)
        return refuse(known.error());
    if (known->revoked_at)
        return refuse({errc::revoked, "this device was revoked", {}});
    if (known->kind != asked.device.kind)
        return refuse({errc::not_found, "the account's chain does not name this device", {}});
    return welcome(shared, {asked.account, known->id, known->sign_outs});
}

asio::awaitable<net::http_response> sign_in(call given)
{
    auto& shared = given.shared;
    auto asked = read_body(given, v1::read_sign_in_request);
    if (!asked)
        co_return refuse(asked.error());
    if (const auto* alone = std::get_if<v1::device_login_request>(&*asked))
        co_return login(shared, *alone);
    co_return co_await login(shared, std::get<v1::login_request>(std::move(*asked)));
}

asio::awaitable<net::http_response> log_out(call given)
{
    auto wanted = std::make_shared<projections::sign_out>();
    wanted->who = given.who;
    const auto done = co_await given.shared.commits.append(wanted);
    co_return done ? success() : refuse(done.error());
}

constexpr route routes[] = {
    {"POST", "/v1/auth/challenge", access::anyone, &body_bounds::small, make_challenge, rate::guests},
    {"POST", "/v1/auth", access::anyone, &body_bounds::small, sign_in, rate::guests},
    {"POST", "/v1/auth/logout", access::token, &body_bounds::small, log_out},
};

} // namespace

std::span<const route> auth_routes()
{
    return routes;
}

} // namespace consortium::relay::api
