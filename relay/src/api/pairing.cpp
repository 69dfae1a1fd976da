#include "api/http.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/box.hpp"
#include "consortium/projections/commands.hpp"
#include "consortium/projections/views.hpp"

/// Pairing a device to an account: docs/protocol.md, "Pairing".
namespace consortium::relay::api
{
namespace
{

asio::awaitable<net::http_response> request_pairing(call given)
{
    auto& shared = given.shared;
    if (auto allowed = shared.guests.take(rate_key(given.from.remote_address)); !allowed)
        co_return refuse(allowed.error());
    const auto asked = read_body(given, v1::read_pairing_request);
    if (!asked)
        co_return refuse(asked.error());
    // A key that was answered is used up; its answer is fetched by asking for the status.
    const auto at = shared.log.read();
    if (projections::find_pairing(*at, asked->public_key))
        co_return ok(R"({"state":"requested"})");
    if (auto noted = shared.pairings.announce(*asked, rate_key(given.from.remote_address)); !noted)
        co_return refuse(noted.error());
    co_return ok(R"({"state":"requested"})");
}

std::string pending_status(const v1::pairing_request& wanted)
{
    std::string json;
    v1::json_writer(json)
        .begin_object()
        .field("status", "pending")
        .field("supportsV2", false)
        .field("sealed", true)
        .key("device")
        .begin_object()
        .field("publicKey", base64_encode(wanted.device.public_key))
        .field("kind", v1::name(wanted.device.kind))
        .field("sealedName", wanted.device.sealed_name)
        .end_object()
        .field("mac", wanted.mac)
        .end_object();
    return json;
}

/// The token goes out sealed to the key that asked: who saw only the public key gains nothing.
result<std::string>
authorized_status(services& shared, const byte_array<32>& public_key, const projections::pairing_view& approved)
{
    const auto token = shared.tokens.issue({approved.account, approved.device}, shared.clock.now());
    const auto sealed = box_bundle_seal(public_key, view(token));
    if (!sealed)
        return std::unexpected(sealed.error());
    std::string json;
    v1::json_writer(json)
        .begin_object()
        .field("status", "authorized")
        .field("supportsV2", false)
        .field("response", approved.response)
        .field("sealedToken", base64_encode(*sealed))
        .end_object();
    return json;
}

asio::awaitable<net::http_response> pairing_status(call given)
{
    auto& shared = given.shared;
    if (auto allowed = shared.pollers.take(rate_key(given.from.remote_address)); !allowed)
        co_return refuse(allowed.error());
    const auto not_found = [] { return ok(R"({"status":"not_found","supportsV2":false})"); };
    std::string text(given.request.query_value("publicKey").value_or(std::string_view()));
    // A plus that was not escaped has become a space; base64 has no spaces.
    std::ranges::replace(text, ' ', '+');
    const auto decoded = base64_decode(text);
    if (!decoded || decoded->size() != 32)
        co_return not_found();
    const auto public_key = to_array<32>(*decoded);

    // The book first: an approval that takes it out of there in between is in the log by then.
    const auto wanted = shared.pairings.find(public_key);
    const auto at = shared.log.read();
    if (const auto approved = projections::find_pairing(*at, public_key))
    {
        if (!shared.pairings.may_deliver(public_key, approved->approved_at))
            co_return not_found();
        auto json = authorized_status(shared, public_key, *approved);
        co_return json ? ok(std::move(*json)) : refuse(json.error());
    }
    co_return wanted ? ok(pending_status(*wanted)) : not_found();
}

asio::awaitable<net::http_response> answer_pairing(call given)
{
    auto& shared = given.shared;
    if (auto reached =
            projections::reach(*shared.log.read(), given.who, projections::account_target::members, intent::see);
        !reached)
        co_return refuse(reached.error());
    const auto asked = read_body(given, v1::read_pairing_answer);
    if (!asked)
        co_return refuse(asked.error());

    // The book first, as above.
    const auto wanted = shared.pairings.find(asked->public_key);
    const auto at = shared.log.read();
    if (projections::find_pairing(*at, asked->public_key))
        co_return success(); // the first answer is kept
    if (!wanted)
        co_return refuse({errc::not_found, "Request not found", {}});

    auto approval = std::make_shared<projections::approve_pairing>();
    approval->who = given.who;
    approval->request_key = asked->public_key;
    approval->device_key = to_bytes(wanted->device.public_key);
    approval->kind =
        wanted->device.kind == v1::device_kind::agent ? log::device_kind::agent : log::device_kind::browser;
    approval->sealed_name = asked->sealed_name;
    approval->response = asked->response;
    approval->new_device = device_id{make_uuid_v7(shared.clock.now())};
    const auto done = co_await shared.commits.append(approval);
    if (!done)
        co_return refuse(done.error());
    shared.pairings.forget(asked->public_key);
    co_return success();
}

constexpr route routes[] = {
    {"POST", "/v1/auth/request", access::anyone, request_pairing},
    {"GET", "/v1/auth/request/status", access::anyone, pairing_status},
    {"POST", "/v1/auth/response", access::token, answer_pairing},
};

} // namespace

std::span<const route> pairing_routes()
{
    return routes;
}

} // namespace consortium::relay::api
