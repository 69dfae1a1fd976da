#include "pairing.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/e2ee/keys.hpp"
#include "consortium/e2ee/login.hpp"
#include "consortium/net/http.hpp"
#include "json_access.hpp"
#include "wakeup.hpp"
#include <boost/asio/this_coro.hpp>
#include <boost/json.hpp>

namespace consortium::agent
{
namespace json = boost::json;
namespace
{

constexpr auto poll_interval = std::chrono::seconds(1);

auto not_ours(const char* what)
{
    return fail(errc::corrupt, std::string("The relay's answer is refused: ") + what + " Nothing was stored.");
}

asio::awaitable<void> pause(std::chrono::milliseconds time)
{
    asio::steady_timer timer(co_await asio::this_coro::executor, time);
    boost::system::error_code ignored;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

} // namespace

pairing_attempt::pairing_attempt(relay_client& relay, const ed25519_public& device, std::string name) : relay_(relay)
{
    request_.public_key = key_.public_key();
    request_.device = device;
    request_.kind = e2ee::device_kind::agent;
    request_.sealed_name = e2ee::pairing_name_seal(secret_, name);
}

std::string pairing_attempt::link() const
{
    return e2ee::pairing_link_make({relay_.server_url(), request_.public_key, secret_});
}

asio::awaitable<relay_answer<void>> pairing_attempt::ask()
{
    const auto mac = e2ee::pairing_request_mac(secret_, request_);
    json::object body{
        {"publicKey", base64_encode(request_.public_key)},
        {"sealed", true},
        {"device",
         json::object{
             {"publicKey", base64_encode(request_.device)}, {"kind", "agent"}, {"sealedName", request_.sealed_name}}},
        {"mac", base64_encode(mac)}};
    const auto asked = co_await relay_.post("/v1/auth/request", std::move(body), "state");
    if (!asked)
        co_return std::unexpected(asked.error());
    co_return relay_answer<void>();
}

asio::awaitable<result<approval>> pairing_attempt::wait(const clock_source& clock)
{
    const auto path = "/v1/auth/request/status?publicKey=" + net::percent_encode(base64_encode(request_.public_key));
    bool asked = false;
    backoff delay;
    for (;;)
    {
        if (!asked)
        {
            const auto done = co_await ask();
            if (!done && !worth_retrying(done.error()))
                co_return std::unexpected(done.error());
            asked = done.has_value();
            if (!asked)
            {
                co_await pause(delay.next());
                continue;
            }
        }
        const auto status = co_await relay_.get(path, "status");
        if (!status)
        {
            if (!worth_retrying(status.error()))
                co_return std::unexpected(status.error());
            co_await pause(std::max(delay.next(), status.error().retry.value_or(std::chrono::milliseconds(0))));
            continue;
        }
        delay.reset();
        const auto state = status->text("status");
        if (state == "authorized")
            co_return co_await open(*status, clock);
        if (state == "not_found")
            asked = false; // it has expired: ask anew, under the same link
        co_await pause(poll_interval);
    }
}

asio::awaitable<result<approval>> pairing_attempt::open(const unchecked& status, const clock_source& clock)
{
    const auto response = base64_decode(status.text("response"));
    const auto sealed_token = base64_decode(status.text("sealedToken"));
    if (!response || !sealed_token)
        co_return not_ours("it has an unknown form.");
    const auto plain = e2ee::box_bundle_open(key_, *response);
    if (!plain)
        co_return not_ours("it was not made for this request.");
    const auto answer = e2ee::pairing_answer_open(secret_, request_.public_key, request_.device, *plain);
    if (!answer)
        co_return not_ours("it was not made by someone who has this link.");
    const auto token = e2ee::box_bundle_open(key_, *sealed_token);
    if (!token)
        co_return not_ours("its token was not made for this request.");
    const auto claims = read_token(text(*token));
    if (!claims)
        co_return not_ours("its token has an unknown form.");
    if (claims->account != answer->account_id)
        co_return not_ours("its token is for another account.");

    approval out;
    out.who.server_url = relay_.server_url();
    out.who.account_id = answer->account_id;
    out.who.token = std::string(text(*token));
    out.who.account_key = answer->account;
    out.who.content_key = answer->content;
    out.who.since = clock.now();
    out.code = e2ee::pairing_code(secret_, request_.public_key, *plain);

    relay_.set_token(out.who.token);
    const auto own = co_await check_own_device(relay_, request_.device);
    relay_.set_token("");
    if (!own)
        co_return std::unexpected(own.error());
    co_return out;
}

result<token_claims> read_token(std::string_view token)
{
    const auto first = token.find('.');
    const auto second = first == std::string_view::npos ? first : token.find('.', first + 1);
    if (second == std::string_view::npos)
        return fail(errc::corrupt, "a token has three parts");
    const auto payload = base64url_decode(token.substr(first + 1, second - first - 1));
    if (!payload)
        return fail(errc::corrupt, "a token's claims are base64url");
    boost::system::error_code problem;
    const auto value = json::parse(json::string_view(text(*payload).data(), payload->size()), problem);
    if (problem || !value.is_object())
        return fail(errc::corrupt, "a token's claims are an object");
    token_claims out{text_at(value.get_object(), "sub"), text_at(value.get_object(), "jti")};
    if (out.account.empty() || out.device.empty())
        return fail(errc::corrupt, "a token names account and device");
    return out;
}

asio::awaitable<result<void>> check_own_device(relay_client& relay, const ed25519_public& device)
{
    const auto claims = read_token(relay.token());
    if (!claims)
        co_return std::unexpected(claims.error());
    const auto list = co_await relay.get("/v1/devices", "devices");
    if (!list)
        co_return std::unexpected(list.error());
    const auto own = base64_encode(device);
    for (const auto& each : list->objects("devices"))
    {
        if (each.uuid("id") == claims->device && each.text("publicKey") == own)
            co_return result<void>();
    }
    co_return not_ours("its token is for another device.");
}

asio::awaitable<result<identity>> sign_in(
    relay_client& relay, const key256& account_secret, const ed25519_key& device, std::string name,
    const clock_source& clock)
{
    const auto keys = e2ee::make_account_keys(account_secret);
    const auto origin = e2ee::origin_of(relay.server_url());
    if (!origin)
        co_return std::unexpected(origin.error());
    const auto public_key = base64_encode(keys.login.public_key());
    const auto given =
        co_await relay.post("/v1/auth/challenge", {{"publicKey", public_key}, {"origin", *origin}}, "challenge");
    if (!given)
        co_return std::unexpected(given.error());
    const auto challenge_text = given->text("challenge");
    const auto challenge = e2ee::challenge_check(challenge_text, *origin, keys.login.public_key());
    if (!challenge)
        co_return std::unexpected(challenge.error());
    const auto sealed_name = box_bundle_seal(keys.content.public_key(), view(name));
    if (!sealed_name)
        co_return std::unexpected(sealed_name.error());

    const auto signatures = e2ee::sign_login(*challenge, keys.login, device);
    json::object body{
        {"publicKey", public_key},
        {"challenge", challenge_text},
        {"signature", base64_encode(signatures.account)},
        {"device",
         json::object{
             {"publicKey", base64_encode(device.public_key())},
             {"kind", "agent"},
             {"sealedName", base64_encode(*sealed_name)}}},
        {"deviceSignature", base64_encode(signatures.device)}};
    const auto answer = co_await relay.post("/v1/auth", std::move(body), "token");
    if (!answer)
        co_return std::unexpected(answer.error());

    identity out;
    out.server_url = relay.server_url();
    out.token = answer->text("token");
    out.account_id = answer->uuid("accountId");
    out.account_key = keys.login.public_key();
    out.content_key = keys.content.public_key();
    out.since = clock.now();
    out.account_secret = account_secret;
    const auto claims = read_token(out.token);
    if (!claims || claims->account != out.account_id || claims->device != answer->uuid("deviceId"))
        co_return fail(errc::corrupt, "The relay's answer to the login does not fit together.");
    co_return out;
}

asio::awaitable<result<bool>> has_browser(relay_client& relay)
{
    const auto list = co_await relay.get("/v1/devices", "devices");
    if (!list)
        co_return std::unexpected(list.error());
    for (const auto& each : list->objects("devices"))
    {
        if (each.text("kind") == "browser" && each.number("revokedAt") == 0)
            co_return true;
    }
    co_return false;
}

} // namespace consortium::agent
